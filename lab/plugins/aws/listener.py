"""``aws:lb/listener:Listener``: everything but its load balancer changes in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws import elb
from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import tag_pairs
from lab.plugins.resource import Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_GONE: Final = frozenset({"ListenerNotFound", "ListenerNotFoundException"})
_MODIFIED: Final = frozenset({"alpnPolicy", "certificateArn", "defaultActions", "port", "protocol", "sslPolicy"})

SPEC: Final = ResourceSpec(
    token="aws:lb/listener:Listener",
    sdk="pulumi_aws.lb.Listener",
    replaces=frozenset({"loadBalancerArn", "region"}),
    computed=frozenset(
        {"defaultActions.order", "defaultActions.forward.targetGroups.weight", "mutualAuthentication", "protocol"}
        | {"region", "routingHttpResponseServerEnabled", "sslPolicy", "tcpIdleTimeoutSeconds"}
    ),
    sets=frozenset({"defaultActions.forward.targetGroups"}),
    defaults={
        "defaultActions.forward.stickiness.enabled": False,
        "defaultActions.forward.targetGroups.weight": 1,
        "defaultActions.redirect.host": "#{host}",
        "defaultActions.redirect.path": "/#{path}",
        "defaultActions.redirect.port": "#{port}",
        "defaultActions.redirect.protocol": "#{protocol}",
        "defaultActions.redirect.query": "#{query}",
    },
)


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """The calls for listeners. The id is the ARN."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the listener; without a protocol an ALB's speaks HTTP."""
        request = {"LoadBalancerArn": inputs["loadBalancerArn"], **self._request(inputs)}
        if "/app/" in str(inputs["loadBalancerArn"]):
            request.setdefault("Protocol", "HTTP")
        if inputs.get("tags"):
            request["Tags"] = tag_pairs(inputs["tags"])
        doing = f"creating ELBv2 Listener ({inputs['loadBalancerArn']})"
        arn = elb.call(self.cloud, doing, "CreateListener", inputs, **request)["Listeners"][0]["ListenerArn"]
        return Created(id=arn, outputs={**inputs, **(self.read(arn, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the listener as it is."""
        doing = f"reading ELBv2 Listener ({id})"
        listener = elb.described(
            self.cloud, doing, "DescribeListeners", state, {*_GONE, "LoadBalancerNotFound"}, ListenerArns=[id]
        )
        if listener is None:
            return None
        tags = elb.read_tags(self.cloud, id, state)
        kind = self.spec.inputs.fields["defaultActions"].element
        assert kind is not None
        certificates = listener.get("Certificates") or []
        policies = listener.get("AlpnPolicy") or []
        kept = {name: value for name, value in state.items() if name in self.spec.inputs.fields and name != "tags"}
        return {
            **kept,
            "alpnPolicy": policies[0] if policies else None,
            "arn": id,
            "certificateArn": certificates[0]["CertificateArn"] if certificates else None,
            "defaultActions": elb.read_actions(
                kind, "defaultActions", listener.get("DefaultActions") or [], state.get("defaultActions")
            ),
            "loadBalancerArn": listener["LoadBalancerArn"],
            "port": listener.get("Port"),
            "protocol": listener.get("Protocol"),
            "region": state.get("region") or self.cloud.region,
            "sslPolicy": listener.get("SslPolicy"),
            "tags": tags or None,
            "tagsAll": tags,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Modifies the listener, and its tags."""
        inputs = change.inputs
        if change.changed & _MODIFIED:
            doing = f"modifying ELBv2 Listener ({id})"
            elb.call(self.cloud, doing, "ModifyListener", inputs, ListenerArn=id, **self._request(inputs))
        if "tags" in change.changed:
            elb.retag(self.cloud, id, change.state.get("tags") or {}, inputs.get("tags") or {}, inputs)
        return {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Deletes the listener."""
        elb.delete(self.cloud, f"deleting ELBv2 Listener ({id})", "DeleteListener", state, _GONE, ListenerArn=id)

    def _request(self, inputs: Properties) -> dict[str, Any]:
        actions = elb.request_actions(self.cloud, "defaultActions", inputs["defaultActions"])
        request: dict[str, Any] = {"DefaultActions": actions}
        for name, member in (("port", "Port"), ("protocol", "Protocol"), ("sslPolicy", "SslPolicy")):
            if inputs.get(name):
                request[member] = inputs[name]
        if inputs.get("certificateArn"):
            request["Certificates"] = [{"CertificateArn": inputs["certificateArn"]}]
        if inputs.get("alpnPolicy"):
            request["AlpnPolicy"] = [inputs["alpnPolicy"]]
        return request
