"""diversification: spot capacity is spread over instance types and zones, so that one interruption does not take all of it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.rule import Facts, Rule, RuleSettings, Violation


class Diversification(RuleSettings):
    """The minimum variety of a group that may run spot instances."""

    min_types: int = Field(default=2, ge=1, description="Instance types per spot group.")
    min_families: int = Field(default=1, ge=1, description="Instance families (m5, c6i, …) per spot group.")
    min_places: int = Field(default=1, ge=1, description="Subnets or zones per spot group.")
    from_instances: int = Field(default=2, ge=1, description="Groups with fewer spot instances are not judged.")


def decide(facts: Facts, settings: Diversification) -> Iterator[Violation]:
    """One violation per group with too little variety."""
    for group in facts.estate.groups:
        if group.spot_at_most < settings.from_instances:
            continue
        found = {
            "instance types": (len(set(group.types)), settings.min_types),
            "instance families": (len({name.partition(".")[0] for name in group.types}), settings.min_families),
            "subnets or zones": (len(set(group.places)), settings.min_places),
        }
        lacking = [
            f"{have} {what} (at least {least} required)" for what, (have, least) in found.items() if have < least
        ]
        if lacking:
            yield Violation(
                message=(
                    f"{group.name} may run {group.spot_at_most} spot instances over {', '.join(lacking)}. The cloud "
                    "could interrupt all of them at once. Add instance_types or subnets to tiers.cold in fleet.yaml."
                ),
                urn=group.resource.urn,
            )


RULE = Rule(
    name="diversification",
    description="Spot groups are spread over several types, families and places.",
    severity="medium",
    remedy="Add interchangeable instance types and subnets to tiers.cold in fleet.yaml.",
    settings=Diversification,
    decide=decide,
)
