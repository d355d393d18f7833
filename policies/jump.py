"""cost-jump: how much dearer the stack gets than what was approved last."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field, TypeAdapter

from policies.cost import largest
from policies.pricing import BillSettings, most
from policies.rule import Facts, Rule, Violation


class Approved(BaseModel):
    """The part that is read of a verdict that was kept."""

    usd_per_hour_at_most: float = Field(alias="usdPerHourAtMost", ge=0)


_APPROVED = TypeAdapter(Approved)


class CostJump(BillSettings):
    """The last approved figure and how far above it a plan may go."""

    approved_usd_per_hour: float | None = Field(
        default=None, ge=0, description="Upper bound of the last approved plan, USD/hour; none: not judged."
    )
    approved_file: str = Field(
        default="",
        description=(
            "The same in what `tiercast policy test --json` printed for that plan, relative to the pack's folder, with "
            "{stack} and {project} for their names."
        ),
    )
    max_increase_share: float = Field(default=0.25, ge=0, description="Increase allowed as a share of it.")
    max_increase_usd_per_hour: float = Field(
        default=1.0, ge=0, description="Increase always allowed, USD/hour, so that small stacks can grow."
    )


def decide(facts: Facts, settings: CostJump) -> Iterator[Violation]:
    """A violation where the increase is larger than both allowances."""
    approved = _approved(facts, settings)
    if approved is None:
        return
    bill = most(facts.estate, facts.catalogue(settings), settings.commitments)
    allowed = approved + max(settings.max_increase_usd_per_hour, settings.max_increase_share * approved)
    if bill.usd_per_hour > allowed:
        yield Violation(
            message=(
                f"The stack can cost {bill.usd_per_hour:.2f} USD/hour, {approved:.2f} were approved last and a step "
                f"may go to {allowed:.2f}. Dearest: {largest(bill)}. Approve it in steps (guards.step_limit in "
                "fleet.yaml), or have the new figure approved (approvedUsdPerHour or approvedFile of the policy pack)."
            )
        )


def _approved(facts: Facts, settings: CostJump) -> float | None:
    if not settings.approved_file:
        return settings.approved_usd_per_hour
    kept = facts.json(settings.approved_file, _APPROVED, "what `tiercast policy test --json` prints")
    return kept.usd_per_hour_at_most


def _lacks(settings: CostJump) -> str:
    known = settings.approved_file or settings.approved_usd_per_hour is not None
    return "" if known else "set approvedFile or approvedUsdPerHour"


RULE = Rule(
    name="cost-jump",
    description="A plan is not much dearer than what was approved last.",
    severity="medium",
    remedy="Grow in steps, or review the jump and have the new figure approved.",
    settings=CostJump,
    decide=decide,
    lacks=_lacks,
)
