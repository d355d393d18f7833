"""violation-risk: how probable it is that a QoS class is not served in time, spot losses included."""

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
        default=0.25, ge=0, le=1, description="Largest probability that demand passes what a class is served in time."
    )
    max_risk_by_class: dict[str, float] = Field(default_factory=dict, description="QoS class → the same for it alone.")
    max_violating_factor: float = Field(
        default=2.0, ge=1, description="Expected violating share with spot losses, as a multiple of the promised one."
    )


def decide(facts: Facts, settings: ViolationRisk) -> Iterator[Violation]:
    """One violation per class that is at more risk than allowed."""
    plan = facts.require_config().plan
    hours = max((plan.valid_until - plan.created_at).total_seconds() / 3600, 0.0)
    supply = guaranteed(facts.estate, facts.catalogue(settings), hours=hours)
    for lot in assess(demand(facts, settings), supply, latency=False).classes:
        limit = settings.max_risk_by_class.get(lot.name, settings.max_risk)
        if lot.risk > limit:
            yield Violation(
                message=(
                    f"Class '{lot.name}' is not served in time with probability {lot.risk:.1%} while the plan is valid "
                    f"(it carries {lot.safe_rps:.1f} of {lot.demand_rps:.1f} requests/s at quantile {lot.level:g}); at "
                    f"most {limit:.1%} is allowed. Lower its violating_share in fleet.yaml and plan again, or move "
                    "load from spot to warm."
                )
            )
        share = settings.max_violating_factor * lot.asked_share
        if lot.violating_share > share:
            yield Violation(
                message=(
                    f"With spot losses class '{lot.name}' would miss its promise for {lot.violating_share:.2%} of its "
                    f"requests; {lot.asked_share:.2%} is promised and {share:.2%} tolerated. Raise on_demand_base or "
                    "lower spot_share in fleet.yaml and plan again."
                )
            )


RULE = Rule(
    name="violation-risk",
    description="No QoS class is at more risk than allowed, interruptions of spot included.",
    severity="high",
    remedy="Plan again with a smaller violating share, or with less spot.",
    settings=ViolationRisk,
    decide=decide,
)
