"""Explains the sizes: binding constraints, the effect of one instance more or less, risks, and changes.

All figures come from the functions that made the decision. The marginal lines assess the fleet again with one instance
more and one less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from reconciler.explain.changes import Basis, basis_of, changes
from reconciler.guards.guarded import GuardedSizing
from reconciler.plan.snapshot import Snapshot
from reconciler.sizing import Sizing, SizingProblem
from reconciler.sizing.repair import fits, floor
from reconciler.sizing.result import supply_of, usd_of
from reconciler.slo.assess import Assessment, assess
from reconciler.trust.demotion import Rung
from reconciler.trust.feedback import Standing
from stacks.contract import Tier


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """The effect of one instance more and one less of an option.

    Attributes:
        option: the option's name.
        count: instances in the plan.
        usd_more, usd_less: change of the cost in USD/hour; None if that count is not possible.
        share_now, share_more, share_less: class → expected share of late requests; None if that count is not possible.
        tightest: class whose share changes most.
    """

    option: str
    count: int
    usd_more: float | None
    usd_less: float | None
    share_now: Mapping[str, float]
    share_more: Mapping[str, float] | None
    share_less: Mapping[str, float] | None
    tightest: str = ""


@dataclass(frozen=True, kw_only=True)
class TierExplained:
    """A tier's count and USD/hour before and after the plan, with its binding constraint."""

    tier: Tier
    before: int
    after: int
    usd_before: float
    usd_after: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class ClassExplained:
    """A class's promise, the price of a shortage with the demand quantile that it implies, and the result of the plan.

    `multiplier_usd` is in USD/hour per request/s, `served` in requests/s by tier.
    """

    name: str
    target_ms: float
    percentile: float
    latency_ms: float
    promised_share: float
    allowed_share: float
    expected_share: float
    shortfall_probability: float
    multiplier_usd: float
    quantile: float
    served: Mapping[Tier, float]


@dataclass(frozen=True, kw_only=True)
class FloorExplained:
    """A binding safety floor of a class: one instance less of `option` would go below the floor.

    Attributes:
        measured_rps: load of the last step, requests/s.
        counted_rps: load that the floor assumes, requests/s. It is higher than measured if latency was over target.
        latency_ms: measured latency; None if not measured.
    """

    name: str
    option: str
    measured_rps: float
    counted_rps: float
    latency_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The whole explanation, ready to be shown as tables or JSON."""

    tiers: tuple[TierExplained, ...]
    classes: tuple[ClassExplained, ...]
    marginals: tuple[Marginal, ...]
    problems: tuple[str, ...]
    changes: tuple[str, ...]
    gap: float
    status: str
    standing: tuple[Standing, ...] = ()
    floor: tuple[FloorExplained, ...] = ()
    guards: tuple[str, ...] = ()
    forecast_note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values. An infinite latency is null, because JSON has no infinity. A rung is its name."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def explain(problem: SizingProblem, sizing: Sizing, previous: Basis | None = None) -> Explanation:
    """Explain a sizing. `previous` is the basis of the last plan; None if there is none."""
    tiers = [t for t in Tier if any(o.tier is t for o in problem.options)]
    return Explanation(
        tiers=tuple(_tier(sizing, tier) for tier in tiers),
        classes=tuple(
            ClassExplained(
                name=c.name,
                target_ms=c.target_ms,
                percentile=c.percentile,
                latency_ms=c.latency_ms,
                promised_share=c.promised_share,
                allowed_share=c.allowed_share,
                expected_share=c.expected_share,
                shortfall_probability=c.shortfall_probability,
                multiplier_usd=sizing.multipliers.get(c.name, 0.0),
                quantile=sizing.quantiles.get(c.name, 0.0),
                served=c.served,
            )
            for c in sizing.assessment.classes
        ),
        marginals=marginals(problem, {c.option: c.after for c in sizing.counts}),
        problems=sizing.problems,
        changes=changes(previous, basis_of(problem, sizing)) if previous else ("This is the first plan.",),
        gap=sizing.gap,
        status=sizing.status,
    )


def explain_plan(
    snapshot: Snapshot, problem: SizingProblem, held: GuardedSizing, previous: Basis | None = None
) -> Explanation:
    """`explain` for the counts after the guards, with the binding guards, the forecasts in use and the binding safety floor."""
    counts = {c.option: c.after for c in held.sizing.counts}
    return replace(
        explain(problem, held.sizing, previous),
        standing=snapshot.standing,
        floor=binding_floor(problem, counts, snapshot.load_now, snapshot.latency_now_ms),
        guards=held.notes,
        forecast_note=snapshot.forecast_note,
    )


def binding_floor(
    problem: SizingProblem,
    counts: Mapping[str, int],
    measured: Mapping[str, float],
    latency_ms: Mapping[str, float],
) -> tuple[FloorExplained, ...]:
    """For each option where one instance less would break a class's safety floor: that class."""
    holding = {c.name for c in floor(problem, counts).classes if c.holds}
    found = []
    for option in problem.options:
        if counts[option.name] < 1:
            continue
        fewer = floor(problem, {**counts, option.name: counts[option.name] - 1})
        found += [
            FloorExplained(
                name=short.name,
                option=option.name,
                measured_rps=measured.get(short.name, 0.0),
                counted_rps=problem.load_now.get(short.name, 0.0),
                latency_ms=latency_ms.get(short.name),
            )
            for short in fewer.classes
            if short.name in holding and not short.holds
        ]
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Rung):
        return value.label
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tier(sizing: Sizing, tier: Tier) -> TierExplained:
    mine = [c for c in sizing.counts if c.tier is tier]
    return TierExplained(
        tier=tier,
        before=sum(c.before for c in mine),
        after=sum(c.after for c in mine),
        usd_before=sum(c.usd_before for c in mine),
        usd_after=sum(c.usd_after for c in mine),
        reason=sizing.reasons.get(tier, ""),
    )


def marginals(problem: SizingProblem, counts: Mapping[str, int]) -> tuple[Marginal, ...]:
    """The effect of one instance more and one less, for each option that is used or is the cheapest of its tier."""
    now, usd = _judge(problem, counts), usd_of(problem, counts)
    shares = {c.name: c.expected_share for c in now.classes}
    cheapest = {
        min((o for o in problem.options if o.tier is tier), key=lambda o: (o.usd_per_hour / o.vcpu, o.name)).name
        for tier in Tier
        if any(o.tier is tier for o in problem.options)
    }
    found = []
    for option in problem.options:
        if counts[option.name] == 0 and option.name not in cheapest:
            continue
        moved: dict[int, tuple[float, dict[str, float]] | None] = {}
        for step in (1, -1):
            trial = {**counts, option.name: counts[option.name] + step}
            moved[step] = None
            if trial[option.name] >= 0 and (step < 0 or fits(problem, trial)):
                judged = _judge(problem, trial)
                moved[step] = (usd_of(problem, trial) - usd, {c.name: c.expected_share for c in judged.classes})
        more, less = moved[1], moved[-1]
        reference = less or more
        found.append(
            Marginal(
                option=option.name,
                count=counts[option.name],
                usd_more=more[0] if more else None,
                usd_less=less[0] if less else None,
                share_now=shares,
                share_more=more[1] if more else None,
                share_less=less[1] if less else None,
                tightest=max(shares, key=lambda n: abs(reference[1][n] - shares[n])) if reference and shares else "",
            )
        )
    return tuple(found)


def _judge(problem: SizingProblem, counts: Mapping[str, int]) -> Assessment:
    return assess(problem.demand, supply_of(problem, counts), latency=False)
