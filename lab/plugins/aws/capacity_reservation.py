"""``aws:ec2/capacityReservation:CapacityReservation``: its count and end change in place, all that defines it
replaces it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.aws.cloud import Cloud
from lab.plugins.aws.naming import retag_ec2, tag_pairs
from lab.plugins.aws.shapes import from_response, tags_from, to_request
from lab.plugins.errors import PartialFailureError, PluginError
from lab.plugins.resource import Change, Created, ResourceSpec
from lab.plugins.wire import Properties

_NAMES: Final = {"tags": None, "region": None, "instanceCount": "TotalInstanceCount", "arn": "CapacityReservationArn"}
_REQUEST: Final = {"tags": None, "region": None}
_OVER: Final = frozenset({"cancelled", "expired"})
_GONE: Final = frozenset({"InvalidCapacityReservationId.NotFound"})
_ACTIVE_TIMEOUT: Final = 600.0

SPEC: Final = ResourceSpec(
    token="aws:ec2/capacityReservation:CapacityReservation",
    sdk="pulumi_aws.ec2.CapacityReservation",
    replaces=frozenset(
        {"availabilityZone", "ebsOptimized", "ephemeralStorage", "instanceMatchCriteria", "instancePlatform"}
        | {"instanceType", "outpostArn", "placementGroupArn", "region", "tenancy"}
    ),
    computed=frozenset({"region"}),
    defaults={
        "ebsOptimized": False,
        "endDateType": "unlimited",
        "ephemeralStorage": False,
        "instanceMatchCriteria": "open",
        "tenancy": "default",
    },
)


@dataclass(frozen=True, kw_only=True)
class CapacityReservations:
    """The calls for on-demand capacity reservations."""

    cloud: Cloud
    spec: ResourceSpec = SPEC

    def create(self, inputs: Properties) -> Created:
        """Creates the reservation and waits until it is active."""
        doing = "creating EC2 Capacity Reservation"
        request = to_request(self.cloud.shape("ec2", "CreateCapacityReservation"), inputs, _REQUEST)
        if inputs.get("tags"):
            request["TagSpecifications"] = [{"ResourceType": "capacity-reservation", "Tags": tag_pairs(inputs["tags"])}]
        made = self._call(doing, "CreateCapacityReservation", inputs, **request)["CapacityReservation"]
        id = made["CapacityReservationId"]
        try:
            self._wait_active(id, inputs)
        except PluginError as error:
            raise PartialFailureError(str(error), id=id, outputs=dict(inputs), code=error.code) from error
        return Created(id=id, outputs={**inputs, **(self.read(id, inputs) or {})})

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the reservation; one that was cancelled or has expired is gone."""
        found = self._describe(id, state)
        if found is None or found.get("State") in _OVER:
            return None
        tags = tags_from(found.get("Tags") or [])
        return {
            **from_response(self.spec.inputs, found, _NAMES),
            "arn": found.get("CapacityReservationArn"),
            "ownerId": found.get("OwnerId"),
            "tags": tags or None,
            "tagsAll": tags,
            "region": state.get("region") or self.cloud.region,
        }

    def update(self, id: str, change: Change) -> Properties:
        """Changes count and end date in place, and tags."""
        inputs = change.inputs
        if change.changed & {"instanceCount", "endDate", "endDateType"}:
            wanted = {
                name: inputs[name]
                for name in ("instanceCount", "endDate", "endDateType")
                if inputs.get(name) is not None
            }
            request = to_request(self.cloud.shape("ec2", "ModifyCapacityReservation"), wanted)
            doing = f"updating EC2 Capacity Reservation ({id})"
            self._call(doing, "ModifyCapacityReservation", inputs, CapacityReservationId=id, **request)
            self._wait_active(id, inputs)
        if "tags" in change.changed:
            old, new = change.state.get("tags") or {}, inputs.get("tags") or {}
            retag_ec2(self.cloud, id, old, new, inputs.get("region"))
        return {**inputs, **(self.read(id, {**change.state, **inputs}) or {})}

    def delete(self, id: str, state: Properties) -> None:
        """Cancels the reservation."""
        found = self._describe(id, state)
        if found is None or found.get("State") in _OVER:
            return
        doing = f"deleting EC2 Capacity Reservation ({id})"
        try:
            self._call(doing, "CancelCapacityReservation", state, CapacityReservationId=id)
        except PluginError as error:
            if error.code not in _GONE:
                raise

    def _describe(self, id: str, state: Properties) -> dict[str, Any] | None:
        doing = f"reading EC2 Capacity Reservation ({id})"
        try:
            found = self._call(doing, "DescribeCapacityReservations", state, CapacityReservationIds=[id])
        except PluginError as error:
            if error.code in _GONE:
                return None
            raise
        return next(iter(found.get("CapacityReservations") or []), None)

    def _wait_active(self, id: str, inputs: Properties) -> None:
        deadline = self.cloud.pace.clock() + _ACTIVE_TIMEOUT
        while True:
            found = self._describe(id, inputs)
            state = found.get("State", "active") if found else "gone"
            if state == "active":
                return
            if state != "pending" or self.cloud.pace.clock() >= deadline:
                raise PluginError(f"waiting for EC2 Capacity Reservation ({id}) to be active: its state is {state}")
            self.cloud.wait(self.cloud.pace.poll)

    def _call(self, doing: str, operation: str, inputs: Properties, /, **request: Any) -> dict[str, Any]:
        return self.cloud.call(doing, "ec2", operation, inputs.get("region"), **request)
