"""Parts of the contract for the cloud tiers (AWS): groups, ready pools, reservations, commitments, routing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.contract_base import ContractModel, Count, Label, Ownership, Positive, Share, Size, Tier
from stacks.contract_metal import Metal


class Launch(ContractModel):
    """The launch settings of a cloud tier's instances."""

    image_id: str
    user_data: str = Field(default="", description="Plain text; the program encodes it.")
    subnets: tuple[str, ...] = ()
    zones: tuple[str, ...] = Field(default=(), description="Used where no subnets are given.")
    security_groups: tuple[str, ...] = ()
    instance_profile: str = ""
    key_name: str = ""
    target_groups: tuple[str, ...] = ()
    health_check_type: Literal["EC2", "ELB"] = "EC2"
    health_check_grace_seconds: Count = 300
    root_volume_gib: Count = Field(default=0, description="0 keeps the image's own size.")
    root_device: str = Field(default="/dev/xvda", description="Device name of the root volume in the image.")
    instance_refresh: bool = Field(
        default=False, description="Roll running instances to a new launch template, launching before terminating."
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.subnets and not self.zones:
            raise ValueError("set `subnets` (or `zones` if the account has a default network)")
        return self


class TargetTracking(ContractModel):
    """The scaling policy that moves the desired count under ownership `floor`."""

    cpu_percent: Annotated[float, Field(gt=0, le=100)] = 60.0
    disable_scale_in: bool = False


class ReadyPool(ContractModel):
    """Warm pool: instances that have booted once and wait."""

    state: Literal["Stopped", "Running", "Hibernated"] = "Stopped"
    min_size: Count = 0
    max_group_prepared_capacity: Count = Field(description="Always set: unset, AWS fills up to the maximum.")
    reuse_on_scale_in: bool = True


class Reservation(ContractModel):
    """On-demand capacity reservation: a guarantee of capacity, billed whether used or not; no price commitment."""

    instance_type: str
    zone: str
    count: Positive
    platform: str = Field(default="Linux/UNIX", description="As EC2 names it.")

    @property
    def name(self) -> str:
        """Resource name."""
        return f"warm-{self.instance_type.replace('.', '-')}-{self.zone}"


class Commitment(ContractModel):
    """Price commitment already made (Savings Plan, reserved instances): an input to cost, never a resource."""

    instance_type: str
    count: Positive
    usd_per_hour: Annotated[float, Field(ge=0)]


class WarmGroup(ContractModel):
    """One auto scaling group of one instance type."""

    name: Label
    instance_type: str
    size: Size
    pool: ReadyPool | None = None
    tags: dict[str, str] = Field(default_factory=dict, description="The fleet's own tags of this group.")


class Warm(ContractModel):
    """Committed cloud capacity in ready state."""

    ownership: Ownership = Ownership.FLOOR
    launch: Launch | None = None
    groups: tuple[WarmGroup, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    target_tracking: TargetTracking | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_groups(self)
        names = [reservation.name for reservation in self.reservations]
        if len(names) != len(set(names)):
            raise ValueError("two reservations have the same type and zone; replace them by one with their sum")
        return self


class ColdGroup(ContractModel):
    """One mixed-instances group."""

    name: Label
    instance_types: tuple[str, ...] = Field(min_length=1, description="All must be able to stand for one another.")
    size: Size
    on_demand_base: Count = 0
    on_demand_share_above_base: Share = 0.0
    spot_allocation: Literal["price-capacity-optimized", "capacity-optimized", "lowest-price"] = (
        "price-capacity-optimized"
    )
    capacity_rebalance: bool = True
    tags: dict[str, str] = Field(default_factory=dict, description="The fleet's own tags of this group.")


class Cold(ContractModel):
    """Cheap capacity that the cloud may take back: spot groups, or VMs on named bare-metal hosts."""

    ownership: Ownership = Ownership.FLOOR
    launch: Launch | None = None
    groups: tuple[ColdGroup, ...] = ()
    metal: Metal | None = None
    target_tracking: TargetTracking | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_groups(self)
        return self


def _check_groups(tier: Warm | Cold) -> None:
    names = [g.name for g in tier.groups]
    if len(names) != len(set(names)):
        raise ValueError("two groups have the same name")
    if tier.groups and tier.launch is None:
        raise ValueError("groups have no `launch`; set its image and its subnets or zones")
    if tier.ownership is Ownership.EXACT:
        for group in tier.groups:
            if not group.size.min == group.size.desired == group.size.max:
                raise ValueError(f"group '{group.name}' has ownership exact, so min, desired and max must be equal")
    for group in tier.groups:
        check_tags(group.tags)


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises `ValueError` if the fleet's tags would hide those of tiercast."""
    taken = sorted({"project", "stack", "tier"} & set(tags))
    if taken:
        raise ValueError(f"tags {taken} are set by tiercast; use other names")


class Routing(ContractModel):
    """Weights of the tiers at a cloud load balancer. A balancer on owned hardware reads the stack's outputs."""

    vpc: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    port: Positive = 80
    health_path: str = "/healthz"
    weights: dict[Tier, Annotated[int, Field(ge=0, le=999)]] = Field(default_factory=dict)
