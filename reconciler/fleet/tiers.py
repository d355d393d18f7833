"""The three tiers as the fleet file declares them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reconciler.fleet.types import Count, Duration, FleetPart, Positive, Share
from stacks.contract import (
    BaseVolume,
    Commitment,
    DirectKernel,
    Flavour,
    HealthCheck,
    Hypervisor,
    Interface,
    Launch,
    Ownership,
    Reservation,
    TargetTracking,
    Tier,
)


class TierSection(FleetPart):
    """What every tier has: a minimum and a maximum of instances."""

    min: Count = 0
    max: Positive = 1000

    @model_validator(mode="after")
    def _min_below_max(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"`min` {self.min} is above `max` {self.max}; lower `min` or raise `max`")
        return self

    @property
    def own_hosts(self) -> tuple[Hypervisor, ...]:
        """Our own hosts that run the tier's VMs. Empty for a tier of cloud instances."""
        return ()

    @property
    def own_flavours(self) -> tuple[Flavour, ...]:
        """Sizes of the VMs on `own_hosts`."""
        return ()

    @property
    def health_check(self) -> HealthCheck | None:
        """The check of the VMs on `own_hosts`; None: a VM that runs is ready."""
        return None

    @property
    def cloud_types(self) -> tuple[str, ...]:
        """Cloud instance types that the tier may run."""
        return ()

    @property
    def declared(self) -> bool:
        """Whether the tier has hosts or instance types."""
        return bool(self.own_hosts or self.cloud_types)


class HotSection(TierSection):
    """Our own metal."""

    hypervisors: tuple[Hypervisor, ...] = ()
    flavours: tuple[Flavour, ...] = ()
    spare_hosts: Count = Field(
        0, description="Number of hosts that may fail without loss of planned capacity (N+1 = 1)."
    )
    unreachable: Literal["refuse", "skip"] = Field("refuse", description="What to do if a hypervisor does not answer.")
    boot: DirectKernel | BaseVolume | None = None
    interfaces: tuple[Interface, ...] = ()
    domain_type: Literal["kvm", "qemu"] = "kvm"
    machine: str = "pc"
    overlay: str = ""
    health: HealthCheck | None = Field(None, description="Check of a VM before it counts as ready.")
    boot_time: Duration = timedelta(minutes=3)
    round_trip: Duration = timedelta(milliseconds=1)
    max: Positive = 100

    @model_validator(mode="after")
    def _some_host_is_not_spare(self) -> Self:
        hosts = len(self.hypervisors)
        if hosts and self.spare_hosts >= hosts:
            raise ValueError(
                f"`spare_hosts` is {self.spare_hosts} of {hosts} hypervisor{'s' * (hosts > 1)}, which leaves no host to "
                f"plan with; expected at most {hosts - 1}"
            )
        return self

    @property
    def own_hosts(self) -> tuple[Hypervisor, ...]:
        """All hypervisors of the tier."""
        return self.hypervisors

    @property
    def own_flavours(self) -> tuple[Flavour, ...]:
        """Sizes of VMs."""
        return self.flavours

    @property
    def health_check(self) -> HealthCheck | None:
        """The check of the tier's VMs."""
        return self.health


class ReadyPoolRule(FleetPart):
    """The ready pool's size as a share of the group's planned size."""

    share: Share = 0.2
    state: Literal["Stopped", "Running", "Hibernated"] = "Stopped"
    min_size: Count = 0


class WarmSection(TierSection):
    """Committed cloud capacity."""

    ownership: Ownership = Ownership.FLOOR
    launch: Launch | None = None
    instance_types: tuple[str, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    commitments_from: Literal["declared", "aws"] = Field(
        "declared",
        description="`aws`: read reserved instances and capacity reservations from the account instead of this file.",
    )
    reservations: tuple[Reservation, ...] = ()
    ready_pool: ReadyPoolRule | None = ReadyPoolRule()
    target_tracking: TargetTracking | None = None
    headroom: Annotated[float, Field(ge=1)] = Field(
        1.5, description="Maximum size of a group with ownership `floor`, as a multiple of its planned size."
    )
    boot_time: Duration = timedelta(seconds=30)
    round_trip: Duration = timedelta(milliseconds=10)

    @model_validator(mode="after")
    def _one_source_of_commitments(self) -> Self:
        if self.commitments and self.commitments_from == "aws":
            raise ValueError("`commitments_from: aws` reads them from the account: remove either it or the list")
        return self

    @property
    def cloud_types(self) -> tuple[str, ...]:
        """Instance types, one group each."""
        return self.instance_types


class ColdSection(TierSection):
    """Cheap capacity that the cloud may take back."""

    ownership: Ownership = Ownership.FLOOR
    launch: Launch | None = None
    instance_types: tuple[str, ...] = ()
    spot_share: Share = 0.8
    on_demand_base: Count = 0
    hosts: tuple[Hypervisor, ...] = Field((), description="Bare-metal form: VMs on these hosts instead of spot groups.")
    flavours: tuple[Flavour, ...] = ()
    boot: DirectKernel | BaseVolume | None = None
    interfaces: tuple[Interface, ...] = ()
    domain_type: Literal["kvm", "qemu"] = "kvm"
    machine: str = "pc"
    overlay: str = ""
    health: HealthCheck | None = Field(
        None, description="Check of a VM of the bare-metal form before it counts as ready."
    )
    target_tracking: TargetTracking | None = None
    headroom: Annotated[float, Field(ge=1)] = 1.5
    boot_time: Duration = timedelta(minutes=3)
    round_trip: Duration = timedelta(milliseconds=20)

    @model_validator(mode="after")
    def _base_within_max(self) -> Self:
        if self.on_demand_base > self.max:
            raise ValueError(
                f"`on_demand_base` {self.on_demand_base} is above `max` {self.max}; lower `on_demand_base` or raise `max`"
            )
        return self

    @property
    def own_hosts(self) -> tuple[Hypervisor, ...]:
        """Hosts of the bare-metal form."""
        return self.hosts

    @property
    def own_flavours(self) -> tuple[Flavour, ...]:
        """Sizes of VMs of the bare-metal form."""
        return self.flavours

    @property
    def health_check(self) -> HealthCheck | None:
        """The check of the tier's VMs."""
        return self.health

    @property
    def cloud_types(self) -> tuple[str, ...]:
        """Instance types that the mixed group may run."""
        return self.instance_types


class Tiers(FleetPart):
    """The three tiers. An absent tier has no capacity."""

    hot: HotSection = HotSection()
    warm: WarmSection = WarmSection()
    cold: ColdSection = ColdSection()

    def of(self, tier: Tier) -> HotSection | WarmSection | ColdSection:
        """The section of a tier."""
        declared: HotSection | WarmSection | ColdSection = getattr(self, tier.value)
        return declared

    @property
    def own_hosts(self) -> tuple[Hypervisor, ...]:
        """Our own hosts of all tiers."""
        return tuple(host for tier in Tier for host in self.of(tier).own_hosts)
