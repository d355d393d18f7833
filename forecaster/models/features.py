"""Causal building blocks of the models: lags, running means and seasonal profiles of one regular series.

Every array that is returned for a horizon h has n + h rows, one per *target* step; row t holds nothing newer than step
t - h. All filters run forwards in time, so that a later value cannot change an earlier result, not even in the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
#: A value more than this many times the largest before it is cut to that, once so many values are known.
SPIKE, SPIKE_AFTER = 30.0, 24


def without_spikes(values: Floats) -> Floats:
    """(n,) with values over thirty times everything before them cut to that; NaN stays. Reads no later value.

    A misplaced decimal point or a flood would else own every square, mean and scale for weeks. A level that stays up is
    reached within a few steps, since each cut value raises the limit for the next.
    """
    kept = values.copy()
    known = np.isfinite(kept)
    enough = np.cumsum(known) - known >= SPIKE_AFTER
    most = np.maximum.accumulate(np.concatenate(([0.0], np.where(known, kept, 0.0))))
    while True:
        over = enough & known & (most[:-1] > 0) & (np.where(known, kept, 0.0) > SPIKE * most[:-1])
        if not over.any():
            return kept
        first = int(np.argmax(over))
        kept[first] = SPIKE * most[first]
        most[first:] = np.maximum.accumulate(np.concatenate(([most[first]], np.where(known, kept, 0.0)[first:])))


def causal_fill(values: Floats, seasons: tuple[int, ...] = (), *, start: Floats | float = 0.0) -> Floats:
    """`values` (..., n) with every gap filled from the past only.

    A gap takes the value one season before, of the first of `seasons` (steps) that reaches back into the series, else the
    last value, else `start` (...). With `seasons`, `values` must be one series.
    """
    n = values.shape[-1]
    if not seasons:
        last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(n), -1), axis=-1)
        held = np.take_along_axis(values, np.maximum(last, 0), axis=-1)
        return np.where(last >= 0, held, np.asarray(start)[..., None])
    filled = np.array(values, dtype=float)
    for row in np.flatnonzero(~np.isfinite(filled)):
        lag = next((season for season in seasons if season <= row), 1)
        filled[row] = filled[row - lag] if row else start
    return filled


def read_at(quantiles: Floats, levels: Floats, wanted: Floats) -> Floats:
    """Quantile functions (..., levels) read at the `wanted` levels, linear between the known ones and flat beyond them."""
    right = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    left = right - 1
    share = np.clip((wanted - levels[left]) / (levels[right] - levels[left]), 0.0, 1.0)
    return np.asarray(quantiles[..., left] + share * (quantiles[..., right] - quantiles[..., left]))


def shifted(values: Floats, lag: int, length: int) -> Floats:
    """(length,): element t is values[t - lag], NaN where there is none."""
    out = np.full(length, np.nan)
    if lag < length:
        end = min(len(values), length - lag)
        out[lag : lag + end] = values[:end]
    return out


def whole_seasons(season: int, h: int) -> int:
    """The shortest lag of whole seasons that is known h steps ahead."""
    return -(-h // season) * season


def centred_mean(values: Floats, radius: int) -> Floats:
    """Mean over 2·radius + 1 neighbours; element j reads up to j + radius, so it may only be used `radius` steps later."""
    if radius == 0 or len(values) == 0:
        return values
    padded = np.pad(values, radius, mode="edge")
    total = np.zeros(len(values))
    for offset in range(2 * radius + 1):  # a running sum would let later values round earlier ones
        total += padded[offset : offset + len(values)]
    return total / (2 * radius + 1)


def ewma(values: Floats, rate: float) -> Floats:
    """Exponentially weighted mean (n,) with weight `rate` on the newest value, started at the first one."""
    if len(values) == 0:
        return values
    out, _ = lfilter([rate], [1.0, rate - 1.0], values, zi=[(1.0 - rate) * values[0]])
    return np.asarray(out, dtype=float)


def seasonal_ewma(values: Floats, season: int, rate: float) -> Floats:
    """(n,): per phase of the season, the mean of this and earlier seasons, weights falling by 1 - rate a season.

    The first 1/rate seasons are plain means, so that a short history is not ruled by its first season.
    """
    count = -(-len(values) // season)
    grid = np.full(count * season, np.nan)
    grid[: len(values)] = values
    table = grid.reshape(count, season)
    for row in range(1, count):
        table[row] = table[row - 1] + max(rate, 1.0 / (row + 1)) * (table[row] - table[row - 1])
    return table.ravel()[: len(values)]


def seasons_of(step_seconds: float) -> tuple[int, ...]:
    """Day and week in steps, for steps that divide a day into two or more; otherwise a week of days, else nothing."""
    day = 86_400 / step_seconds
    if day >= 2 and abs(day - round(day)) < 1e-9:
        return (round(day), 7 * round(day))
    return (7,) if abs(day - 1) < 1e-9 else ()


def blocks(rows: NDArray[np.int64], n: int, h: int, size: int) -> Iterator[tuple[slice, int]]:
    """Neighbours among the target `rows` (k,) that share one state, and how many of `rows` it may have learned from.

    A block is a stretch of `size` steps; known are the rows that had ended when its first forecast was made.
    """
    past = int(np.searchsorted(rows, n))
    edges = np.flatnonzero(np.diff(rows // size, prepend=-1))
    known = np.searchsorted(rows[:past], rows[edges] - h, side="right")
    for begin, end, upto in zip(edges, [*edges[1:], len(rows)], known, strict=True):
        yield slice(int(begin), int(end)), int(upto)
