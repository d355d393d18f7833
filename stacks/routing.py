"""Routing: an optional load balancer in the cloud with weighted tiers, and weights for a balancer on owned hardware.

tiercast does not run the data plane. In the cloud an ALB forwards by the weights of its listener rule. On owned hardware
HAProxy, or any other balancer, reads endpoints and weights from the stack's outputs. Hot VMs are not behind the ALB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.contract_base import Tier
from stacks.contract_cloud import Routing
from stacks.tags import Identity

CLOUD_TIERS = (Tier.WARM, Tier.COLD)


class Router(pulumi.ComponentResource):
    """Target groups per cloud tier behind one load balancer.

    Weights are resource inputs. No other part of a plan changes the balancer.
    """

    def __init__(
        self,
        name: str,
        routing: Routing,
        *,
        identity: Identity,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tiercast:stacks:Router", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        self.target_groups = {tier: _target_group(tier, routing, identity, inside) for tier in CLOUD_TIERS}
        balancer = aws.lb.LoadBalancer(
            "tiers",
            load_balancer_type="application",
            subnets=list(routing.subnets),
            security_groups=list(routing.security_groups) or None,
            tags=identity.tags(None),
            opts=inside,
        )
        listener = _listener(balancer, routing, identity, inside)
        _forward_by_weight(listener, self.target_groups, routing, identity, inside)
        self.outputs: dict[str, Any] = {
            "loadBalancer": balancer.dns_name,
            "targetGroups": {tier.value: group.arn for tier, group in self.target_groups.items()},
        }
        self.register_outputs(self.outputs)


def weights(routing: Routing | None) -> dict[str, int]:
    """Weight per tier as configured: an output for a balancer that this stack does not create."""
    return {} if routing is None else {tier.value: weight for tier, weight in routing.weights.items()}


def _target_group(tier: Tier, routing: Routing, identity: Identity, opts: pulumi.ResourceOptions) -> aws.lb.TargetGroup:
    return aws.lb.TargetGroup(
        tier.value,
        port=routing.port,
        protocol="HTTP",
        target_type="instance",
        vpc_id=routing.vpc,
        health_check=aws.lb.TargetGroupHealthCheckArgs(path=routing.health_path, matcher="200"),
        tags=identity.tags(tier),
        opts=opts,
    )


def _listener(
    balancer: aws.lb.LoadBalancer, routing: Routing, identity: Identity, opts: pulumi.ResourceOptions
) -> aws.lb.Listener:
    """The balancer's port. It answers 503 if no rule forwards a request."""
    return aws.lb.Listener(
        "tiers",
        load_balancer_arn=balancer.arn,
        port=routing.port,
        protocol="HTTP",
        default_actions=[
            aws.lb.ListenerDefaultActionArgs(
                type="fixed-response",
                fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
                    content_type="text/plain", message_body="no tier takes this request", status_code="503"
                ),
            )
        ],
        tags=identity.tags(None),
        opts=opts,
    )


def _forward_by_weight(
    listener: aws.lb.Listener,
    groups: Mapping[Tier, aws.lb.TargetGroup],
    routing: Routing,
    identity: Identity,
    opts: pulumi.ResourceOptions,
) -> None:
    """The rule that forwards every path to the tiers' target groups by weight. A tier without a weight has weight 0."""
    targets = [
        aws.lb.ListenerRuleActionForwardTargetGroupArgs(arn=group.arn, weight=routing.weights.get(tier, 0))
        for tier, group in groups.items()
    ]
    every_path = aws.lb.ListenerRuleConditionPathPatternArgs(values=["/*"])
    aws.lb.ListenerRule(
        "tiers",
        listener_arn=listener.arn,
        priority=1,
        conditions=[aws.lb.ListenerRuleConditionArgs(path_pattern=every_path)],
        actions=[
            aws.lb.ListenerRuleActionArgs(
                type="forward", forward=aws.lb.ListenerRuleActionForwardArgs(target_groups=targets)
            )
        ],
        tags=identity.tags(None),
        opts=opts,
    )
