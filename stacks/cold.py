"""The cold tier: cheap capacity that the cloud may take back, in mixed-instances groups or on named hypervisors."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.contract_adopted import NOTHING_ADOPTED, Adopted
from stacks.contract_base import Tier
from stacks.contract_cloud import Cold, ColdGroup
from stacks.groups import GroupContext, group_arguments, launch_template, size_arguments, target_tracking
from stacks.metal import Machines
from stacks.tags import Identity


class ColdTier(pulumi.ComponentResource):
    """Spot groups over several types with an on-demand base, and VMs on named bare-metal hosts, either or both."""

    def __init__(
        self,
        name: str,
        cold: Cold,
        *,
        identity: Identity,
        target_groups: tuple[pulumi.Input[str], ...] = (),
        guest_port: int = 80,
        secret: bool = False,
        adopted: Adopted = NOTHING_ADOPTED,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tiercast:stacks:ColdTier", name, None, opts)
        groups: list[dict[str, Any]] = []
        for group in cold.groups:
            if cold.launch is None:
                raise ValueError("groups need `launch`")  # the contract refuses this earlier
            context = GroupContext(
                tier=Tier.COLD,
                launch=cold.launch,
                ownership=cold.ownership,
                tags=identity.tags(Tier.COLD),
                target_groups=target_groups,
                secret=secret,
                parent=self,
                adopted=adopted.groups,
            )
            groups.append(_group(group, cold, context))
        self.outputs: dict[str, Any] = {"ownership": cold.ownership.value, "groups": groups}
        if cold.metal is not None:
            machines = Machines(
                Tier.COLD,
                cold.metal,
                identity=identity,
                guest_port=guest_port,
                secret=secret,
                parent=self,
                adopted=adopted.machines,
            )
            self.outputs["machines"] = machines.output()
        self.register_outputs(self.outputs)


def _group(group: ColdGroup, cold: Cold, context: GroupContext) -> dict[str, Any]:
    name = f"cold-{group.name}"
    template = launch_template(name, context, instance_type=None)
    scaling = aws.autoscaling.Group(
        name,
        mixed_instances_policy=_mixed(group, template),
        capacity_rebalance=group.capacity_rebalance,
        # Spot capacity may be unavailable for hours, so the update does not wait for it.
        wait_for_capacity_timeout="0",
        opts=context.options(name),
        **size_arguments(group.size, context.ownership),
        **group_arguments(name, context, group.tags),
    )
    target_tracking(name, context, scaling, cold.target_tracking)
    return {
        "name": group.name,
        "group": scaling.name,
        "instanceTypes": list(group.instance_types),
        "size": {"min": group.size.min, "desired": group.size.desired, "max": group.size.max},
        "onDemandBase": group.on_demand_base,
    }


def _mixed(group: ColdGroup, template: aws.ec2.LaunchTemplate) -> aws.autoscaling.GroupMixedInstancesPolicyArgs:
    specification = aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateLaunchTemplateSpecificationArgs(
        launch_template_id=template.id, version=template.latest_version.apply(str)
    )
    return aws.autoscaling.GroupMixedInstancesPolicyArgs(
        launch_template=aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateArgs(
            launch_template_specification=specification,
            overrides=[
                aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateOverrideArgs(instance_type=instance_type)
                for instance_type in group.instance_types
            ],
        ),
        instances_distribution=aws.autoscaling.GroupMixedInstancesPolicyInstancesDistributionArgs(
            on_demand_allocation_strategy="lowest-price",
            on_demand_base_capacity=group.on_demand_base,
            on_demand_percentage_above_base_capacity=round(group.on_demand_share_above_base * 100),
            spot_allocation_strategy=group.spot_allocation,
        ),
    )
