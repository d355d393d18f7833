"""cost-jump: limits how much the cost of the stack rises above the last approved cost."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field, TypeAdapter

from policies.cost import largest
from policies.pricing import BillSettings, most
from policies.rule import Facts, Rule, Violation


class Approved(BaseModel):
    """The part of a kept verdict that this policy reads."""

    usd_per_hour_at_most: float = Field(alias="usdPerHourAtMost", ge=0)


_APPROVED = TypeAdapter(Approved)


class CostJump(BillSettings):
    """The last approved cost, and the increase that a plan may bring."""

    approved_usd_per_hour: float | None = Field(
        default=None, ge=0, description="Highest possible cost of the last approved plan, USD/hour; empty: not judged."
    )
    approved_file: str = Field(
        default="",
        description=(
            "File with the output of `tiercast policy test --json` for that plan, relative to the pack's folder; {stack} "
            "and {project} are replaced by their names."
        ),
    )
    max_increase_share: float = Field(
        default=0.25, ge=0, description="Allowed increase as a share of the approved cost."
    )
    max_increase_usd_per_hour: float = Field(
        default=1.0, ge=0, description="Increase that is always allowed, USD/hour; it lets small stacks grow."
    )


def decide(facts: Facts, settings: CostJump) -> Iterator[Violation]:
    """A violation if the increase exceeds both allowances."""
    approved = _approved(facts, settings)
    if approved is None:
        return
    bill = most(facts.estate, facts.catalogue(settings), settings.commitments)
    allowed = approved + max(settings.max_increase_usd_per_hour, settings.max_increase_share * approved)
    if bill.usd_per_hour > allowed:
        yield Violation(
            message=(
                f"The stack can cost {bill.usd_per_hour:.2f} USD/hour, the last approved cost is {approved:.2f} and "
                f"a plan may raise it to {allowed:.2f}. Most expensive: {largest(bill)}. Grow in steps (guards.step_limit in "
                "fleet.yaml), or approve the new cost (approvedUsdPerHour or approvedFile of the policy pack)."
            )
        )


def _approved(facts: Facts, settings: CostJump) -> float | None:
    if not settings.approved_file:
        return settings.approved_usd_per_hour
    kept = facts.json(settings.approved_file, _APPROVED, "the output of `tiercast policy test --json`")
    return kept.usd_per_hour_at_most


def _lacks(settings: CostJump) -> str:
    known = settings.approved_file or settings.approved_usd_per_hour is not None
    return "" if known else "set approvedFile or approvedUsdPerHour"


RULE = Rule(
    name="cost-jump",
    description="A plan does not cost much more than the last approved one.",
    severity="medium",
    remedy="Grow in steps, or review the increase and approve the new cost.",
    settings=CostJump,
    decide=decide,
    lacks=_lacks,
)
