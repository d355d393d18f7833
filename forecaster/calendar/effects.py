"""The effect of holidays and events on demand: a factor with an uncertainty, declared or learned from the past.

The rule: history is divided by the factors of its windows before it is modelled, and the forecast is multiplied by those of
its own.

- A learned factor is the geometric mean of demand over that at the same time of neighbouring weeks, shrunk towards 1 by half
  an occurrence.
- A holiday that never occurred in the history borrows from the others.
- An event without a past has factor 1 and wider intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from forecaster.calendar.clock import Window

Floats = NDArray[np.float64]
#: Standard deviation of the log factor: of one occurrence, of a kind that lends its factor, of the unknown.
SPREAD_ONE, SPREAD_BORROWED, SPREAD_UNKNOWN = 0.15, 0.3, 0.5
#: Share of a window's steps with a value and an expectation that makes it an occurrence.
USABLE_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Demand in a window is `factor` times the usual; `spread` is the standard deviation of its logarithm.

    `occasions` counts the past windows that it was learned from; `source` is "declared", "learned", "borrowed" (from
    others of its kind) or "unknown".
    """

    factor: float
    spread: float
    occasions: int
    source: str


def learned(values: Floats, index: pd.DatetimeIndex, past: Sequence[Window], week: int) -> dict[str, Effect]:
    """Effects of one series by the windows' names, and under "kind:…" of all windows of a kind.

    `values` (n,) requests per step of `index` (UTC), NaN where missing; `past` windows inside it; `week` steps in a
    week. Windows with a declared effect are not learned.
    """
    busy = np.zeros(len(index), dtype=bool)
    places = [(w, _steps(w, index)) for w in past]
    for _, steps in places:
        busy[steps] = True
    usual = np.where(busy, np.nan, values)
    logs: dict[str, list[float]] = {}
    for window, steps in places:
        if window.effect is not None:
            continue
        ratio = _ratio(values, usual, steps, week)
        if ratio is not None:
            logs.setdefault(window.name, []).append(ratio)
            logs.setdefault(f"kind:{window.kind}", []).append(ratio)
    return {name: _effect(np.array(found), name) for name, found in sorted(logs.items())}


def _steps(window: Window, index: pd.DatetimeIndex) -> slice:
    begin, end = index.searchsorted([pd.Timestamp(window.start), pd.Timestamp(window.end)])
    return slice(int(begin), int(end))


def _ratio(values: Floats, usual: Floats, steps: slice, week: int) -> float | None:
    """Log of demand in the window over the median of the same times one to four weeks before and after."""
    rows = np.arange(steps.start, steps.stop)
    if week <= 0 or not len(rows):
        return None
    shifts = np.concatenate((np.arange(-4, 0), np.arange(1, 5))) * week
    near = rows[:, None] + shifts[None, :]
    inside = (near >= 0) & (near < len(usual))
    around = np.where(inside, usual[np.clip(near, 0, len(usual) - 1)], np.nan)
    known = np.isfinite(values[rows]) & np.isfinite(around).any(axis=1)
    if known.mean() < USABLE_SHARE:
        return None
    expected = float(np.nanmedian(around[known], axis=1).sum())
    came = float(values[rows][known].sum())
    if expected <= 0:
        return None
    # Half an event on both sides keeps the logarithm finite where nothing came.
    return float(np.log((came + 0.5) / (expected + 0.5)))


def _effect(logs: Floats, name: str) -> Effect:
    count = len(logs)
    shrunk = float(logs.mean()) * count / (count + 0.5)
    spread = SPREAD_ONE if count < 3 else max(float(logs.std(ddof=1)), 0.05)
    source = "borrowed" if name.startswith("kind:") else "learned"
    return Effect(factor=float(np.exp(shrunk)), spread=spread, occasions=count, source=source)


def effect_of(window: Window, known: Mapping[str, Effect]) -> Effect:
    """The effect of a window: declared, learned under its name, borrowed from its kind, or unknown."""
    if window.effect is not None:
        return Effect(factor=window.effect, spread=0.0, occasions=0, source="declared")
    if window.name in known:
        return known[window.name]
    # One event says nothing about another; one holiday does about the next.
    kind = known.get(f"kind:{window.kind}") if window.kind == "holiday" else None
    if kind is not None:
        spread = max(kind.spread, SPREAD_BORROWED)
        return Effect(factor=kind.factor, spread=spread, occasions=kind.occasions, source="borrowed")
    return Effect(factor=1.0, spread=SPREAD_UNKNOWN, occasions=0, source="unknown")


def factors(windows: Sequence[Window], known: Mapping[str, Effect], index: pd.DatetimeIndex) -> tuple[Floats, Floats]:
    """(n,) factor and (n,) spread of the steps in `index`; windows that overlap multiply, their variances add."""
    factor, variance = np.ones(len(index)), np.zeros(len(index))
    for window in windows:
        effect, steps = effect_of(window, known), _steps(window, index)
        factor[steps] *= effect.factor
        variance[steps] += effect.spread**2
    return factor, np.sqrt(variance)


def applied(quantiles: Floats, levels: Sequence[float], factor: Floats, spread: Floats) -> Floats:
    """`quantiles` (horizon, levels) times the factors (horizon,), wider by the factors' own uncertainty (horizon,).

    On the log scale each quantile's distance from the median grows to √(d² + (spread · z)²): the sum of two independent
    normal deviations; exact for log-normal forecasts.
    """
    grid = np.asarray(levels)
    z = norm.ppf(grid)
    moved = quantiles * factor[:, None]
    middle = int(np.argmin(np.abs(grid - 0.5)))
    median = moved[:, middle : middle + 1]
    wide = (spread > 0) & (median[:, 0] > 0)
    if wide.any():
        with np.errstate(divide="ignore"):
            distance = np.log(np.maximum(moved[wide], 1e-9) / median[wide])
        stretched = np.sign(z) * np.sqrt(distance**2 + (spread[wide, None] * z) ** 2)
        moved[wide] = median[wide] * np.exp(stretched)
    return np.maximum.accumulate(np.maximum(moved, 0.0), axis=1)
