"""On-demand capacity reservations, which moto lacks: four calls of EC2, validated and serialised by botocore's models.

A reservation is zonal and of one type; instances that run there and match it count against it, and what is left over is
`AvailableInstanceCount`: paid for and unused. Cancelled ones stay visible, as in AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses import EC2Response
from moto.ec2.utils import convert_tag_spec

from lab.cloud.world import WORLD


@dataclass(kw_only=True)
class CapacityReservation:
    """One reservation; attribute names are those of the API's shape, so that moto's serialiser finds them."""

    capacity_reservation_id: str
    owner_id: str
    capacity_reservation_arn: str
    instance_type: str
    instance_platform: str
    availability_zone: str
    total_instance_count: int
    tenancy: str = "default"
    ebs_optimized: bool = False
    ephemeral_storage: bool = False
    instance_match_criteria: str = "open"
    end_date_type: str = "unlimited"
    end_date: datetime | None = None
    state: str = "active"
    create_date: datetime
    start_date: datetime
    reservation_type: str = "default"
    placement_group_arn: str | None = None
    available_instance_count: int = 0
    tags: list[dict[str, str]] = field(default_factory=list)


#: (account, region) → reservations by id
RESERVATIONS: dict[tuple[str, str], dict[str, CapacityReservation]] = {}


class LabEC2(EC2Response):  # type: ignore[misc]
    """moto's EC2 with capacity reservations and throttling."""

    def call_action(self) -> Any:
        """Every call passes here: throttling first."""
        if WORLD.throttles(self._get_action()):
            refusal = EC2ClientError("RequestLimitExceeded", "Request limit exceeded.")
            status, headers, body = self.serialized(ActionResult(refusal))
            return 503 if status == 400 else status, headers, body
        return super().call_action()

    def describe_launch_templates(self) -> ActionResult:
        """Launch templates with the tags that they have now; moto keeps those that they were made with."""
        for template in self.ec2_backend.launch_templates.values():
            template.tags = template.get_tags()
        return super().describe_launch_templates()

    def create_capacity_reservation(self) -> ActionResult:
        """Reserve `InstanceCount` instances of a type in a zone."""
        kind, zone = self._get_param("InstanceType"), self._get_param("AvailabilityZone")
        count = self._get_int_param("InstanceCount")
        if kind not in INSTANCE_TYPES:
            raise EC2ClientError("InvalidParameterValue", f"The specified instance type {kind} is not valid.")
        if zone is None:
            raise EC2ClientError("MissingParameter", "The request must contain the parameter AvailabilityZone")
        if zone not in {z.name for z in self.ec2_backend.describe_availability_zones()}:
            raise EC2ClientError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        if count is None or count < 1:
            raise EC2ClientError("InvalidParameterValue", f"Value ({count}) for parameter InstanceCount is invalid.")
        ends = self._ends()
        self.error_on_dryrun()
        taken = [WORLD.take_capacity(kind) for _ in range(count)]
        if not all(taken):
            raise EC2ClientError(
                "InsufficientInstanceCapacity",
                f"Insufficient capacity: {kind} in {zone}, {sum(taken)} of {count} available.",
            )
        identity = f"cr-{uuid4().hex[:17]}"
        now = WORLD.now().replace(microsecond=0)
        reservation = CapacityReservation(
            capacity_reservation_id=identity,
            owner_id=self.current_account,
            capacity_reservation_arn=f"arn:aws:ec2:{self.region}:{self.current_account}:capacity-reservation/{identity}",
            instance_type=kind,
            instance_platform=self._get_param("InstancePlatform"),
            availability_zone=zone,
            total_instance_count=count,
            tenancy=self._get_param("Tenancy", "default"),
            ebs_optimized=bool(self._get_bool_param("EbsOptimized", False)),
            ephemeral_storage=bool(self._get_bool_param("EphemeralStorage", False)),
            instance_match_criteria=self._get_param("InstanceMatchCriteria", "open"),
            placement_group_arn=self._get_param("PlacementGroupArn"),
            end_date_type=ends[0],
            end_date=ends[1],
            create_date=now,
            start_date=now,
        )
        self._reservations()[identity] = reservation
        tags = convert_tag_spec(self._get_param("TagSpecifications", [])).get("capacity-reservation", {})
        if tags:
            self.ec2_backend.create_tags([identity], tags)
        return ActionResult({"CapacityReservation": self._seen(reservation)})

    def describe_capacity_reservations(self) -> ActionResult:
        """Reservations by id and filter, the cancelled ones too."""
        wanted = self._get_param("CapacityReservationIds", [])
        found = [self._find(identity) for identity in wanted] or list(self._reservations().values())
        seen = [self._seen(reservation) for reservation in found]
        for entry in self._get_param("Filters", []):
            seen = [r for r in seen if _matches(r, str(entry["Name"]), list(entry["Values"]))]
        return ActionResult({"CapacityReservations": sorted(seen, key=lambda r: r.capacity_reservation_id)})

    def modify_capacity_reservation(self) -> ActionResult:
        """Change count, end or match criteria of an active reservation."""
        reservation = self._active()
        count = self._get_int_param("InstanceCount")
        if count is not None:
            if count < 1:
                raise EC2ClientError(
                    "InvalidParameterValue", f"Value ({count}) for parameter InstanceCount is invalid."
                )
            self.error_on_dryrun()
            more = count - reservation.total_instance_count
            if more > 0 and not all(WORLD.take_capacity(reservation.instance_type) for _ in range(more)):
                raise EC2ClientError(
                    "InsufficientInstanceCapacity", f"Insufficient capacity: {reservation.instance_type}."
                )
            reservation.total_instance_count = count
        if self._get_param("EndDateType") is not None or self._get_param("EndDate") is not None:
            reservation.end_date_type, reservation.end_date = self._ends()
        reservation.instance_match_criteria = self._get_param(
            "InstanceMatchCriteria", reservation.instance_match_criteria
        )
        return ActionResult({"Return": True})

    def cancel_capacity_reservation(self) -> ActionResult:
        """Give the capacity back."""
        reservation = self._active()
        self.error_on_dryrun()
        reservation.state = "cancelled"
        return ActionResult({"Return": True})

    def create_tags(self) -> ActionResult:
        """Tags of reservations; moto does not know their ids."""
        found = self._tagged()
        if not found:
            return super().create_tags()
        tags = {tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])}
        self.ec2_backend.create_tags([r.capacity_reservation_id for r in found], tags)
        return EmptyResult()

    def delete_tags(self) -> ActionResult:
        """As `create_tags`."""
        found = self._tagged()
        if not found:
            return super().delete_tags()
        tags = {tag["Key"]: tag.get("Value") for tag in self._get_param("Tags", [])}
        self.ec2_backend.delete_tags([r.capacity_reservation_id for r in found], tags)
        return EmptyResult()

    def _tagged(self) -> list[CapacityReservation]:
        """The reservations that a tag call names; empty where it names other resources."""
        wanted = self._get_param("Resources", [])
        return [self._find(identity) for identity in wanted] if all(i.startswith("cr-") for i in wanted) else []

    def _reservations(self) -> dict[str, CapacityReservation]:
        return RESERVATIONS.setdefault((self.current_account, self.region), {})

    def _find(self, identity: str) -> CapacityReservation:
        if identity not in self._reservations():
            raise EC2ClientError(
                "InvalidCapacityReservationId.NotFound", f"The capacity reservation ID '{identity}' does not exist"
            )
        return self._reservations()[identity]

    def _active(self) -> CapacityReservation:
        reservation = self._seen(self._find(self._get_param("CapacityReservationId")))
        if reservation.state != "active":
            raise EC2ClientError(
                "IncorrectState",
                f"The capacity reservation '{reservation.capacity_reservation_id}' is in state {reservation.state}.",
            )
        return reservation

    def _ends(self) -> tuple[str, datetime | None]:
        date, kind = self._get_param("EndDate"), self._get_param("EndDateType")
        if kind == "limited" and date is None:
            raise EC2ClientError("InvalidParameterCombination", "EndDate is required when EndDateType is limited.")
        if kind == "unlimited" and date is not None:
            raise EC2ClientError(
                "InvalidParameterCombination", "EndDate may not be given when EndDateType is unlimited."
            )
        if isinstance(date, str):
            date = datetime.fromisoformat(date)
        if date is not None and date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return ("limited" if date else "unlimited"), date

    def _seen(self, reservation: CapacityReservation) -> CapacityReservation:
        """The reservation as it is now: expired or not, how much of it is used, with the tags it has now."""
        if reservation.state == "active" and reservation.end_date and reservation.end_date <= WORLD.now():
            reservation.state = "expired"
        used = sum(
            instance.instance_type == reservation.instance_type
            and instance.placement.zone == reservation.availability_zone
            and instance.lifecycle != "spot"
            and instance.state in ("running", "pending")
            for instance in self.ec2_backend.all_instances()
        )
        # A targeted reservation is used only by instances that name it, which the lab does not follow.
        used = used if reservation.instance_match_criteria == "open" else 0
        left = max(0, reservation.total_instance_count - used)
        reservation.available_instance_count = left if reservation.state == "active" else 0
        tags = self.ec2_backend.tags.get(reservation.capacity_reservation_id, {})
        reservation.tags = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        return reservation


def _matches(reservation: CapacityReservation, name: str, values: list[str]) -> bool:
    if name.startswith("tag:"):
        return any(tag["Key"] == name[4:] and tag["Value"] in values for tag in reservation.tags)
    if name == "tag-key":
        return any(tag["Key"] in values for tag in reservation.tags)
    return str(getattr(reservation, name.replace("-", "_"), None)) in values
