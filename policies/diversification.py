"""diversification: capacity that can vanish is spread over types and places, so that it does not vanish at once."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.rule import Facts, Rule, RuleSettings, Violation


class Diversification(RuleSettings):
    """Least variety of a group that may run spot."""

    min_types: int = Field(default=2, ge=1, description="Instance types per spot group.")
    min_families: int = Field(default=1, ge=1, description="Instance families (m5, c6i, …) per spot group.")
    min_places: int = Field(default=1, ge=1, description="Subnets or zones per spot group.")
    from_instances: int = Field(default=2, ge=1, description="Groups with fewer spot instances are left alone.")


def decide(facts: Facts, settings: Diversification) -> Iterator[Violation]:
    """One violation per group that is not varied enough."""
    for group in facts.estate.groups:
        if group.spot_at_most < settings.from_instances:
            continue
        found = {
            "instance types": (len(set(group.types)), settings.min_types),
            "instance families": (len({name.partition(".")[0] for name in group.types}), settings.min_families),
            "subnets or zones": (len(set(group.places)), settings.min_places),
        }
        lacking = [f"{have} {what} of at least {least}" for what, (have, least) in found.items() if have < least]
        if lacking:
            yield Violation(
                message=(
                    f"{group.name} may run {group.spot_at_most} spot instances over {', '.join(lacking)}: they could "
                    "vanish at once. Add instance_types or subnets to tiers.cold in fleet.yaml."
                ),
                urn=group.resource.urn,
            )


RULE = Rule(
    name="diversification",
    description="Spot groups are spread over several types, families and places.",
    severity="medium",
    remedy="Add instance types and subnets that can stand for one another to tiers.cold in fleet.yaml.",
    settings=Diversification,
    decide=decide,
)
