"""``aws:autoscaling/policy:Policy``: put and put again; its group, name and kind replace it. The id is the policy's
name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.shapes import from_response, to_request
from lab.plugins.errors import PluginError
from lab.plugins.resource import AutoName, Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_NAMES: Final = {
    "name": "PolicyName",
    "region": None,
    "targetTrackingConfiguration.customizedMetricSpecification.metricDimensions": "Dimensions",
    "targetTrackingConfiguration.customizedMetricSpecification.metrics.metricStat.metric.dimensions": "Dimensions",
}

SPEC: Final = ResourceSpec(
    token="aws:autoscaling/policy:Policy",
    sdk="pulumi_aws.autoscaling.Policy",
    replaces=frozenset({"autoscalingGroupName", "name", "policyType", "region"}),
    computed=frozenset({"metricAggregationType", "name", "region"}),
    sets=frozenset(
        {"stepAdjustments", "targetTrackingConfiguration.customizedMetricSpecification.metricDimensions"}
        | {"targetTrackingConfiguration.customizedMetricSpecification.metrics"}
    ),
    defaults={"enabled": True, "policyType": "SimpleScaling", "targetTrackingConfiguration.disableScaleIn": False},
    autoname=AutoName(),
    conflicts=(frozenset({"stepAdjustments", "scalingAdjustment"}), frozenset({"cooldown", "metricAggregationType"})),
)


@dataclass(frozen=True, kw_only=True)
class Policies:
    """The calls for scaling policies."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Puts the policy."""
        name = str(inputs["name"])
        self._put(f"creating Auto Scaling Policy ({name})", inputs)
        return Created(id=name, outputs={**inputs, **(self.read(name, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the policy. An import names it ``group/policy``."""
        group, _, name = id.rpartition("/")
        group = state.get("autoscalingGroupName") or group
        if not group:
            raise PluginError(f"a scaling policy is imported as autoscaling-group-name/policy-name, not as {id!r}")
        request = {"AutoScalingGroupName": group, "PolicyNames": [name]}
        try:
            found = self._call(f"reading Auto Scaling Policy ({id})", "DescribePolicies", state, **request)
        except PluginError as error:
            if error.code == "ValidationError" and "not found" in str(error):
                return None
            raise
        policies = [one for one in found.get("ScalingPolicies") or [] if one["PolicyName"] == name]
        if not policies:
            return None
        outputs = from_response(self.spec.inputs, policies[0], _NAMES)
        return {
            **{key: value for key, value in outputs.items() if value not in ([], {})},
            "arn": policies[0].get("PolicyARN"),
            "enabled": policies[0].get("Enabled", state.get("enabled", True)),
            "region": state.get("region") or self.cloud.region,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Puts the policy again."""
        self._put(f"updating Auto Scaling Policy ({id})", change.inputs)
        return {**change.inputs, **(self.read(id, {**change.state, **change.inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Deletes the policy."""
        request = {"AutoScalingGroupName": state["autoscalingGroupName"], "PolicyName": id}
        try:
            self._call(f"deleting Auto Scaling Policy ({id})", "DeletePolicy", state, **request)
        except PluginError as error:
            if not (error.code == "ValidationError" and ("not found" in str(error) or "does not exist" in str(error))):
                raise

    def _put(self, doing: str, inputs: Properties) -> None:
        names = dict(_NAMES)
        wanted = {name: value for name, value in inputs.items() if value is not None}
        if inputs.get("policyType") != "StepScaling":
            # AWS reports it for every kind and takes it for step scaling only.
            wanted.pop("metricAggregationType", None)
        request = to_request(self.cloud.shape("autoscaling", "PutScalingPolicy"), wanted, names)
        self._call(doing, "PutScalingPolicy", inputs, **request)

    def _call(self, doing: str, operation: str, inputs: Properties, /, **request: Any) -> dict[str, Any]:
        return self.cloud.call(doing, "autoscaling", operation, inputs.get("region"), **request)
