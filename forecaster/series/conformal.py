"""From point forecasts to calibrated quantiles, and keeping them calibrated.

- `dress` gives a model's prequential forecasts quantiles from its own past errors, divided by a scale that is predicted
  for the step (time of day, level, recent errors). This is normalised split conformal prediction, with the finite-sample
  order statistic ceil((n + 1)q) where n ≥ 1/(1 - q) - 1 and a generalised Pareto tail where not.
- `recalibrate` moves the level at which the quantile function is read, so that each level is undershot as often as it
  should be, under drift as well (adaptive conformal inference, Gibbs and Candès 2021; quantile tracking, Angelopoulos et
  al. 2023).

Everything is known h steps late: a residual of step t first counts for forecasts of steps ≥ t + h.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster.models.base import Stretch
from forecaster.models.features import blocks, causal_fill, ewma, read_at, seasonal_ewma, shifted, whole_seasons
from forecaster.models.ridge import normal_equations
from forecaster.series.tail import PRIOR_SHAPE, tail_quantiles

Floats = NDArray[np.float64]
#: Residuals that a quantile is taken from at most: the newest ones.
WINDOW = 4000
#: Fewer normalised residuals than this say nothing about a quantile.
FEWEST = 20
#: Share of the width of its 90 % interval within which a value counts as lying on a quantile.
ON_IT = 0.005
#: What any row moves the levels of all loads by, beside its own third's; the newest rows that thirds of the load are told by,
#: and the fewest, after which they are told again.
COMMON, LOADS, FEW_LOADS = 0.5, 3000, 50


def order_statistics(residuals: Floats, levels: Floats, usual: float = PRIOR_SHAPE) -> Floats:
    """Quantiles (levels,) of `residuals` (n,), in any order, with the finite-sample correction, away from the median on both sides.

    Upper levels read the order statistic (n + 1)·q, lower ones by symmetry; between two the value is interpolated.
    Levels that n cannot support come from the tail distribution; the upper one's shape is shrunk to the `usual` one, the
    lower one's to the declared one.
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
            outwards = ordered if sign > 0 else -ordered[::-1]
            tail = sign * tail_quantiles(outwards, far[short], usual if sign > 0 else PRIOR_SHAPE)
            out[short] = np.maximum(out[short], tail) if sign > 0 else np.minimum(out[short], tail)
    return np.asarray(np.maximum.accumulate(out))


def predicted_scale(errors: Floats, stretch: Stretch, h: int) -> Floats:
    """Expected absolute error (k,) of the asked steps, from what was known h steps before; `errors` (n,) NaN where unknown.

    A small regression on fast and slow running means of the absolute errors, their mean at the same time of day and the
    level of the series there; never below a seventh of the slow mean.
    """
    rows, n = stretch.asked(h), len(stretch)
    m = n + h
    seen = np.isfinite(errors)
    if not seen.any():
        return np.full(len(rows), np.nan)
    size = np.abs(errors)
    # Only errors that every dressed row knows: a row is dressed once FEWEST of them are known, and not before.
    start = float(np.median(size[seen][:FEWEST]))
    flat = causal_fill(size, start=start)
    slow = shifted(ewma(flat, 0.005), h, m)[rows]
    columns = [shifted(ewma(flat, 0.15), h, m), shifted(ewma(flat, 0.02), h, m)]
    if day := stretch.day:
        lag = whole_seasons(day, h)
        level = stretch.once("daily level", lambda: seasonal_ewma(stretch.values, day, 0.2))
        columns += [shifted(seasonal_ewma(flat, day, 0.15), lag, m), shifted(level, lag, m)]
    past = rows[rows < n]
    equations = normal_equations(
        np.column_stack([column[rows] for column in columns]), flat[past], seen[past], rows, n, h, refit=stretch.refit
    )
    # Errors h steps ahead overlap, so there are about n/h independent ones: the penalty grows with h.
    scale = equations.forecasts(30.0 * h / stretch.stride(h))
    scale = np.where(np.isfinite(scale), scale, slow)
    return np.asarray(np.maximum(scale, 0.15 * slow + 1e-9 * (1 + np.abs(start))))


def normalised(point: Floats, stretch: Stretch, h: int) -> tuple[Floats, Floats]:
    """Past errors over their predicted scale (asked past rows,), NaN where unknown, and that scale (asked rows,)."""
    rows, n = stretch.asked(h), len(stretch)
    errors = np.where(stretch.observed, stretch.values - point[:n], np.nan)
    scale = predicted_scale(errors, stretch, h)
    past = rows[rows < n]
    return errors[past] / scale[: len(past)], scale


def dress(point: Floats, stretch: Stretch, h: int, levels: Floats, usual: float = PRIOR_SHAPE) -> Floats:
    """Quantiles (k, levels) of `stretch.asked(h)` around prequential forecasts `point` (n + h,), in the stretch's scale.

    Rows are NaN until FEWEST residuals are known; `usual` is the shape that far upper tails are shrunk to.
    """
    rows, n = stretch.asked(h), len(stretch)
    normal, scale = normalised(point, stretch, h)
    fine = np.isfinite(normal)
    counted, kept = np.concatenate([[0], np.cumsum(fine)]), normal[fine]
    out = np.full((len(rows), len(levels)), np.nan)
    for part, known in blocks(rows, n, h, stretch.refit):
        last = int(counted[known])
        if last < FEWEST:
            continue
        unit = order_statistics(kept[max(0, last - WINDOW) : last], levels, usual)
        out[part] = point[rows[part], None] + scale[part, None] * unit[None, :]
    return out


def recalibrate(quantiles: Floats, stretch: Stretch, h: int, levels: Floats, *, rate: float, block: int) -> Floats:
    """Quantiles (k, levels) read at levels that adapt so that each is undershot as often as its name says.

    `quantiles` (k, levels) are the mix's of `stretch.asked(h)`, in requests, as the stretch is.

    - The level that is read moves by `rate`·(level - share undershot) per known row, at most four fifths of the way to 0 or
      1. It is held for `block` steps.
    - Each third of the load (by the median among the newest known rows) has its own: its own rows move it in full, all rows
      by `COMMON` as well.
    - A value that lies on a quantile moves nothing. Where demand repeats exactly many levels have the same quantile, and a
      hit there does not say which level it was.
    """
    values, observed, rows = stretch.values, stretch.observed, stretch.asked(h)
    read = np.tile(levels, (3, 1))
    low, high = 0.2 * levels, 1 - 0.2 * (1 - levels)
    inner = np.minimum(np.searchsorted(levels, [0.05 - 1e-9, 0.95 - 1e-9]), len(levels) - 1)
    load = quantiles[:, int(np.argmin(np.abs(levels - 0.5)))]
    edges = np.array([-np.inf, np.inf])
    out = np.array(quantiles)
    taken, due = 0, FEW_LOADS
    for part, upto in blocks(rows, len(values), h, block):
        if upto > taken:
            new = rows[taken:upto]
            fine = observed[new] & np.isfinite(out[taken:upto, 0])
            if fine.any():
                made = out[taken:upto][fine]
                above = made - values[new][fine][:, None]
                near = ON_IT * (made[:, inner[1]] - made[:, inner[0]])[:, None] + 1e-9
                moves = levels - np.where(np.abs(above) <= near, levels, above > 0)
                third = np.searchsorted(edges, load[taken:upto][fine])
                own = np.zeros((3, len(levels)))
                np.add.at(own, third, moves)
                read = np.clip(read + rate * (own + COMMON * own.sum(axis=0)), low, high)
            taken = upto
            if taken >= due:
                past = load[max(0, taken - LOADS) : taken]
                past = past[np.isfinite(past)]
                edges = np.quantile(past, [1 / 3, 2 / 3]) if len(past) >= FEW_LOADS else edges
                due = taken + FEW_LOADS
        if bool((np.abs(read - levels) < 1e-9).all()):
            continue
        third = np.searchsorted(edges, load[part])
        made = quantiles[part].copy()
        for k in set(third.tolist()):
            here = third == k
            made[here] = read_at(made[here], levels, np.maximum.accumulate(read[k]))
        out[part] = made
    return out
