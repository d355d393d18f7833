"""latency-slo: checks the latency that each QoS class gets, from the quantiles of demand and the counts of the stack.

It uses `reconciler.slo.assess`, as the sizing does, so both agree on the load that a count can carry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import Field

from policies.rule import Facts, Rule, Violation
from policies.supply import guaranteed
from policies.trusted import DemandSettings, demand, disagreements
from reconciler.slo.assess import ClassAssessment, assess
from stacks.contract import Tier


class LatencySlo(DemandSettings):
    """The tolerance above the share of late requests that the plan allows each class."""

    tolerance: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="How far the expected share may exceed the allowed share, as a share of it.",
    )
    max_window_factor: float = Field(
        default=4.0, ge=1, description="Largest share that one plan may allow, as a multiple of the promised share."
    )
    max_latency_ms: dict[str, float] = Field(
        default_factory=dict, description="QoS class → highest latency target that it may promise, ms."
    )


def decide(facts: Facts, settings: LatencySlo) -> Iterator[Violation]:
    """One violation per class that misses its promise, and per way in which the demand differs from the forecast."""
    yield from disagreements(facts, settings)
    wanted = demand(facts, settings)
    for name, limit in sorted(settings.max_latency_ms.items()):
        promised = wanted.classes.get(name)
        if promised is not None and promised.latency_ms > limit:
            yield Violation(
                message=(
                    f"Class '{name}' promises {promised.latency_ms:g} ms, the policy pack allows at most {limit:g} ms. "
                    "Lower the latency of that class under `qos` in fleet.yaml and plan again."
                )
            )
    for name, stated in wanted.classes.items():
        most = settings.max_window_factor * stated.promised_share
        if stated.allowed_share > most * (1 + 1e-5):
            yield Violation(
                message=(
                    f"Class '{name}' is allowed {stated.allowed_share:.2%} late requests in this window; the policy pack "
                    f"permits {most:.2%} for a promise of {stated.promised_share:.2%}. Run `tiercast plan` for a new plan."
                )
            )
    for lot in assess(wanted, guaranteed(facts.estate, facts.catalogue(settings))).classes:
        if lot.expected_share > lot.allowed_share * (1 + settings.tolerance):
            yield Violation(message=_sentence(lot, wanted.classes[lot.name].tiers))


def _sentence(lot: ClassAssessment, tiers: tuple[Tier, ...]) -> str:
    names = ", ".join(tiers)
    head = (
        f"Class '{lot.name}' is promised {lot.target_ms:g} ms at percentile {100 * lot.percentile:g} for all but "
        f"{lot.promised_share:.2%} of its requests ({lot.allowed_share:.2%} allowed in this window)"
    )
    if not lot.reachable:
        return (
            f"{head}, which no number of instances of its tiers ({names}) reaches: round trip and service alone take "
            "longer. Choose another tier, another type or a higher target in fleet.yaml."
        )
    latency = "no answers in time" if math.isinf(lot.latency_ms) else f"{lot.latency_ms:.0f} ms"
    return (
        f"{head}. At its demand of {lot.demand_rps:.1f} requests/s (quantile {lot.level:g}) it would get {latency}: "
        f"the instances carry {lot.safe_rps:.1f} requests/s in time and {lot.expected_share:.2%} of requests are expected to "
        f"be late. Run `tiercast plan` for larger counts, or raise the minimum of its tiers ({names}) in fleet.yaml."
    )


RULE = Rule(
    name="latency-slo",
    description="Every QoS class gets its promised latency from the forecast's demand and the stack's counts.",
    severity="critical",
    remedy="Plan again; do not lower sizes by hand below what the demand needs.",
    settings=LatencySlo,
    decide=decide,
)
