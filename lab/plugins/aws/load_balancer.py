"""``aws:lb/loadBalancer:LoadBalancer``: its attributes, security groups and (for ALBs) subnets change in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws import elb
from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import name_prefix, resource_name, tag_pairs
from lab.plugins.aws.shapes import to_request
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dnsRecordClientRoutingPolicy": "dns_record.client_routing_policy",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableTlsVersionAndCipherSuiteHeaders": "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "enableXffClientPort": "routing.http.xff_client_port.enabled",
    "enableZonalShift": "zonal_shift.config.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
_REQUESTED: Final = ("customerOwnedIpv4Pool", "ipAddressType", "securityGroups", "subnetMappings", "subnets")
_GONE: Final = frozenset({"LoadBalancerNotFound", "LoadBalancerNotFoundException"})

SPEC: Final = ResourceSpec(
    token="aws:lb/loadBalancer:LoadBalancer",
    sdk="pulumi_aws.lb.LoadBalancer",
    replaces=frozenset({"customerOwnedIpv4Pool", "internal", "loadBalancerType", "name", "namePrefix", "region"}),
    computed=frozenset(
        {"enablePrefixForIpv6SourceNat", "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic", "internal"}
        | {"ipAddressType", "name", "namePrefix", "region", "secondaryIpsAutoAssignedPerSubnet", "securityGroups"}
        | {"subnetMappings", "subnets"}
    ),
    sets=frozenset({"securityGroups", "subnetMappings", "subnets"}),
    defaults={
        "clientKeepAlive": 3600,
        "desyncMitigationMode": "defensive",
        "dnsRecordClientRoutingPolicy": "any_availability_zone",
        "dropInvalidHeaderFields": False,
        "enableCrossZoneLoadBalancing": False,
        "enableDeletionProtection": False,
        "enableHttp2": True,
        "enableTlsVersionAndCipherSuiteHeaders": False,
        "enableWafFailOpen": False,
        "enableXffClientPort": False,
        "enableZonalShift": False,
        "idleTimeout": 60,
        "loadBalancerType": "application",
        "preserveHostHeader": False,
        "xffHeaderProcessingMode": "append",
    },
    autoname=AutoName(max_length=32),
    conflicts=(frozenset({"name", "namePrefix"}),),
)


@dataclass(frozen=True, kw_only=True)
class LoadBalancers:
    """The calls for load balancers. The id is the ARN."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the load balancer and sets the attributes that aren't at their default."""
        name = resource_name(inputs)
        wanted = {key: inputs[key] for key in _REQUESTED if inputs.get(key)}
        request = to_request(self.cloud.shape("elbv2", "CreateLoadBalancer"), wanted)
        request |= {"Name": name, "Type": inputs.get("loadBalancerType") or "application"}
        if inputs.get("internal"):
            request["Scheme"] = "internal"
        if inputs.get("tags"):
            request["Tags"] = tag_pairs(inputs["tags"])
        made = elb.call(self.cloud, f"creating ELBv2 Load Balancer ({name})", "CreateLoadBalancer", inputs, **request)
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        special = {key for key in _ATTRIBUTES if key in inputs and inputs[key] != self.spec.defaults.get(key)}
        self._attributes(arn, inputs, special)
        return Created(id=arn, outputs={**inputs, **(self.read(arn, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the load balancer as it is."""
        doing = f"reading ELBv2 Load Balancer ({id})"
        balancer = elb.described(self.cloud, doing, "DescribeLoadBalancers", state, _GONE, LoadBalancerArns=[id])
        if balancer is None:
            return None
        values = elb.attributes(self.cloud, doing, "DescribeLoadBalancerAttributes", state, LoadBalancerArn=id)
        tags = elb.read_tags(self.cloud, id, state)
        kept = {name: state[name] for name in (*_ATTRIBUTES, "accessLogs", "connectionLogs") if name in state}
        attributes = {
            name: elb.from_text(values[key], self.spec.inputs.fields[name])
            for name, key in _ATTRIBUTES.items()
            if values.get(key)
        }
        return {
            **kept,
            **attributes,
            "arn": id,
            "arnSuffix": id.partition(":loadbalancer/")[2],
            "dnsName": balancer.get("DNSName"),
            "internal": balancer.get("Scheme") == "internal",
            "ipAddressType": balancer.get("IpAddressType"),
            "loadBalancerType": balancer.get("Type"),
            "name": balancer["LoadBalancerName"],
            "namePrefix": name_prefix(balancer["LoadBalancerName"]),
            "region": state.get("region") or self.cloud.region,
            "securityGroups": sorted(balancer.get("SecurityGroups") or []),
            "subnets": sorted(
                zone["SubnetId"] for zone in balancer.get("AvailabilityZones") or [] if zone.get("SubnetId")
            ),
            "tags": tags or None,
            "tagsAll": tags,
            "vpcId": balancer.get("VpcId"),
            "zoneId": balancer.get("CanonicalHostedZoneId"),
        }

    def update(self, id: str, change: Change) -> Properties:
        """Changes attributes, security groups, subnets, address type and tags."""
        inputs, changed = change.inputs, change.changed
        doing = f"updating ELBv2 Load Balancer ({id})"
        self._attributes(id, inputs, set(changed) & set(_ATTRIBUTES))
        if "securityGroups" in changed:
            groups = inputs.get("securityGroups") or []
            elb.call(self.cloud, doing, "SetSecurityGroups", inputs, LoadBalancerArn=id, SecurityGroups=groups)
        if "subnets" in changed and inputs.get("subnets"):
            elb.call(self.cloud, doing, "SetSubnets", inputs, LoadBalancerArn=id, Subnets=inputs["subnets"])
        if "ipAddressType" in changed:
            kind = inputs["ipAddressType"]
            elb.call(self.cloud, doing, "SetIpAddressType", inputs, LoadBalancerArn=id, IpAddressType=kind)
        if "tags" in changed:
            elb.retag(self.cloud, id, change.state.get("tags") or {}, inputs.get("tags") or {}, inputs)
        return {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Deletes the load balancer with its listeners."""
        elb.delete(
            self.cloud, f"deleting ELBv2 Load Balancer ({id})", "DeleteLoadBalancer", state, _GONE, LoadBalancerArn=id
        )

    def _attributes(self, arn: str, inputs: Properties, names: set[str]) -> None:
        pairs: list[dict[str, Any]] = [
            {"Key": _ATTRIBUTES[name], "Value": elb.text(inputs.get(name, self.spec.defaults.get(name)))}
            for name in sorted(names)
        ]
        if pairs:
            doing = f"modifying ELBv2 Load Balancer ({arn}) attributes"
            request = {"LoadBalancerArn": arn, "Attributes": pairs}
            elb.call(self.cloud, doing, "ModifyLoadBalancerAttributes", inputs, **request)
