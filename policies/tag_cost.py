"""tag-cost: what each team, application or other tag value can cost per hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from policies.cost import largest
from policies.estate import Estate, tag_values
from policies.pricing import BillSettings, most
from policies.rule import Facts, Rule, Violation


class TagCost(BillSettings):
    """Limits per value of one tag."""

    tag: str = Field(default="team", description="Tag by which cost is split.")
    max_usd_per_hour: dict[str, float] = Field(
        default_factory=dict, description="Tag value → limit, USD/hour; the value '' stands for untagged resources."
    )
    max_usd_per_hour_other: float | None = Field(
        default=None, ge=0, description="For a value without a limit of its own, USD/hour; none: not judged."
    )


def decide(facts: Facts, settings: TagCost) -> Iterator[Violation]:
    """One violation per tag value over its limit."""
    if not settings.max_usd_per_hour and settings.max_usd_per_hour_other is None:
        return
    estate, catalogue = facts.estate, facts.catalogue(settings)
    for value in sorted(_values(estate, settings.tag)):
        limit = settings.max_usd_per_hour.get(value, settings.max_usd_per_hour_other)
        bill = most(_part(estate, settings.tag, value), catalogue, settings.commitments)
        if limit is not None and bill.usd_per_hour > limit:
            whose = f"{settings.tag}={value}" if value else f"what has no tag '{settings.tag}'"
            yield Violation(
                message=(
                    f"{whose} can cost {bill.usd_per_hour:.2f} USD/hour, the limit is {limit:.2f}. Dearest: "
                    f"{largest(bill)}. Lower its groups in fleet.yaml, or have the limit raised."
                )
            )


def _values(estate: Estate, tag: str) -> set[str]:
    tagged = [group.tags.get(tag, "") for group in estate.groups]
    others = [reserved.resource for reserved in estate.reservations] + list(estate.balancers)
    return {*tagged, *(tag_values(resource.inputs.get("tags")).get(tag, "") for resource in others)}


def _part(estate: Estate, tag: str, value: str) -> Estate:
    """The part of the cloud estate with that tag value; our own machines have no tags and are sunk."""
    return replace(
        estate,
        machines=(),
        groups=tuple(g for g in estate.groups if g.tags.get(tag, "") == value),
        reservations=tuple(
            r for r in estate.reservations if tag_values(r.resource.inputs.get("tags")).get(tag, "") == value
        ),
        balancers=tuple(b for b in estate.balancers if tag_values(b.inputs.get("tags")).get(tag, "") == value),
    )


RULE = Rule(
    name="tag-cost",
    description="No team, application or other tag value can cost more per hour than it was given.",
    severity="medium",
    remedy="Lower the groups with that tag in fleet.yaml, or have its limit raised.",
    settings=TagCost,
    decide=decide,
)
