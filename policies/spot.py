"""spot-share: limits the share of the fleet that the cloud may interrupt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from policies.groups import Group
from policies.rule import Facts, PriceSettings, Rule, Violation
from reconciler.prices.catalogue import Catalogue


class SpotShare(PriceSettings):
    """Shares of vCPUs, counted at the groups' maxima."""

    max_share: float = Field(default=0.8, ge=0, le=1, description="Highest share of vCPUs that may be spot.")
    of: Literal["fleet", "cloud"] = Field(
        default="fleet", description="Whether the share is of all vCPUs or of those in the cloud."
    )


def decide(facts: Facts, settings: SpotShare) -> Iterator[Violation]:
    """A violation if the share is exceeded."""
    estate = facts.estate
    catalogue = facts.catalogue(settings)
    spot = sum(group.spot_at_most * _vcpu(group, catalogue) for group in estate.groups)
    cloud = sum(group.maximum * _vcpu(group, catalogue) for group in estate.groups)
    metal = sum(machine.vcpu for machine in estate.machines) if settings.of == "fleet" else 0
    if spot > settings.max_share * (cloud + metal) + 1e-9:
        groups = ", ".join(f"{g.name} up to {g.spot_at_most} of {g.maximum}" for g in estate.groups if g.spot_at_most)
        yield Violation(
            message=(
                f"{spot / (cloud + metal):.0%} of the {settings.of}'s {cloud + metal} vCPUs may be spot, at most "
                f"{settings.max_share:.0%} are allowed ({groups}). Raise on_demand_base or lower spot_share in "
                "fleet.yaml, or move load to warm."
            )
        )


def _vcpu(group: Group, catalogue: Catalogue) -> int:
    return max(catalogue.type(name).vcpu for name in group.types)


RULE = Rule(
    name="spot-share",
    description="The share of the fleet that the cloud may interrupt is limited.",
    severity="high",
    remedy="Raise the on-demand base or share of the cold groups, or the size of the warm tier.",
    settings=SpotShare,
    decide=decide,
)
