"""tag-cost: limits the cost per hour of each team, each application or each value of another tag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from policies.cost import largest
from policies.estate import Estate
from policies.pricing import BillSettings, most
from policies.resources import tag_values
from policies.rule import Facts, Rule, Violation


class TagCost(BillSettings):
    """Limits per tag and value."""

    max_usd_per_hour: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = Field(
        default_factory=dict,
        description=(
            "Tag (team, application) → its value → limit, USD/hour. The value '' means resources without the tag, '*' means "
            "each value that has no limit here."
        ),
    )


def decide(facts: Facts, settings: TagCost) -> Iterator[Violation]:
    """One violation per tag value over its limit."""
    if not settings.max_usd_per_hour:
        return
    estate, catalogue = facts.estate, facts.catalogue(settings)
    for tag, limits in sorted(settings.max_usd_per_hour.items()):
        for value in sorted(_values(estate, tag)):
            limit = limits.get(value, limits.get("*"))
            bill = most(_part(estate, tag, value), catalogue, settings.commitments)
            if limit is not None and bill.usd_per_hour > limit:
                whose = f"Resources with {tag}={value}" if value else f"Resources without the tag '{tag}'"
                yield Violation(
                    message=(
                        f"{whose} can cost {bill.usd_per_hour:.2f} USD/hour, the limit is {limit:.2f}. Most expensive: "
                        f"{largest(bill)}. Lower their groups in fleet.yaml, or raise the limit."
                    )
                )


def _values(estate: Estate, tag: str) -> set[str]:
    tagged = [group.tags.get(tag, "") for group in estate.groups]
    others = [reserved.resource for reserved in estate.reservations] + list(estate.balancers)
    return {*tagged, *(tag_values(resource.inputs.get("tags")).get(tag, "") for resource in others)}


def _part(estate: Estate, tag: str, value: str) -> Estate:
    """The cloud resources with that tag value. Owned hardware has no tags and its cost is sunk."""
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
    description="No team, application or other tag value can cost more per hour than its limit.",
    severity="medium",
    remedy="Lower the groups with that tag in fleet.yaml, or raise its limit.",
    settings=TagCost,
    decide=decide,
    lacks=lambda settings: "" if settings.max_usd_per_hour else "set maxUsdPerHour",
)
