"""violation-risk: limits the chance that demand exceeds capacity per QoS class, spot interruptions included."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.rule import Facts, Rule, Violation
from policies.supply import guaranteed
from policies.trusted import DemandSettings, demand
from reconciler.slo.assess import assess


class ViolationRisk(DemandSettings):
    """Limits on the probability and on the share of late requests."""

    max_risk: float = Field(
        default=0.25, ge=0, le=1, description="Highest chance that demand of a class exceeds its capacity, 0 to 1."
    )
    max_risk_by_class: dict[str, float] = Field(
        default_factory=dict, description="QoS class → its own limit instead of `maxRisk`."
    )
    max_violating_factor: float = Field(
        default=2.0,
        ge=1,
        description="Highest expected share of late requests with spot interruptions, as a multiple of the allowed share.",
    )


def decide(facts: Facts, settings: ViolationRisk) -> Iterator[Violation]:
    """One violation per class and exceeded limit."""
    plan = facts.require_config().plan
    hours = max((plan.valid_until - plan.created_at).total_seconds() / 3600, 0.0)
    supply = guaranteed(facts.estate, facts.catalogue(settings), hours=hours)
    for lot in assess(demand(facts, settings), supply, latency=False).classes:
        limit = settings.max_risk_by_class.get(lot.name, settings.max_risk)
        if lot.shortfall_probability > limit:
            yield Violation(
                message=(
                    f"The chance that demand of class '{lot.name}' exceeds its capacity is {lot.shortfall_probability:.1%} while "
                    f"the plan is valid; the policy pack permits {limit:.1%}. The capacity is {lot.safe_rps:.1f} requests/s, "
                    f"the demand {lot.demand_rps:.1f} requests/s at quantile {lot.level:g}. Lower its violating_share in "
                    "fleet.yaml and plan again, or move load from spot to warm."
                )
            )
        share = settings.max_violating_factor * lot.allowed_share
        if lot.expected_share > share:
            yield Violation(
                message=(
                    f"With spot interruptions, {lot.expected_share:.2%} of the requests of class '{lot.name}' are expected "
                    f"to be late; {lot.allowed_share:.2%} are allowed in this window (promise {lot.promised_share:.2%}). The "
                    f"policy pack tolerates {share:.2%}. Raise on_demand_base or lower spot_share in fleet.yaml and plan again."
                )
            )


RULE = Rule(
    name="violation-risk",
    description="For every QoS class the chance that demand exceeds capacity is limited, spot interruptions included.",
    severity="high",
    remedy="Plan again with a smaller violating_share in fleet.yaml, or with less spot.",
    settings=ViolationRisk,
    decide=decide,
)
