"""fresh-forecast: sizes are applied only while the forecast behind them is valid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field

from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.contract import stale


class FreshForecast(RuleSettings):
    """How old a plan may be, and whether an override is allowed."""

    max_age_hours: float = Field(
        default=48.0, gt=0, description="Highest age of a plan, whatever validity it states, hours."
    )
    max_validity_hours: float = Field(default=48.0, gt=0, description="Longest validity that a plan may state, hours.")
    max_data_age_hours: float = Field(
        default=48.0, gt=0, description="Highest age of the newest data of a plan at the time that it was made, hours."
    )
    allow_replay: bool = Field(
        default=False, description="Whether a plan for an earlier time (--as-of) may be applied."
    )
    allow_override: bool = Field(default=True, description="Whether tiercast:override is honoured.")
    max_override_hours: float = Field(default=24.0, gt=0, description="Longest remaining time of an override, hours.")


def decide(facts: Facts, settings: FreshForecast) -> Iterator[Violation]:
    """One violation per reason why the plan must not be applied."""
    config = facts.require_config()
    plan, now = config.plan, facts.now
    if config.override is not None and now > plan.valid_until:
        if not settings.allow_override:
            yield Violation(
                message=(
                    f"The plan {plan.id} expired at {plan.valid_until.isoformat()} and this policy pack allows no "
                    "override. Run `tiercast plan` for a new one."
                )
            )
        elif config.override.until - now > timedelta(hours=settings.max_override_hours):
            left = (config.override.until - now).total_seconds() / 3600
            yield Violation(
                message=(
                    f"The override runs for another {left:.1f} hours, at most {settings.max_override_hours:g} are "
                    "allowed. Shorten tiercast:override.until."
                )
            )
    refusal = stale(config, now)
    if refusal is not None:
        yield Violation(message=refusal)
    overridden = refusal is None and now > plan.valid_until
    age = (now - plan.created_at).total_seconds() / 3600
    if age > settings.max_age_hours and not overridden:
        yield Violation(
            message=(
                f"The plan {plan.id} was made {age:.1f} hours ago, at most {settings.max_age_hours:g} are allowed. "
                "Run `tiercast plan` for a new one."
            )
        )
    if plan.replay and not settings.allow_replay:
        yield Violation(
            message=(
                f"The plan {plan.id} is a replay: it was made with --as-of from history up to {plan.cutoff.isoformat()}. "
                "Run `tiercast plan` without --as-of, or set `allowReplay` in the pack's configuration."
            )
        )
    data_age = (plan.created_at - plan.cutoff).total_seconds() / 3600
    if data_age > settings.max_data_age_hours and not plan.replay:
        yield Violation(
            message=(
                f"The newest data of plan {plan.id} is of {plan.cutoff.isoformat()}, {data_age:.1f} hours before the plan was "
                f"made; at most {settings.max_data_age_hours:g} are allowed. Restore the source of demand and plan again."
            )
        )
    validity = (plan.valid_until - plan.created_at).total_seconds() / 3600
    if validity > settings.max_validity_hours:
        yield Violation(
            message=(
                f"The plan {plan.id} states a validity of {validity:.1f} hours, at most "
                f"{settings.max_validity_hours:g} are allowed. Shorten `validity` in fleet.yaml and plan again."
            )
        )


RULE = Rule(
    name="fresh-forecast",
    description="Sizes are applied only while their forecast is valid, unless an override gives a reason and an end time.",
    severity="high",
    remedy="Run `tiercast plan`; in an emergency set tiercast:override with a reason and an end time.",
    settings=FreshForecast,
    decide=decide,
)
