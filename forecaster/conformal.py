"""From point forecasts to calibrated quantiles, and keeping them calibrated.

`dress` gives a model's prequential forecasts quantiles from its own past errors, divided by a scale that is predicted
for the step (time of day, level, recent errors): normalised split conformal prediction, with the finite-sample order
statistic ceil((n + 1)q) where n ≥ 1/(1 - q) - 1 and a generalised Pareto tail where not. `recalibrate` then moves the
level at which the quantile function is read so that each level is undershot as often as it should, under drift as well
(adaptive conformal inference, Gibbs and Candès 2021; quantile tracking, Angelopoulos et al. 2023).
Everything is known h steps late: a residual of step t first counts for forecasts of steps ≥ t + h.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster.features import ewma, seasonal_ewma, shifted, whole_seasons
from forecaster.models.base import Stretch
from forecaster.models.direct import prequential_ridge
from forecaster.tail import PRIOR_SHAPE, tail_quantiles

Floats = NDArray[np.float64]
#: Residuals that a quantile is taken from at most: the newest ones.
WINDOW = 4000
#: Fewer normalised residuals than this say nothing about a quantile.
FEWEST = 20


def order_statistics(residuals: Floats, levels: Floats, *, prior_shape: float = PRIOR_SHAPE) -> Floats:
    """Quantiles (levels,) of `residuals` (n,) with the finite-sample correction, away from the median on both sides.

    Upper levels read the order statistic (n + 1)·q, lower ones by symmetry; between two the value is interpolated.
    Levels that n cannot support come from the tail distribution.
    """
    n = len(residuals)
    ordered = np.sort(residuals)
    position = np.clip((n + 1) * levels - 1, 0, n - 1)
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, n - 1)
    out = np.asarray(ordered[below] + (position - below) * (ordered[above] - ordered[below]))
    for sign, far in ((1.0, levels), (-1.0, 1 - levels)):
        short = (far > 0.95 + 1e-9) & (n < 1 / (1 - far) - 1)
        if short.any():
            tail = sign * tail_quantiles(sign * residuals, far[short], prior_shape=prior_shape)
            out[short] = np.maximum(out[short], tail) if sign > 0 else np.minimum(out[short], tail)
    return np.asarray(np.maximum.accumulate(out))


def predicted_scale(errors: Floats, stretch: Stretch, h: int) -> Floats:
    """Expected absolute error (n + h,) of the step, from what was known h steps before.

    A small regression on fast and slow running means of the absolute errors, their mean at the same time of day and the
    level of the series there; never below a seventh of the slow mean.
    """
    m = len(stretch) + h
    seen = np.isfinite(errors)
    if not seen.any():
        return np.full(m, np.nan)
    size = np.abs(errors)
    # Only errors that every dressed row knows: a row is dressed once FEWEST of them are known, and not before.
    start = float(np.median(size[seen][:FEWEST]))
    flat = _carried(np.where(seen, size, np.nan), start)
    slow = shifted(ewma(flat, 0.005), h, m)
    columns = [shifted(ewma(flat, 0.15), h, m), shifted(ewma(flat, 0.02), h, m)]
    if stretch.day:
        lag = whole_seasons(stretch.day, h)
        columns += [shifted(seasonal_ewma(flat, stretch.day, 0.15), lag, m)]
        columns += [shifted(seasonal_ewma(stretch.values, stretch.day, 0.2), lag, m)]
    # Errors h steps ahead overlap, so there are about n/h independent ones: the penalty grows with h.
    scale = prequential_ridge(np.column_stack(columns), flat, seen, h, refit=stretch.refit, penalty=30.0 * h)
    scale = np.where(np.isfinite(scale), scale, slow)
    return np.asarray(np.maximum(scale, 0.15 * slow + 1e-9 * (1 + np.abs(start))))


def _carried(values: Floats, start: float) -> Floats:
    """`values` with gaps filled by the last finite value, `start` before the first."""
    rows = np.where(np.isfinite(values), np.arange(len(values)), -1)
    last = np.maximum.accumulate(rows)
    return np.where(last >= 0, values[np.maximum(last, 0)], start)


def dress(point: Floats, stretch: Stretch, h: int, levels: Floats, *, prior_shape: float = PRIOR_SHAPE) -> Floats:
    """Quantiles (n + h, levels) around prequential forecasts `point` (n + h,), in the stretch's scale.

    Rows are NaN until FEWEST residuals are known.
    """
    n, m = len(stretch), len(stretch) + h
    errors = np.where(stretch.observed, stretch.values - point[:n], np.nan)
    scale = predicted_scale(errors, stretch, h)
    normal = errors / scale[:n]
    rows = np.flatnonzero(np.isfinite(normal))
    out = np.full((m, len(levels)), np.nan)
    for begin in range(0, m, stretch.refit):
        known = int(np.searchsorted(rows, begin - h + 1))
        if known < FEWEST:
            continue
        near = normal[rows[max(0, known - WINDOW) : known]]
        block = slice(begin, min(begin + stretch.refit, m))
        unit = order_statistics(near, levels, prior_shape=prior_shape)
        out[block] = point[block, None] + scale[block, None] * unit[None, :]
    return out


def recalibrate(
    quantiles: Floats, values: Floats, observed: NDArray[np.bool_], h: int, levels: Floats, *, rate: float, block: int
) -> Floats:
    """Quantiles (n + h, levels) read at levels that adapt so that each is undershot as often as its name says.

    `quantiles` are the mix's, `values` (n,) the truth, both in requests. The level that is read moves by
    `rate`·(level - share undershot) per known step, at most four fifths of the way to 0 or 1; it is held for `block`
    steps.
    """
    m = len(quantiles)
    n = m - h
    read = levels.copy()
    low, high = 0.2 * levels, 1 - 0.2 * (1 - levels)
    out = np.array(quantiles)
    taken = 0
    for begin in range(0, m, block):
        upto = min(max(begin - h + 1, 0), n)
        if upto > taken:
            rows = slice(taken, upto)
            fine = observed[rows] & np.isfinite(out[rows, 0])
            if fine.any():
                under = (values[rows][fine][:, None] <= out[rows][fine]).sum(axis=0)
                read = np.clip(read + rate * (levels * fine.sum() - under), low, high)
            taken = upto
        part = slice(begin, min(begin + block, m))
        if bool((np.abs(read - levels) < 1e-9).all()):
            continue
        out[part] = _read_at(quantiles[part], levels, np.maximum.accumulate(read))
    return out


def _read_at(quantiles: Floats, levels: Floats, wanted: Floats) -> Floats:
    """The quantile functions (rows, levels) at the `wanted` levels, linear between and flat beyond the known ones."""
    right = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    left = right - 1
    share = np.clip((wanted - levels[left]) / (levels[right] - levels[left]), 0.0, 1.0)
    return np.asarray(quantiles[:, left] + share * (quantiles[:, right] - quantiles[:, left]))
