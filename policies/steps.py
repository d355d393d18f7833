"""step-limit: how far a tier may move from what runs, in one plan."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, TypeAdapter

from policies.estate import Estate
from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.contract import Tier

_COUNTS = TypeAdapter(dict[Tier, int])


class StepLimit(RuleSettings):
    """What runs now, and the largest moves. A pack can't see the state before, so it is told."""

    current: dict[Tier, int] = Field(default_factory=dict, description="Tier → instances that run; none: not judged.")
    current_file: str = Field(
        default="", description="The same in a JSON file, relative to the pack's folder, with {stack} for its name."
    )
    max_step: dict[Tier, int] = Field(default_factory=dict, description="Tier → most instances more or less.")
    max_shrink_share: float = Field(default=0.5, ge=0, le=1, description="Largest share of a tier that may go.")
    shrink_from: int = Field(default=4, ge=1, description="Tiers with fewer instances may shrink at will.")


def decide(facts: Facts, settings: StepLimit) -> Iterator[Violation]:
    """One violation per tier that moves too far."""
    current = _current(facts, settings)
    after = counts(facts.estate)
    for tier, before in sorted(current.items()):
        now = after.get(tier, 0)
        limit = settings.max_step.get(tier)
        if limit is not None and abs(now - before) > limit:
            yield Violation(
                message=(
                    f"The {tier} tier goes from {before} to {now} instances; a plan may move it by at most {limit}. "
                    "Set guards.step_limit in fleet.yaml to the same and plan again: it gets there in steps."
                )
            )
        if before >= settings.shrink_from and before - now > settings.max_shrink_share * before:
            yield Violation(
                message=(
                    f"The {tier} tier shrinks from {before} to {now} instances, by more than "
                    f"{settings.max_shrink_share:.0%}. If that is meant, plan it in steps (guards.step_limit in "
                    "fleet.yaml) or have maxShrinkShare raised."
                )
            )


def counts(estate: Estate) -> dict[Tier, int]:
    """Guaranteed instances by tier."""
    found: dict[Tier, int] = {}
    for machine in estate.machines:
        found[machine.tier] = found.get(machine.tier, 0) + 1
    for group in estate.groups:
        found[group.tier] = found.get(group.tier, 0) + group.guaranteed
    return found


def _current(facts: Facts, settings: StepLimit) -> dict[Tier, int]:
    if not settings.current_file:
        return settings.current
    return facts.json(settings.current_file, _COUNTS, '{"hot": …, "warm": …}')


RULE = Rule(
    name="step-limit",
    description="No tier grows or shrinks further in one plan than allowed.",
    severity="high",
    remedy="Set guards.step_limit in fleet.yaml so that a large change is made in steps.",
    settings=StepLimit,
    decide=decide,
    lacks=lambda settings: "" if settings.current or settings.current_file else "set currentFile or current",
)
