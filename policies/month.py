"""month-cost: what was spent this month and what the plan adds until its end, against a monthly limit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from policies.pricing import BillSettings, most, planned
from policies.rule import SKEW, Facts, Misconfigured, Rule, RuleSettings, Violation


class Spend(RuleSettings):
    """Money spent in a month until a time."""

    usd: float = Field(ge=0, description="Spent since the start of the month, USD.")
    as_of: AwareDatetime = Field(description="Until when.")


_SPEND = TypeAdapter(Spend)


class MonthCost(BillSettings):
    """The limit, and where the spend so far is found."""

    max_usd_per_month: float | None = Field(default=None, ge=0, description="For the stack; none: not judged.")
    spend: Spend | None = Field(default=None, description="Spend so far, as billing exports it.")
    spend_file: str = Field(default="", description="The same in a JSON file, relative to the pack's folder.")
    max_spend_age_hours: float = Field(default=72.0, gt=0, description="Older figures are refused, hours.")
    basis: Literal["planned", "maximum"] = Field(
        default="planned", description="Rate until the month's end: at planned counts, or at the groups' maxima."
    )


def decide(facts: Facts, settings: MonthCost) -> Iterator[Violation]:
    """A violation where spend and forecast pass the limit."""
    if settings.max_usd_per_month is None:
        return  # see `lacks`
    spend = _spend(facts, settings)
    now = facts.now
    age = (now - spend.as_of).total_seconds() / 3600
    if spend.as_of > now + SKEW:
        raise Misconfigured(
            f"The spend is said to be until {spend.as_of.isoformat()}, which is still to come (it is {now.isoformat()}): "
            "export it from billing again."
        )
    if age > settings.max_spend_age_hours:
        raise Misconfigured(
            f"The spend of {spend.usd:.2f} USD is {age:.0f} hours old, at most {settings.max_spend_age_hours:g} are "
            "allowed: export it from billing again."
        )
    start, end = month(now)
    bill = (planned if settings.basis == "planned" else most)(
        facts.estate, facts.catalogue(settings), settings.commitments
    )
    # Spend of an earlier month does not count; what ran since the export is taken at the rate of this plan.
    spent = spend.usd if spend.as_of >= start else 0.0
    hours = (end - max(spend.as_of, start)).total_seconds() / 3600
    total = spent + bill.usd_per_hour * hours
    if total > settings.max_usd_per_month:
        yield Violation(
            message=(
                f"By {end.date() - timedelta(days=1)} the stack will have cost {total:.2f} USD: {spent:.2f} until "
                f"{spend.as_of.isoformat()} and {bill.usd_per_hour:.2f} USD/hour for another {hours:.0f} hours. The "
                f"limit is {settings.max_usd_per_month:.2f} a month. Lower guards.usd_per_hour in fleet.yaml to "
                f"{max(settings.max_usd_per_month - spent, 0) / hours:.2f}, or have the limit raised."
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
        raise Misconfigured("maxUsdPerMonth needs spend or spendFile: what was spent this month so far.")
    return facts.json(settings.spend_file, _SPEND, '{"usd": …, "asOf": …}')


RULE = Rule(
    name="month-cost",
    description="Spend of the month so far and the plan's rate until its end stay under the monthly limit.",
    severity="high",
    remedy="Lower the hourly budget in fleet.yaml and plan again, or have the monthly limit raised.",
    settings=MonthCost,
    decide=decide,
    lacks=lambda settings: "" if settings.max_usd_per_month is not None else "set maxUsdPerMonth",
)
