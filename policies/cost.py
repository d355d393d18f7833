"""cost-ceiling: limits the highest cost per hour that the resources of the stack and of each tier allow."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.pricing import BillSettings, most
from policies.rule import Facts, Rule, Violation
from reconciler.prices.bill import Bill
from stacks.contract import Tier


class CostCeiling(BillSettings):
    """Limits in USD/hour."""

    max_usd_per_hour: float = Field(default=100.0, ge=0, description="For the whole stack, USD/hour.")
    max_usd_per_hour_by_tier: dict[Tier, float] = Field(
        default_factory=dict, description="For a tier, USD/hour: hot, warm or cold."
    )


def decide(facts: Facts, settings: CostCeiling) -> Iterator[Violation]:
    """One violation per exceeded limit, and per resource that has no price."""
    for stranger in facts.estate.strangers:
        yield Violation(
            message=(
                f"{stranger.name} ({stranger.type}) has no price, so the cost of the stack is unknown. Declare it in "
                "another stack, or add its type to policies/resources.py and policies/pricing.py."
            ),
            urn=stranger.urn,
        )
    for template, odd in facts.estate.uncounted:
        yield Violation(
            message=(
                f"{template.name} sets {', '.join(odd)}, whose cost is not counted, so the stack's cost is not known. "
                "Remove it from the program, or teach policies/resources.py and policies/pricing.py to count it."
            ),
            urn=template.urn,
        )
    bill = most(facts.estate, facts.catalogue(settings), settings.commitments)
    if bill.usd_per_hour > settings.max_usd_per_hour:
        yield Violation(
            message=(
                f"The stack can cost {bill.usd_per_hour:.2f} USD/hour, the ceiling is {settings.max_usd_per_hour:.2f}. "
                f"Most expensive: {largest(bill)}. Lower the groups' maxima or choose cheaper types in fleet.yaml "
                "(guards.usd_per_hour limits the cost of a plan), or raise the ceiling in the policy pack's configuration."
            )
        )
    for tier, limit in sorted(settings.max_usd_per_hour_by_tier.items()):
        if bill.of(tier) > limit:
            part = Bill(lines=tuple(line for line in bill.lines if line.tier is tier))
            yield Violation(
                message=(
                    f"The {tier} tier can cost {bill.of(tier):.2f} USD/hour, its ceiling is {limit:.2f}. "
                    f"Most expensive: {largest(part)}. Lower tiers.{tier}.max or choose cheaper types in fleet.yaml, or "
                    "raise the ceiling in the policy pack's configuration."
                )
            )


def largest(bill: Bill, count: int = 3) -> str:
    """The most expensive lines of a bill as text: `burst m5.large 12 × 0.0960 = 1.15`."""
    lines = sorted((line for line in bill.lines if line.usd > 0), key=lambda line: (-line.usd, line.item))[:count]
    return (
        "; ".join(f"{line.item} {line.count:g} × {line.unit_usd:.4f} = {line.usd:.2f}" for line in lines) or "nothing"
    )


RULE = Rule(
    name="cost-ceiling",
    description="The highest possible cost per hour of the stack and of each tier stays under its ceiling.",
    severity="high",
    remedy="Lower maxima or choose cheaper types in fleet.yaml and plan again, or ask the pack's owner to raise the ceiling.",
    settings=CostCeiling,
    decide=decide,
)
