"""The counts that knowing the demand would have taken: what regret is measured against. Pure.

An approximation, on purpose the plan's own program: every step is sized for its realised demand (one path, one step, a
certain demand section) from the counts of the step before, under the same bounds, budget and prices, and pays the same
boots. Boots never make it late, because it starts in time. In each step it may leave the promised share or the obtained
share unserved, whichever is larger. That is a share per step, not of the whole stretch, so it costs a little more than the
true optimum. No spot instance is interrupted, which costs a little less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reconciler.backtest.replay import FleetReplay, usd
from reconciler.sizing import SizingProblem, size
from reconciler.sizing.safety_floor import floor_demand

#: Shares of a class's demand section that foresight replaces.
_SHARES = ("promised_share", "allowed_share")


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """Counts by option per step, and USD per step."""

    counts: tuple[Mapping[str, int], ...]
    usd: tuple[float, ...]


def foresight(walked: FleetReplay, shares: Mapping[str, float]) -> Foresight:
    """Size every step for the demand that arrived; `shares` by class may go unserved in each.

    Steps whose demand is not known keep the counts of the step before.
    """
    counts: dict[str, int] = {o.name: 0 for o in walked.options}
    all_counts: list[Mapping[str, int]] = []
    spent: list[float] = []
    for step, problem in zip(walked.steps, walked.problems, strict=True):
        now = dict(counts)
        if step.rates:
            answer = size(_certain(problem, step.rates, counts, shares), gap=0.005)
            now = {c.option: c.after for c in answer.counts}
        boots = {
            o.name: max(now[o.name] - counts[o.name], 0) * o.boot_seconds / problem.demand.step_seconds
            for o in walked.options
        }
        all_counts.append(now)
        spent.append(usd(problem, now, boots))
        counts = now
    return Foresight(counts=tuple(all_counts), usd=tuple(spent))


def _certain(
    problem: SizingProblem, rates: Mapping[str, float], counts: Mapping[str, int], shares: Mapping[str, float]
) -> SizingProblem:
    """The problem of one step with its demand known and nothing to be careful about."""
    section = floor_demand(problem.demand, rates)
    classes = {
        name: wanted.model_copy(update=dict.fromkeys(_SHARES, min(max(shares[name], 1e-6), 0.999)))
        for name, wanted in section.classes.items()
    }
    path = np.array([[[rates.get(name, 0.0)] for name in classes]])
    return replace(
        problem,
        demand=section.model_copy(update={"classes": classes}),
        paths=path,
        window=1,
        options=tuple(
            # Started before the step that needs it, so ready in it; what it cost to boot is billed by the caller.
            replace(o, observed=counts[o.name], ready=None, interruption=0.0, boot_seconds=0.0)
            for o in problem.options
        ),
        load_now={},
        first_run=False,
        keep_observed=frozenset(),
        hysteresis=0.0,
        switch_seconds=0.0,
        horizon_share={},
        time_limit_s=5.0,
    )
