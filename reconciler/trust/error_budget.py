"""The error budget of a class, and how much of it a plan may use. Pure.

A promise limits the share of a class's requests that are late over weeks, not in every hour. Promised share × volume is the
class's error budget.

- One risk p is used for all steps. The cheapest way to keep Σ E[(d − s)⁺] ≤ ε Σ E[d] over steps of equal price has every s
  at the same quantile 1 − p of its step.
- p is the largest risk with which past misses and the misses expected in the weeks ahead stay within ε.
- The forecast covers its horizon. The past covers the rest: each past step counts, at every risk, with what it would have
  missed. If misses are too rare to estimate this, it counts with what its forecast expected.
- The plan's allowed share follows from p. It is above ε in a quiet hour with a long tail, and below ε in a busy and certain
  one. It never exceeds `MOST_SHARE` × ε, and p never exceeds `MOST_RISK`.
- The rule is that of `pacing` (online risk control, Angelopoulos et al. 2022). The budget has no end date, and no data is
  used that is younger than the decision.
- The overspent budget of a fleet is paid back over the same weeks as unspent budget expires. One event counts up to a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reconciler.trust.pacing import PromisePace, bounded, expected_rate, last_holding

Floats = NDArray[np.float64]

#: The allowed share is at most this many times the promised one, and the risk of a step at most `MOST_RISK`: below the
#: policies' bound on risk, so that they never refuse what the sizing makes.
MOST_SHARE, MOST_RISK = 4.0, 0.2
#: How a fleet's promise is kept, as its figures were measured (docs/sizing.md); not what one pool was tuned to since.
FLEET = PromisePace(model_weight=50.0, least=0.3)
#: Risks that are compared, ascending.
RISKS: Floats = np.geomspace(5e-4, MOST_RISK, 40)
_NONE = (0.0,) * len(RISKS)
_PER_RISK = ("missed", "hits", "foreseen")


@dataclass(frozen=True, kw_only=True)
class ErrorBudget:
    """Error budget of a class over its past steps, each weighing half as much after `Pace.half_days`.

    Attributes:
        weight: steps.
        volume: requests/s, summed over the steps.
        missed: at each of `RISKS` the requests/s that it would have left unserved.
        hits: at each of `RISKS` the steps in which it would have left some unserved.
        foreseen: at each of `RISKS` the requests/s that the forecasts expected to be left unserved.
        total: promised share × volume, requests/s: the budget.
        spent: requests/s left unserved in fact.
    """

    weight: float = 0.0
    volume: float = 0.0
    missed: tuple[float, ...] = _NONE
    hits: tuple[float, ...] = _NONE
    foreseen: tuple[float, ...] = _NONE
    total: float = 0.0
    spent: float = 0.0


@dataclass(frozen=True, kw_only=True)
class AllowedShares:
    """The risk of every step, and the shares of requests that may be late with it: in this plan, over the horizon."""

    risk: float
    window: float
    horizon: float


def after_step(
    budget: ErrorBudget,
    *,
    demand: float,
    levels: Sequence[float],
    forecast: Sequence[float],
    missed: float,
    promised_share: float,
    steps_per_day: float,
    pace: PromisePace | None = None,
) -> ErrorBudget:
    """The error budget with one more step that has ended.

    Args:
        demand, missed: requests/s that arrived, and of these not served in time.
        levels, forecast: quantiles of the step's demand as they were forecast, ascending.
        promised_share: of the class.
    """
    pace = pace or FLEET
    forget = 0.5 ** (1 / (pace.half_days * steps_per_day))
    weight, volume = forget * budget.weight + 1, forget * budget.volume + demand
    # One catastrophe of the past counts up to a bound: no sane fleet would have served it.
    most = pace.event_bound(promised_share, steps_per_day, volume / weight)
    supply, expected = _at_risks(np.asarray(levels, float), np.asarray(forecast, float))
    short = np.maximum(demand - supply, 0.0)
    return ErrorBudget(
        weight=weight,
        volume=volume,
        missed=tuple(forget * np.array(budget.missed) + np.minimum(short, most)),
        hits=tuple(forget * np.array(budget.hits) + (short > 0)),
        foreseen=tuple(forget * np.array(budget.foreseen) + bounded(supply, expected, most)),
        spent=forget * budget.spent + min(missed, most),
        total=forget * budget.total + promised_share * demand,
    )


@dataclass(frozen=True, kw_only=True)
class HorizonDemand:
    """What the error budget reads of a class's sample paths, the plan's first step first.

    Attributes:
        steps: of the horizon.
        volume: mean requests/s, summed over the steps.
        expected: at each of `RISKS` the mean requests/s above the quantile 1 − risk, summed over the steps.
        peak: mean requests/s of the largest step that the plan is for.
        peak_expected: at each of `RISKS` the mean requests/s of that step above its quantile 1 − risk.
    """

    steps: int
    volume: float
    expected: tuple[float, ...]
    peak: float
    peak_expected: tuple[float, ...]


def horizon_demand(paths: Floats, *, window: int) -> HorizonDemand:
    """The same of paths (paths, horizon) requests/s; `window`: steps that the plan is for."""
    peaks = paths[:, :window].max(axis=1, keepdims=True)
    return HorizonDemand(
        steps=paths.shape[1],
        volume=float(paths.mean(axis=0).sum()),
        expected=tuple(_expected(paths).sum(axis=1).tolist()),
        peak=float(peaks.mean()),
        peak_expected=tuple(_expected(peaks)[:, 0].tolist()),
    )


def allowed_shares(
    budget: ErrorBudget,
    ahead: HorizonDemand,
    *,
    promised_share: float,
    steps_per_day: float,
    pace: PromisePace | None = None,
) -> AllowedShares:
    """The shares of one class's requests that the plan of the next steps may miss.

    Args:
        budget: of the class; empty on a first run, when only the horizon is looked at.
        ahead: of the class's sample paths.
        promised_share: of the class.
    """
    pace = pace or FLEET
    volume = ahead.volume
    if volume <= 0:
        return AllowedShares(risk=MOST_RISK, window=promised_share, horizon=promised_share)
    expected = np.array(ahead.expected)
    # The past stands for no more of the time ahead than was seen of it.
    rest = max(min(pace.ahead_days * steps_per_day - ahead.steps, budget.weight), 0.0)
    if rest > 0:
        missed, hits, foreseen = (np.array(values) for values in (budget.missed, budget.hits, budget.foreseen))
        expected = expected + rest / budget.weight * expected_rate(missed, hits, foreseen, pace.model_weight)
        volume += rest / budget.weight * budget.volume
    promise = (1 - pace.caution) * (budget.total + promised_share * volume)
    holds = (budget.spent + expected <= promise) & (expected <= pace.most * promised_share * volume)
    place = max(last_holding(holds), last_holding(expected <= pace.least * promised_share * volume))
    share = ahead.peak_expected[place] / ahead.peak if ahead.peak > 0 else promised_share
    return AllowedShares(
        risk=float(RISKS[place]),
        window=min(max(share, 1e-6), MOST_SHARE * promised_share, 0.99),
        horizon=min(max(ahead.expected[place] / ahead.volume, 1e-6), 0.99),
    )


def to_json(budget: ErrorBudget) -> dict[str, Any]:
    """Plain values to keep between runs."""
    return {
        "weight": budget.weight,
        "volume": budget.volume,
        **{key: [float(f"{v:.6g}") for v in getattr(budget, key)] for key in _PER_RISK},
        "spent": budget.spent,
        "total": budget.total,
    }


def from_json(raw: Any) -> ErrorBudget:
    """The error budget that `to_json` wrote. Raises ValueError, KeyError or TypeError where it is none."""
    rows = {key: tuple(float(v) for v in raw[key]) for key in _PER_RISK}
    if any(len(row) != len(RISKS) for row in rows.values()):
        raise ValueError("an error budget over other risks")
    return ErrorBudget(
        weight=float(raw["weight"]),
        volume=float(raw["volume"]),
        missed=rows["missed"],
        hits=rows["hits"],
        foreseen=rows["foreseen"],
        spent=float(raw["spent"]),
        total=float(raw["total"]),
    )


def _expected(paths: Floats) -> Floats:
    """(risks, steps) mean over paths (paths, steps) of what lies above each step's quantile 1 − risk."""
    levels = np.quantile(paths, 1 - RISKS, axis=0)
    return np.stack([np.maximum(paths - level, 0.0).mean(axis=0) for level in levels])


def _at_risks(levels: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Quantiles 1 − p and E[(d − quantile)⁺] at `RISKS`; between levels and beyond the last the tail is exponential."""
    depth, wanted = -np.log(np.maximum(1 - levels, 1e-9)), -np.log(RISKS)
    slope = (values[-1] - values[-2]) / (depth[-1] - depth[-2]) if len(values) > 1 else 0.0
    inside = np.interp(wanted, depth, values)
    supply = np.where(wanted > depth[-1], values[-1] + slope * (wanted - depth[-1]), inside)
    # d E[(d − s)⁺] / ds = −p: summed up from the far tail, which is exponential beyond the first risk.
    first = RISKS[0] * slope
    parts = -np.diff(supply) * (RISKS[1:] + RISKS[:-1]) / 2
    return supply, np.concatenate([[first], first + np.cumsum(parts)])
