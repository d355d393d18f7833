"""step-limit: limits the change of a tier in one plan, compared with the running instances."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, TypeAdapter

from policies.estate import Estate
from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.contract import Tier

_COUNTS = TypeAdapter(dict[Tier, int])


class StepLimit(RuleSettings):
    """The running instances, and the largest allowed change. A pack can't see the state, so its configuration gives them."""

    current: dict[Tier, int] = Field(default_factory=dict, description="Tier → running instances; empty: not judged.")
    current_file: str = Field(
        default="",
        description="JSON file with the same, relative to the pack's folder; {stack} is replaced by the stack's name.",
    )
    max_step: dict[Tier, int] = Field(
        default_factory=dict, description="Tier → largest change in instances, up or down."
    )
    max_shrink_share: float = Field(
        default=0.5, ge=0, le=1, description="Largest share of a tier that one plan may remove."
    )
    shrink_from: int = Field(default=4, ge=1, description="Tiers with fewer instances have no limit on shrinking.")


def decide(facts: Facts, settings: StepLimit) -> Iterator[Violation]:
    """One violation per tier that changes too much."""
    current = _current(facts, settings)
    after = counts(facts.estate)
    for tier, before in sorted(current.items()):
        now = after.get(tier, 0)
        limit = settings.max_step.get(tier)
        if limit is not None and abs(now - before) > limit:
            yield Violation(
                message=(
                    f"The {tier} tier goes from {before} to {now} instances; one plan may change it by at most {limit}. "
                    "Set guards.step_limit in fleet.yaml to the same number and plan again; the rest follows in later plans."
                )
            )
        if before >= settings.shrink_from and before - now > settings.max_shrink_share * before:
            yield Violation(
                message=(
                    f"The {tier} tier shrinks from {before} to {now} instances, by more than "
                    f"{settings.max_shrink_share:.0%}. If this is intended, shrink in steps (guards.step_limit in "
                    "fleet.yaml) or raise maxShrinkShare."
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
    description="One plan changes no tier by more than the limit.",
    severity="high",
    remedy="Set guards.step_limit in fleet.yaml, which makes a large change in steps.",
    settings=StepLimit,
    decide=decide,
    lacks=lambda settings: "" if settings.current or settings.current_file else "set currentFile or current",
)
