"""How good forecasts were, in the field's measures; each function takes values (n,) and quantiles (n, levels).

Steps without a value count nothing. Formulas: weighted quantile loss = mean over levels of 2 Σ pinball / Σ|y|; coverage =
share of values inside the central interval; scaled interval score = mean of Gneiting & Raftery's (2007) interval score
over the mean seasonal difference; MASE = mean absolute error of the median over the same difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.series.loss import pinball

Floats = NDArray[np.float64]
#: Levels of the weighted quantile loss.
SCORED = (*(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
#: Central intervals whose coverage is reported, and the levels that bound them on `demand.LEVELS`.
INTERVALS = {0.5: (0.25, 0.75), 0.8: (0.1, 0.9), 0.9: (0.05, 0.95), 0.98: (0.01, 0.99)}


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Scores over `steps` steps; ratios are NaN where nothing came at all."""

    steps: int
    weighted_quantile_loss: float
    coverage: dict[float, float]
    scaled_interval_score: float
    mase: float


def accuracy(values: Floats, quantiles: Floats, season: int, history: Floats) -> Accuracy:
    """Scores of `quantiles` at `demand.LEVELS`; `history` (before the values) and `season` scale them."""
    seen = np.isfinite(values) & np.isfinite(quantiles).all(axis=1)
    y, q = values[seen], quantiles[seen]
    scale = seasonal_difference(history, season)
    middle = np.abs(y - q[:, LEVELS.index(0.5)])
    coverage, score = {}, np.nan
    for share, (low, high) in INTERVALS.items():
        lower, upper = q[:, LEVELS.index(low)], q[:, LEVELS.index(high)]
        coverage[share] = float(np.mean((y >= lower - 1e-9) & (y <= upper + 1e-9))) if len(y) else np.nan
        if share == 0.9 and len(y):
            outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
            score = float(np.mean(upper - lower + 2 / (1 - share) * outside))
    return Accuracy(
        steps=len(y),
        weighted_quantile_loss=weighted_quantile_loss(y, q, LEVELS),
        coverage=coverage,
        scaled_interval_score=score / scale if scale > 0 else np.nan,
        mase=float(middle.mean()) / scale if len(y) and scale > 0 else np.nan,
    )


def weighted_quantile_loss(values: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Mean over `SCORED` of 2 Σ pinball / Σ|y|; NaN where Σ|y| is zero."""
    total = float(np.abs(values).sum())
    if total <= 0:
        return np.nan
    columns = [list(levels).index(level) for level in SCORED]
    losses = pinball(values, quantiles[:, columns], np.array(SCORED))
    return float(np.mean(2 * losses.sum(axis=0) / total))


def seasonal_difference(history: Floats, season: int) -> float:
    """Mean |y_t − y_{t−season}| over the history; of one step where it is shorter; NaN where neither is known."""
    for lag in (season, 1):
        if lag > 0 and len(history) > lag:
            off = np.abs(history[lag:] - history[:-lag])
            if np.isfinite(off).any():
                return float(np.nanmean(off))
    return np.nan


def seasonal_naive(values: Floats, first: int, h: int, day: int) -> Floats:
    """(n − first, levels) forecasts of rows `first…n` made `h` steps before: the same time last week where the rows before
    `first` hold two weeks, else yesterday, plus empirical quantiles of that naive's errors before `first`.
    """
    season = 7 * day if first >= 14 * day else day
    lag = -(-h // season) * season
    before = values[: max(first, 0)]
    errors = before[lag:] - before[:-lag] if len(before) > lag else np.zeros(0)
    errors = errors[np.isfinite(errors)]
    spread = np.quantile(errors, LEVELS) if len(errors) else np.zeros(len(LEVELS))
    rows = np.arange(first, len(values)) - lag
    base = np.where(rows >= 0, values[np.maximum(rows, 0)], np.nan)
    return np.maximum(base[:, None] + spread[None, :], 0.0)
