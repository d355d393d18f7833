"""month-cost: limits the spend of this month: spend so far plus the cost of the plan until the month ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from policies.pricing import BillSettings, most, planned
from policies.rule import SKEW, Facts, Misconfigured, Rule, RuleSettings, Violation


class Spend(RuleSettings):
    """The spend of a month up to a time."""

    usd: float = Field(ge=0, description="Spent since the start of the month, USD.")
    as_of: AwareDatetime = Field(description="End of the period that `usd` covers.")


_SPEND = TypeAdapter(Spend)


class MonthCost(BillSettings):
    """The monthly limit, and the source of the spend so far."""

    max_usd_per_month: float | None = Field(
        default=None, ge=0, description="Limit of the stack, USD per month; empty: not judged."
    )
    spend: Spend | None = Field(default=None, description="Spend so far, as billing exports it.")
    spend_file: str = Field(default="", description="JSON file with the same, relative to the pack's folder.")
    max_spend_age_hours: float = Field(
        default=72.0, gt=0, description="Highest age of the spend, hours; older figures are refused."
    )
    basis: Literal["planned", "maximum"] = Field(
        default="planned",
        description="Cost per hour until the month ends: of the planned counts, or of the groups' maxima.",
    )


def decide(facts: Facts, settings: MonthCost) -> Iterator[Violation]:
    """A violation if the spend so far and the plan's cost exceed the limit."""
    if settings.max_usd_per_month is None:
        return  # see `lacks`
    spend = _spend(facts, settings)
    now = facts.now
    age = (now - spend.as_of).total_seconds() / 3600
    if spend.as_of > now + SKEW:
        raise Misconfigured(
            f"The spend ends at {spend.as_of.isoformat()}, which is in the future (it is {now.isoformat()}). "
            "Export it from billing again."
        )
    if age > settings.max_spend_age_hours:
        raise Misconfigured(
            f"The spend of {spend.usd:.2f} USD is {age:.0f} hours old, at most {settings.max_spend_age_hours:g} are "
            "allowed. Export it from billing again."
        )
    start, end = month(now)
    bill = (planned if settings.basis == "planned" else most)(
        facts.estate, facts.catalogue(settings), settings.commitments
    )
    # Spend of an earlier month does not count; the time since the export counts at the rate of this plan.
    spent = spend.usd if spend.as_of >= start else 0.0
    hours = (end - max(spend.as_of, start)).total_seconds() / 3600
    total = spent + bill.usd_per_hour * hours
    if total > settings.max_usd_per_month:
        yield Violation(
            message=(
                f"By {end.date() - timedelta(days=1)} the stack will have cost {total:.2f} USD: {spent:.2f} until "
                f"{spend.as_of.isoformat()} and {bill.usd_per_hour:.2f} USD/hour for another {hours:.0f} hours. The "
                f"limit is {settings.max_usd_per_month:.2f} a month. Lower guards.usd_per_hour in fleet.yaml to "
                f"{max(settings.max_usd_per_month - spent, 0) / hours:.2f}, or raise the limit."
            )
        )


def month(now: datetime) -> tuple[datetime, datetime]:
    """Start and end of the month around `now`, in its own time zone."""
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return start, (start + timedelta(days=32)).replace(day=1)


def _spend(facts: Facts, settings: MonthCost) -> Spend:
    if settings.spend is not None:
        return settings.spend
    if not settings.spend_file:
        raise Misconfigured("maxUsdPerMonth needs the spend of this month so far. Set spend or spendFile.")
    return facts.json(settings.spend_file, _SPEND, '{"usd": …, "asOf": …}')


RULE = Rule(
    name="month-cost",
    description="The spend of the month so far plus the plan's cost until it ends stays under the monthly limit.",
    severity="high",
    remedy="Lower the hourly budget in fleet.yaml and plan again, or raise the monthly limit.",
    settings=MonthCost,
    decide=decide,
    lacks=lambda settings: "" if settings.max_usd_per_month is not None else "set maxUsdPerMonth",
)
