"""``aws:lb/targetGroup:TargetGroup``: health check and attributes change in place, what it listens on replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws import elb
from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import name_prefix, resource_name, tag_pairs
from lab.plugins.aws.shapes import from_response, to_request
from lab.plugins.errors import PluginError
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_HEALTH: Final[Mapping[str, str]] = {
    "enabled": "HealthCheckEnabled",
    "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
_ATTRIBUTES: Final[Mapping[str, str]] = {
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingAnomalyMitigation": "load_balancing.algorithm.anomaly_mitigation",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "preserveClientIp": "preserve_client_ip.enabled",
    "proxyProtocolV2": "proxy_protocol_v2.enabled",
    "slowStart": "slow_start.duration_seconds",
}
_REQUESTED: Final = ("ipAddressType", "port", "protocol", "protocolVersion", "targetType", "vpcId", "targetControlPort")
_GONE: Final = frozenset({"TargetGroupNotFound", "TargetGroupNotFoundException"})

SPEC: Final = ResourceSpec(
    token="aws:lb/targetGroup:TargetGroup",
    sdk="pulumi_aws.lb.TargetGroup",
    replaces=frozenset(
        {"ipAddressType", "name", "namePrefix", "port", "protocol", "protocolVersion", "region", "targetControlPort"}
        | {"targetType", "vpcId"}
    ),
    computed=frozenset(
        {"connectionTermination", "healthCheck", "ipAddressType", "loadBalancingAlgorithmType"}
        | {"loadBalancingAnomalyMitigation", "loadBalancingCrossZoneEnabled", "name", "namePrefix", "preserveClientIp"}
        | {"protocolVersion", "region", "stickiness", "targetFailovers", "targetGroupHealth", "targetHealthStates"}
        | {f"healthCheck.{name}" for name in ("matcher", "path", "timeout")}
    ),
    defaults={
        "deregistrationDelay": 300,
        "lambdaMultiValueHeadersEnabled": False,
        "proxyProtocolV2": False,
        "slowStart": 0,
        "targetType": "instance",
        "healthCheck.enabled": True,
        "healthCheck.healthyThreshold": 3,
        "healthCheck.interval": 30,
        "healthCheck.port": "traffic-port",
        "healthCheck.protocol": "HTTP",
        "healthCheck.unhealthyThreshold": 3,
        "stickiness.cookieDuration": 86400,
        "stickiness.enabled": True,
    },
    autoname=AutoName(max_length=32),
    conflicts=(frozenset({"name", "namePrefix"}),),
)


@dataclass(frozen=True, kw_only=True)
class TargetGroups:
    """The calls for target groups. The id is the ARN."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the group, then sets the attributes that aren't at their default."""
        name = resource_name(inputs)
        if inputs.get("targetType") != "lambda":
            for needed in ("port", "protocol", "vpcId"):
                if not inputs.get(needed):
                    raise PluginError(f"{needed} should be set when target type is {inputs.get('targetType')}")
        wanted = {key: inputs[key] for key in _REQUESTED if inputs.get(key) is not None}
        request = to_request(self.cloud.shape("elbv2", "CreateTargetGroup"), wanted)
        request |= {"Name": name, **self._health(inputs)}
        if inputs.get("tags"):
            request["Tags"] = tag_pairs(inputs["tags"])
        made = elb.call(self.cloud, f"creating ELBv2 Target Group ({name})", "CreateTargetGroup", inputs, **request)
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        special = {key for key in _ATTRIBUTES if key in inputs and inputs[key] != self.spec.defaults.get(key)}
        self._attributes(arn, inputs, special | ({"stickiness"} & set(inputs)))
        return Created(id=arn, outputs={**inputs, **(self.read(arn, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the group as it is."""
        doing = f"reading ELBv2 Target Group ({id})"
        group = elb.described(self.cloud, doing, "DescribeTargetGroups", state, _GONE, TargetGroupArns=[id])
        if group is None:
            return None
        values = elb.attributes(self.cloud, doing, "DescribeTargetGroupAttributes", state, TargetGroupArn=id)
        tags = elb.read_tags(self.cloud, id, state)
        fields = self.spec.inputs.fields
        kept = {name: value for name, value in state.items() if name in fields and name not in (*_REQUESTED, "tags")}
        attributes = {
            name: elb.from_text(values[key], fields[name]) for name, key in _ATTRIBUTES.items() if values.get(key)
        }
        described = {key: value for key, value in group.items() if key in ("Port", "Protocol", "VpcId", "TargetType")}
        described |= {key: group.get(key) for key in ("IpAddressType", "ProtocolVersion", "TargetControlPort")}
        return {
            **kept,
            **from_response(self.spec.inputs, described),
            **attributes,
            "healthCheck": self._read_health(group),
            "stickiness": _read_stickiness(values, state.get("stickiness")),
            "arn": id,
            "arnSuffix": id.rpartition(":")[2],
            "loadBalancerArns": sorted(group.get("LoadBalancerArns") or []),
            "name": group["TargetGroupName"],
            "namePrefix": name_prefix(group["TargetGroupName"]),
            "region": state.get("region") or self.cloud.region,
            "tags": tags or None,
            "tagsAll": tags,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Changes health check, attributes and tags."""
        inputs, changed = change.inputs, change.changed
        if "healthCheck" in changed and inputs.get("healthCheck"):
            doing = f"modifying ELBv2 Target Group ({id})"
            elb.call(self.cloud, doing, "ModifyTargetGroup", inputs, TargetGroupArn=id, **self._health(inputs))
        self._attributes(id, inputs, set(changed) & {*_ATTRIBUTES, "stickiness"})
        if "tags" in changed:
            elb.retag(self.cloud, id, change.state.get("tags") or {}, inputs.get("tags") or {}, inputs)
        return {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Deletes the group."""
        elb.delete(
            self.cloud, f"deleting ELBv2 Target Group ({id})", "DeleteTargetGroup", state, _GONE, TargetGroupArn=id
        )

    def _health(self, inputs: Properties) -> dict[str, Any]:
        check = inputs.get("healthCheck") or {}
        sent = {name: value for name, value in check.items() if name in _HEALTH and value not in (None, "")}
        request: dict[str, Any] = to_request(self.cloud.shape("elbv2", "CreateTargetGroup"), sent, _HEALTH)
        if check.get("matcher"):
            member = "GrpcCode" if inputs.get("protocolVersion") == "GRPC" else "HttpCode"
            request["Matcher"] = {member: str(check["matcher"])}
        return request

    def _read_health(self, group: dict[str, Any]) -> Properties:
        found: Properties = from_response(self.spec.inputs.fields["healthCheck"], group, {**_HEALTH, "matcher": None})
        matcher = group.get("Matcher") or {}
        code = matcher.get("HttpCode") or matcher.get("GrpcCode")
        return {**found, "matcher": code} if code else found

    def _attributes(self, arn: str, inputs: Properties, names: set[str]) -> None:
        pairs = [
            {"Key": _ATTRIBUTES[name], "Value": elb.text(inputs.get(name, self.spec.defaults.get(name)))}
            for name in sorted(names - {"stickiness"})
            if inputs.get(name, self.spec.defaults.get(name)) is not None
        ]
        if "stickiness" in names and inputs.get("stickiness"):
            pairs += _stickiness(inputs["stickiness"])
        if pairs:
            doing = f"modifying ELBv2 Target Group ({arn}) attributes"
            request = {"TargetGroupArn": arn, "Attributes": pairs}
            elb.call(self.cloud, doing, "ModifyTargetGroupAttributes", inputs, **request)


def _stickiness(wanted: Properties) -> list[dict[str, str]]:
    kind = str(wanted["type"])
    pairs = {"stickiness.enabled": elb.text(wanted.get("enabled", True)), "stickiness.type": kind}
    if kind == "lb_cookie":
        pairs["stickiness.lb_cookie.duration_seconds"] = str(wanted.get("cookieDuration", 86400))
    if kind == "app_cookie":
        pairs["stickiness.app_cookie.duration_seconds"] = str(wanted.get("cookieDuration", 86400))
        pairs["stickiness.app_cookie.cookie_name"] = str(wanted.get("cookieName", ""))
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def _read_stickiness(values: Mapping[str, str], known: Properties | None) -> Properties | None:
    kind = values.get("stickiness.type")
    if not kind:
        return known
    found: Properties = {"type": kind, "enabled": values.get("stickiness.enabled") == "true"}
    duration = values.get(f"stickiness.{kind}.duration_seconds")
    if duration:
        found["cookieDuration"] = int(duration)
    if values.get("stickiness.app_cookie.cookie_name"):
        found["cookieName"] = values["stickiness.app_cookie.cookie_name"]
    return found
