"""What a forecast is worth: the field's measures, each a pure function of truth and quantiles.

Truth is (n,), quantiles (n, levels) on `GRID`. The weighted quantile loss is the mean over `SCORED` only: 0.05 to 0.95 by
0.05 and 0.99; 0.01 is there for the 98 % interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.series.loss import pinball

Floats = NDArray[np.float64]
#: Levels that every contender states.
GRID: tuple[float, ...] = (0.01, *(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
#: Columns of GRID that the loss is the mean of.
SCORED = np.arange(1, len(GRID))
#: Central intervals whose coverage is reported: share and the levels of their ends.
INTERVALS = {"50": (0.25, 0.75), "80": (0.1, 0.9), "90": (0.05, 0.95), "98": (0.01, 0.99)}


def at(level: float) -> int:
    """Column of a level of GRID."""
    return GRID.index(level)


def weighted_quantile_loss(truth: Floats, quantiles: Floats) -> float:
    """Mean over SCORED of 2 · Σ pinball / Σ|y|; NaN where all truth is zero."""
    total = float(np.abs(truth).sum())
    if total == 0:
        return float("nan")
    return float(2 * pinball(truth, quantiles, np.asarray(GRID))[:, SCORED].sum(axis=0).mean() / total)


def inside(truth: Floats, quantiles: Floats, ends: tuple[float, float]) -> NDArray[np.bool_]:
    """(n,) True where the truth lies within the interval, ends included."""
    return np.asarray((truth >= quantiles[:, at(ends[0])]) & (truth <= quantiles[:, at(ends[1])]))


def seasonal_error(history: Floats, season: int) -> float:
    """Mean absolute difference to a season before over `history`: what MASE and the interval score are scaled by."""
    return float(np.abs(history[season:] - history[:-season]).mean()) if len(history) > season else float("nan")


def interval_score(truth: Floats, quantiles: Floats) -> float:
    """Mean score of the central 90 % interval: width + 2/α · how far the truth lies outside (Gneiting & Raftery 2007)."""
    low, high = quantiles[:, at(0.05)], quantiles[:, at(0.95)]
    missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return float(np.mean(high - low + 2 / 0.1 * missed))


def energy_score(truth: Floats, paths: Floats) -> float:
    """Energy score of sample paths (m, h) against truth (h,): mean‖X - y‖ - ½ mean‖X - X'‖ over pairs of differing paths."""
    count = len(paths)
    spread = np.linalg.norm(paths[:, None] - paths[None], axis=2).sum() / (count * (count - 1)) if count > 1 else 0.0
    return float(np.linalg.norm(paths - truth, axis=1).mean() - spread / 2)


def terciles(median: Floats) -> NDArray[np.int64]:
    """(n,) 0, 1, 2: third of the *forecast* median; thirds of the truth would be under-covered by selection."""
    return np.searchsorted(np.quantile(median, [1 / 3, 2 / 3]), median, side="left")


def measured(truth: Floats, quantiles: Floats, scale: float, hours: NDArray[np.int64]) -> dict[str, float]:
    """All measures of one contender on one series; `scale` from `seasonal_error`, `hours` (n,) hour of day of each step.

    `hour_distance` and `tercile_distance`: mean and largest |coverage of 90 % - 0.9| over hours of day and load terciles.
    """
    out = {"steps": float(len(truth)), "wql": weighted_quantile_loss(truth, quantiles)}
    out |= {f"coverage{name}": float(inside(truth, quantiles, ends).mean()) for name, ends in INTERVALS.items()}
    usable = scale if scale > 0 else float("nan")
    out["scaled_interval_score"] = interval_score(truth, quantiles) / usable
    out["mase"] = float(np.abs(truth - quantiles[:, at(0.5)]).mean()) / usable
    hit = pd.Series(inside(truth, quantiles, INTERVALS["90"]), dtype=float)
    by_hour = hit.groupby(hours).mean()
    by_load = hit.groupby(terciles(quantiles[:, at(0.5)])).mean()
    out["hour_distance"] = float((by_hour - 0.9).abs().mean())
    out["tercile_distance"] = float((by_load - 0.9).abs().max())
    return out


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of the finite ones; NaN without any. A ratio of zero counts as 0.001."""
    kept = [max(v, 1e-3) for v in values if np.isfinite(v)]
    return float(np.exp(np.mean(np.log(kept)))) if kept else float("nan")


def clustered(values: Sequence[float], sources: Sequence[str], *, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the geometric mean from a bootstrap that draws whole sources; NaN with fewer than two sources."""
    kept = [(float(np.log(max(v, 1e-3))), s) for v, s in zip(values, sources, strict=True) if np.isfinite(v)]
    names = sorted({s for _, s in kept})
    if len(names) < 2:
        return float("nan"), float("nan")
    sums = np.array([[sum(v for v, s in kept if s == name), sum(s == name for _, s in kept)] for name in names])
    drawn = sums[np.random.default_rng(0).integers(0, len(names), (draws, len(names)))].sum(axis=1)
    low, high = np.exp(np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975]))
    return float(low), float(high)
