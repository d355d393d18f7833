"""Auto Scaling group properties to requests and back: names that differ, and the parts that go by calls of their
own."""

from __future__ import annotations

from typing import Any, Final

from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import name_prefix
from lab.plugins.aws.shapes import from_response, to_request
from lab.plugins.resource import AutoName, ResourceSpec
from lab.plugins.wire import Properties

NAMES: Final = {
    "name": "AutoScalingGroupName",
    "vpcZoneIdentifiers": None,
    "loadBalancers": "LoadBalancerNames",
    "launchConfiguration": "LaunchConfigurationName",
    "protectFromScaleIn": "NewInstancesProtectedFromScaleIn",
    "launchTemplate.id": "LaunchTemplateId",
    "launchTemplate.name": "LaunchTemplateName",
    "initialLifecycleHooks": "LifecycleHookSpecificationList",
    "initialLifecycleHooks.name": "LifecycleHookName",
    "warmPool": None,
    "tags": None,
    "enabledMetrics": None,
    "suspendedProcesses": None,
}

OWN_CALLS: Final = frozenset(
    {"enabledMetrics", "loadBalancers", "suspendedProcesses", "tags", "targetGroupArns", "trafficSources", "warmPool"}
)
"""Properties that UpdateAutoScalingGroup has no part in."""

LOCAL: Final = frozenset(
    {"forceDelete", "forceDeleteWarmPool", "ignoreFailedScalingActivities", "instanceRefresh", "metricsGranularity"}
    | {"minElbCapacity", "namePrefix", "region", "waitForCapacityTimeout", "waitForElbCapacity"}
)
"""Properties that only the provider uses: AWS neither takes nor reports them."""

_DISTRIBUTION: Final = "mixedInstancesPolicy.instancesDistribution"
_TEMPLATE: Final = "mixedInstancesPolicy.launchTemplate"

SPEC: Final = ResourceSpec(
    token="aws:autoscaling/group:Group",
    sdk="pulumi_aws.autoscaling.Group",
    replaces=frozenset({"name", "namePrefix", "initialLifecycleHooks", "region"}),
    computed=frozenset(
        {
            "availabilityZones",
            "defaultCooldown",
            "desiredCapacity",
            "healthCheckType",
            "launchTemplate",
            "loadBalancers",
        }
        | {"launchTemplate.id", "launchTemplate.name", "launchTemplate.version", "mixedInstancesPolicy", "name"}
        | {"namePrefix", "region", "serviceLinkedRoleArn", "targetGroupArns", "trafficSources", "vpcZoneIdentifiers"}
        | {"availabilityZoneDistribution", "capacityReservationSpecification", "desiredCapacityType"}
        | {"initialLifecycleHooks", "instanceLifecyclePolicy", _DISTRIBUTION, f"{_DISTRIBUTION}.onDemandBaseCapacity"}
        | {f"{_DISTRIBUTION}.onDemandAllocationStrategy", f"{_DISTRIBUTION}.onDemandPercentageAboveBaseCapacity"}
        | {f"{_DISTRIBUTION}.spotAllocationStrategy", f"{_DISTRIBUTION}.spotInstancePools", f"{_TEMPLATE}.overrides"}
        | {
            f"{_TEMPLATE}.launchTemplateSpecification.{name}"
            for name in ("launchTemplateId", "launchTemplateName", "version")
        }
        | {
            f"{_TEMPLATE}.overrides.launchTemplateSpecification.{name}"
            for name in ("launchTemplateId", "launchTemplateName")
        }
        | {f"{_TEMPLATE}.overrides.launchTemplateSpecification.version"}
    ),
    sets=frozenset(
        {"availabilityZones", "enabledMetrics", "initialLifecycleHooks", "loadBalancers", "suspendedProcesses", "tags"}
        | {"targetGroupArns", "trafficSources", "vpcZoneIdentifiers", "instanceRefresh.triggers"}
        | {"capacityReservationSpecification.capacityReservationTarget.capacityReservationIds"}
        | {"capacityReservationSpecification.capacityReservationTarget.capacityReservationResourceGroupArns"}
    ),
    defaults={
        "forceDelete": False,
        "forceDeleteWarmPool": False,
        "healthCheckGracePeriod": 300,
        "ignoreFailedScalingActivities": False,
        "metricsGranularity": "1Minute",
        "protectFromScaleIn": False,
        "waitForCapacityTimeout": "10m",
        "instanceRefresh.preferences.maxHealthyPercentage": 100,
        "instanceRefresh.preferences.minHealthyPercentage": 90,
        "instanceRefresh.preferences.scaleInProtectedInstances": "Ignore",
        "instanceRefresh.preferences.skipMatching": False,
        "instanceRefresh.preferences.standbyInstances": "Ignore",
        "warmPool.instanceReusePolicy.reuseOnScaleIn": False,
        "warmPool.maxGroupPreparedCapacity": -1,
        "warmPool.minSize": 0,
        "warmPool.poolState": "Stopped",
    },
    autoname=AutoName(),
    conflicts=(
        frozenset({"name", "namePrefix"}),
        frozenset({"availabilityZones", "vpcZoneIdentifiers"}),
        frozenset({"trafficSources", "loadBalancers"}),
        frozenset({"trafficSources", "targetGroupArns"}),
    ),
    exactly_one=(frozenset({"launchConfiguration", "launchTemplate", "mixedInstancesPolicy"}),),
)


def create_request(cloud: Cloud, name: str, inputs: Properties) -> dict[str, Any]:
    """Returns the CreateAutoScalingGroup request. As upstream, a desired size of 0 is left out: AWS then starts at
    the minimum."""
    wanted = {
        key: value for key, value in inputs.items() if key not in LOCAL and not (key == "desiredCapacity" and not value)
    }
    request: dict[str, Any] = to_request(
        cloud.shape("autoscaling", "CreateAutoScalingGroup"), {**wanted, "name": name}, NAMES
    )
    if inputs.get("vpcZoneIdentifiers"):
        request["VPCZoneIdentifier"] = ",".join(inputs["vpcZoneIdentifiers"])
    if inputs.get("tags"):
        request["Tags"] = group_tags(name, inputs["tags"])
    return request


def update_request(cloud: Cloud, name: str, inputs: Properties, changed: frozenset[str]) -> dict[str, Any] | None:
    """Returns the UpdateAutoScalingGroup request with what changed, or None where nothing of it did.

    A desired size that the program doesn't set is not sent, whatever the new bounds are: AWS moves it into them
    itself.
    """
    parts = changed - OWN_CALLS
    if not parts:
        return None
    wanted = {key: inputs[key] for key in parts - LOCAL if key in inputs and inputs[key] not in (None, [])}
    request: dict[str, Any] = to_request(cloud.shape("autoscaling", "UpdateAutoScalingGroup"), wanted, NAMES)
    request = _one_reference(request)
    request["AutoScalingGroupName"] = name
    request["NewInstancesProtectedFromScaleIn"] = bool(inputs.get("protectFromScaleIn"))
    if "capacityRebalance" in changed:
        request["CapacityRebalance"] = bool(inputs.get("capacityRebalance"))
    if "terminationPolicies" in changed and not inputs.get("terminationPolicies"):
        request["TerminationPolicies"] = ["Default"]
    if "healthCheckType" in changed and "healthCheckGracePeriod" in inputs:
        request["HealthCheckGracePeriod"] = inputs["healthCheckGracePeriod"]
    if "vpcZoneIdentifiers" in changed and inputs.get("vpcZoneIdentifiers"):
        request["VPCZoneIdentifier"] = ",".join(inputs["vpcZoneIdentifiers"])
    return request


def warm_pool_request(cloud: Cloud, name: str, pool: Properties) -> dict[str, Any]:
    """Returns the PutWarmPool request."""
    request: dict[str, Any] = to_request(cloud.shape("autoscaling", "PutWarmPool"), pool)
    return {**request, "AutoScalingGroupName": name}


def refresh_request(cloud: Cloud, name: str, inputs: Properties) -> dict[str, Any]:
    """Returns the StartInstanceRefresh request; a rollback needs the wanted template stated."""
    refresh = {key: value for key, value in inputs["instanceRefresh"].items() if key != "triggers"}
    request: dict[str, Any] = to_request(cloud.shape("autoscaling", "StartInstanceRefresh"), refresh)
    if (refresh.get("preferences") or {}).get("autoRollback"):
        parts = {key: inputs[key] for key in ("launchTemplate", "mixedInstancesPolicy") if inputs.get(key)}
        request["DesiredConfiguration"] = _one_reference(
            to_request(cloud.shape("autoscaling", "DesiredConfiguration"), parts, NAMES)
        )
    return {**request, "AutoScalingGroupName": name}


def _one_reference(value: Any) -> Any:
    """Names each launch template once: the state knows its id and its name, AWS takes only one of them."""
    if isinstance(value, list):
        return [_one_reference(item) for item in value]
    if not isinstance(value, dict):
        return value
    both = {"LaunchTemplateId", "LaunchTemplateName"} <= set(value)
    return {key: _one_reference(item) for key, item in value.items() if not (both and key == "LaunchTemplateName")}


def group_tags(name: str, tags: list[Properties]) -> list[dict[str, Any]]:
    """Returns tags as the API takes them."""
    return [
        {
            "Key": tag["key"],
            "Value": tag["value"],
            "PropagateAtLaunch": bool(tag.get("propagateAtLaunch")),
            "ResourceId": name,
            "ResourceType": "auto-scaling-group",
        }
        for tag in sorted(tags, key=lambda tag: str(tag["key"]))
    ]


def outputs_from(cloud: Cloud, group: dict[str, Any], state: Properties) -> Properties:
    """Returns a described group as outputs; what AWS doesn't report is taken from ``state``."""
    names = {**NAMES, "initialLifecycleHooks": None}
    outputs: Properties = from_response(SPEC.inputs, group, names)
    pool = group.get("WarmPoolConfiguration") or {}
    zones = group.get("VPCZoneIdentifier") or ""
    policies = group.get("TerminationPolicies") or []
    metrics = group.get("EnabledMetrics") or []
    outputs |= {name: state[name] for name in (*LOCAL, "initialLifecycleHooks") if name in state}
    outputs |= {
        "namePrefix": name_prefix(group["AutoScalingGroupName"]),
        "region": state.get("region") or cloud.region,
        "arn": group["AutoScalingGroupARN"],
        "predictedCapacity": group.get("PredictedCapacity") or 0,
        "warmPoolSize": group.get("WarmPoolSize") or 0,
        "warmPool": _warm_pool(pool) if pool and pool.get("Status") != "PendingDelete" else None,
        "vpcZoneIdentifiers": [zone for zone in zones.split(",") if zone],
        "terminationPolicies": None if policies == ["Default"] and not state.get("terminationPolicies") else policies,
        "enabledMetrics": sorted(metric["Metric"] for metric in metrics) or None,
        "suspendedProcesses": sorted(one["ProcessName"] for one in group.get("SuspendedProcesses") or []) or None,
        "capacityRebalance": group.get("CapacityRebalance") or None,
        "tags": [
            {"key": tag["Key"], "value": tag.get("Value", ""), "propagateAtLaunch": bool(tag.get("PropagateAtLaunch"))}
            for tag in sorted(group.get("Tags") or [], key=lambda tag: str(tag["Key"]))
            if not tag["Key"].startswith("aws:")
        ]
        or None,
    }
    return outputs


def _warm_pool(pool: dict[str, Any]) -> Properties:
    found: Properties = from_response(SPEC.inputs.fields["warmPool"], pool)
    limit = pool.get("MaxGroupPreparedCapacity")
    return {**found, "maxGroupPreparedCapacity": -1 if limit is None else limit}
