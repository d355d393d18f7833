"""violation-risk: the chance that demand exceeds what a QoS class is served in time, spot interruptions included."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from policies.rule import Facts, Rule, Violation
from policies.supply import guaranteed
from policies.trusted import DemandSettings, demand
from reconciler.slo.assess import assess


class ViolationRisk(DemandSettings):
    """Bounds on probability and extent."""

    max_risk: float = Field(
        default=0.25, ge=0, le=1, description="Largest probability that demand exceeds what a class is served in time."
    )
    max_risk_by_class: dict[str, float] = Field(default_factory=dict, description="QoS class → the same for it alone.")
    max_violating_factor: float = Field(
        default=2.0,
        ge=1,
        description="Expected share with spot interruptions, as a multiple of the allowed share.",
    )


def decide(facts: Facts, settings: ViolationRisk) -> Iterator[Violation]:
    """One violation per class and bound that it exceeds."""
    plan = facts.require_config().plan
    hours = max((plan.valid_until - plan.created_at).total_seconds() / 3600, 0.0)
    supply = guaranteed(facts.estate, facts.catalogue(settings), hours=hours)
    for lot in assess(demand(facts, settings), supply, latency=False).classes:
        limit = settings.max_risk_by_class.get(lot.name, settings.max_risk)
        if lot.shortfall_probability > limit:
            yield Violation(
                message=(
                    f"Demand of class '{lot.name}' exceeds what is served in time with probability "
                    f"{lot.shortfall_probability:.1%} while the plan is valid ({lot.safe_rps:.1f} of {lot.demand_rps:.1f} "
                    f"requests/s are carried at quantile {lot.level:g}); the policy pack permits {limit:.1%}. "
                    "Lower its violating_share in fleet.yaml and plan again, or move "
                    "load from spot to warm."
                )
            )
        share = settings.max_violating_factor * lot.allowed_share
        if lot.expected_share > share:
            yield Violation(
                message=(
                    f"With spot interruptions, {lot.expected_share:.2%} of the requests of class '{lot.name}' are expected "
                    f"to be late; {lot.allowed_share:.2%} are allowed in this window (promise {lot.promised_share:.2%}) and "
                    f"{share:.2%} tolerated. Raise on_demand_base or lower spot_share in fleet.yaml and plan again."
                )
            )


RULE = Rule(
    name="violation-risk",
    description="Demand of no QoS class is too likely to exceed what is served in time, spot interruptions included.",
    severity="high",
    remedy="Plan again with a smaller violating_share in fleet.yaml, or with less spot.",
    settings=ViolationRisk,
    decide=decide,
)
