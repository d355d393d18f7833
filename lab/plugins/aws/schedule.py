"""``aws:autoscaling/schedule:Schedule``: put and put again; its group and name replace it. The id is the action's
name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.shapes import from_response, to_request
from lab.plugins.errors import PluginError
from lab.plugins.resource import Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_UNSET: Final = -1  # upstream's way to say that a size stays as it is
_SIZES: Final = ("desiredCapacity", "maxSize", "minSize")

SPEC: Final = ResourceSpec(
    token="aws:autoscaling/schedule:Schedule",
    sdk="pulumi_aws.autoscaling.Schedule",
    replaces=frozenset({"autoscalingGroupName", "region", "scheduledActionName"}),
    computed=frozenset({*_SIZES, "endTime", "recurrence", "region", "startTime", "timeZone"}),
)


@dataclass(frozen=True, kw_only=True)
class Schedules:
    """The calls for scheduled actions."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Puts the action."""
        name = str(inputs["scheduledActionName"])
        self._put(f"creating Auto Scaling Scheduled Action ({name})", inputs)
        return Created(id=name, outputs={**inputs, **(self.read(name, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the action. An import names it ``group/action``."""
        group, _, name = id.rpartition("/")
        group = state.get("autoscalingGroupName") or group
        if not group:
            raise PluginError(f"a scheduled action is imported as autoscaling-group-name/action-name, not as {id!r}")
        request = {"AutoScalingGroupName": group, "ScheduledActionNames": [name]}
        doing = f"reading Auto Scaling Scheduled Action ({id})"
        try:
            actions = self._call(doing, "DescribeScheduledActions", state, **request)["ScheduledUpdateGroupActions"]
        except PluginError as error:
            if error.code == "ValidationError" and "not found" in str(error):
                return None
            raise
        found = next((one for one in actions if one["ScheduledActionName"] == name), None)
        if found is None:
            return None
        outputs = from_response(self.spec.inputs, found)
        return {
            **dict.fromkeys(_SIZES, _UNSET),
            **outputs,
            "arn": found.get("ScheduledActionARN"),
            "region": state.get("region") or self.cloud.region,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Puts the action again."""
        self._put(f"updating Auto Scaling Scheduled Action ({id})", change.inputs)
        return {**change.inputs, **(self.read(id, {**change.state, **change.inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Deletes the action."""
        request = {"AutoScalingGroupName": state["autoscalingGroupName"], "ScheduledActionName": id}
        try:
            self._call(f"deleting Auto Scaling Scheduled Action ({id})", "DeleteScheduledAction", state, **request)
        except PluginError as error:
            if error.code != "ValidationError":
                raise

    def _put(self, doing: str, inputs: Properties) -> None:
        wanted = {key: value for key, value in inputs.items() if not (key in _SIZES and value == _UNSET)}
        shape = self.cloud.shape("autoscaling", "PutScheduledUpdateGroupAction")
        request = to_request(shape, wanted, {"region": None})
        self._call(doing, "PutScheduledUpdateGroupAction", inputs, **request)

    def _call(self, doing: str, operation: str, inputs: Properties, /, **request: Any) -> dict[str, Any]:
        return self.cloud.call(doing, "autoscaling", operation, inputs.get("region"), **request)
