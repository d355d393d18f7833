"""Joint sample paths that keep the calibrated marginals.

Schaake shuffle (Clark et al. 2004): dependence over steps and applications is copied from history as joint ranks, the
marginals from the forecast. What is ranked are past forecasts' errors as levels (probability integral transforms), not
past demand: daily shape is in the marginals already.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Newest origins whose errors tie the steps of joint paths together: forty days of hours are plenty, memory stays flat.
#: Of series in fine steps only every few origins count, so the same number reaches back weeks.
KEPT_ORIGINS = 1000


def levels_of(values: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """Probability integral transform (n,): the level at which each value lies in its row of `quantiles` (n, levels)."""
    rising = quantiles + 1e-12 * np.arange(len(levels))
    above = (rising < values[:, None]).sum(axis=1)
    right = np.clip(above, 1, len(levels) - 1)
    rows = np.arange(len(values))
    low, high = rising[rows, right - 1], rising[rows, right]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip((values - low) / (high - low), 0.0, 1.0)
    out = levels[right - 1] + share * (levels[right] - levels[right - 1])
    out[~(np.isfinite(values) & np.isfinite(quantiles).all(axis=1))] = np.nan
    return np.asarray(out)


def error_levels(
    truth: Floats,
    forecasts: Sequence[tuple[int, Floats]],
    horizon: int,
    levels: Floats,
    *,
    stride: int = 1,
    newest: int | None = None,
) -> Floats:
    """(origins, horizon): at which level of its forecast each step after an origin came in, newest origin last.

    Origins are every `stride`-th, counted back from the last row: those that near forecasts were really made from.
    `truth` (n,) with NaN where unknown; `forecasts` by ascending h are (h, quantiles of the newest rows and the h after
    them); a step is judged by the forecast of the next longer h. NaN where a step was not forecast. `newest`: so many
    origins at most; None: all.
    """
    n = max((len(quantiles) - h for h, quantiles in forecasts), default=0)
    if n <= horizon + 1:
        return np.empty((0, horizon))
    n = n if newest is None else min(n, newest * stride + horizon)
    origins = np.arange((n - 1) % stride, n - horizon, stride)
    out = np.full((len(origins), horizon), np.nan)
    first = 0
    for h, quantiles in forecasts:
        last = len(quantiles) - h
        rows = min(last, n)
        hit = np.full(n, np.nan)
        hit[n - rows :] = levels_of(truth[len(truth) - rows :], quantiles[last - rows : last], levels)
        for ahead in range(first + 1, h + 1):
            out[:, ahead - 1] = hit[origins + ahead]
        first = h
    return out


def draw_ranks(errors: list[Floats], paths: int, horizon: int, rng: np.random.Generator) -> Floats:
    """Joint uniform levels (paths, series, horizon), each (series, step) an even spread over 0..1.

    `errors` holds per series (origins, horizon) past error levels, newest origin last, NaN where unknown. The same origins
    are drawn for all series; where history has fewer than ten complete ones, steps are tied by a random walk of ranks.
    """
    shared = min((len(e) for e in errors), default=0)
    joint = np.stack([e[len(e) - shared :] for e in errors], axis=1) if shared else np.empty((0, len(errors), horizon))
    whole = joint[np.isfinite(joint).all(axis=(1, 2))]
    if len(whole) >= 10:
        drawn = whole[rng.integers(0, len(whole), size=paths)]
    else:
        common = np.cumsum(rng.standard_normal((paths, 1, horizon)), axis=2)
        drawn = common + 0.5 * rng.standard_normal((paths, len(errors), horizon))
    # Ties (repeated origins) are broken at random, so that ranks are a permutation per step.
    jitter = rng.random(drawn.shape)
    order = np.argsort(np.lexsort((jitter, drawn), axis=0), axis=0)
    return np.asarray((order + rng.random(drawn.shape)) / paths)


def paths_from_ranks(ranks: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """Samples (paths, horizon) of the marginals `quantiles` (horizon, levels) at the joint levels `ranks` (paths, horizon).

    Linear between levels; beyond the outermost ones the value stays there.
    """
    return np.stack([np.interp(ranks[:, h], levels, quantiles[h]) for h in range(quantiles.shape[0])], axis=1)
