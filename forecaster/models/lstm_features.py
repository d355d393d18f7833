"""What the global LSTM sees of a series: scaled by its level, lags in days and weeks, so any step length fits one net.

Everything is causal: the features of an origin read steps ≤ origin only. One sample is an origin (last known step) with
its horizons; the target is log1p(demand / level), level = mean of the trailing week at the origin, so a user with one
request a day and an application with a million an hour look alike to the net.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import causal_fill
from forecaster.models.lstm_lags import HIGHEST, Seen, candidates, changes, lags_of, trailing_mean

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_SECONDS = 86_400
#: Steps of the recent window that the LSTM reads one by one; longer memory comes in through the daily and weekly lags.
WINDOW = 24
WINDOW_CHANNELS = 5
COVARIATES = 22


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A regular series: `values` (steps,) demand per step, NaN where unknown; `start` epoch seconds, `step` seconds."""

    values: Floats
    start: int
    step: int

    @property
    def day(self) -> int:
        """Steps in a day, at least one."""
        return max(1, round(DAY_SECONDS / self.step))


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Inputs of the net for n origins × k horizons (float32) and, where the truth is known, the targets.

    Attributes:
        window: (n, WINDOW, WINDOW_CHANNELS) the recent steps.
        covariates: (n, k, COVARIATES) calendar of the target step, horizon, level, sparsity, spread.
        candidates: (n, k, CANDIDATES) simple forecasts in log scale that the net mixes.
        spread: (n, k, 1) typical week-on-week (else day-on-day) change in log scale; widens the quantiles.
        level: (n,) demand per step that the log scale is relative to.
        target: (n, k) log1p(demand / level), NaN where the step is unknown, in the future, or only zeros were seen.
    """

    window: NDArray[np.float32]
    covariates: NDArray[np.float32]
    candidates: NDArray[np.float32]
    spread: NDArray[np.float32]
    level: Floats
    target: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.level)

    def take(self, rows: Ints) -> Samples:
        """The samples of the given rows, in that order."""
        return Samples(
            window=self.window[rows],
            covariates=self.covariates[rows],
            candidates=self.candidates[rows],
            spread=self.spread[rows],
            level=self.level[rows],
            target=self.target[rows],
        )


def concatenate(parts: list[Samples]) -> Samples:
    """One set of samples out of several with equal numbers of horizons."""
    return Samples(
        window=np.concatenate([p.window for p in parts]),
        covariates=np.concatenate([p.covariates for p in parts]),
        candidates=np.concatenate([p.candidates for p in parts]),
        spread=np.concatenate([p.spread for p in parts]),
        level=np.concatenate([p.level for p in parts]),
        target=np.concatenate([p.target for p in parts]),
    )


def samples(grid: Grid, origins: Ints, horizons: Ints) -> Samples:
    """Features of `origins` (n,) positions of the last known step, for `horizons` (n, k) ≥ 1 steps ahead.

    Raises ValueError when an origin lies outside the series.
    """
    count = len(grid.values)
    if len(origins) and (origins.min() < 0 or origins.max() >= count):
        raise ValueError(f"origins must lie in 0..{count - 1}")
    day = grid.day
    filled = np.maximum(causal_fill(grid.values, (7 * day, day)), 0.0)
    sizes = _levels(filled, day)
    levels = np.where(sizes > 0, sizes, 1.0)
    level = levels[origins]
    seen = Seen(
        filled=filled, total=np.concatenate([[0.0], np.cumsum(filled)]), origins=origins, horizons=horizons, level=level
    )
    lags = lags_of(seen, day)
    shifts = seen.scaled(seen.recent(0, day)) - seen.scaled(seen.recent(day, day))
    weekly_shifts = seen.scaled(seen.recent(0, day)) - seen.scaled(seen.recent(7 * day, day))
    spread = _spread(filled, levels, day)[origins]
    covariates = np.concatenate(
        [
            _covariates(grid, filled, seen.targets, horizons, lags.known, level, spread),
            changes(seen, lags, shifts, weekly_shifts),
        ],
        axis=2,
    )
    inside = (seen.targets < count) & (sizes[origins] > 0)[:, None]
    truth = np.where(inside, grid.values[np.minimum(seen.targets, count - 1)], np.nan)
    return Samples(
        window=_window(grid, filled, origins, level, day).astype(np.float32),
        covariates=covariates.astype(np.float32),
        candidates=candidates(seen, lags, shifts, weekly_shifts, day).astype(np.float32),
        spread=np.broadcast_to(spread[:, None, None], (*horizons.shape, 1)).astype(np.float32),
        level=level,
        target=seen.scaled(truth).astype(np.float32),
    )


def _levels(filled: Floats, day: int) -> Floats:
    """(n,) root mean square of the trailing week, at least 1/4 of the trailing four weeks' and 1/20 of all.

    The root mean square and not the mean: for a series of rare single requests it is far nearer to one request, so that
    the log scale of sparse and of dense series agree. 0 where nothing but zeros was seen.
    """
    total = np.concatenate([[0.0], np.cumsum(filled**2)])
    ends = np.arange(len(filled))
    size = np.maximum(trailing_mean(total, ends, 7 * day), 0.0625 * trailing_mean(total, ends, 28 * day))
    size = np.maximum(size, 0.0025 * trailing_mean(total, ends, max(len(filled), 1)))
    return np.asarray(np.sqrt(np.maximum(size, 0.0)))


def _spread(filled: Floats, levels: Floats, day: int) -> Floats:
    """(n,) mean absolute change in log scale against a week before, over the trailing week.

    In the first week against a day before, on the first day against the step before.
    """
    rows = np.arange(len(filled))
    season = np.where(rows >= 7 * day, 7 * day, np.where(rows >= day, day, np.minimum(rows, 1)))
    change = np.abs(np.log1p(filled / levels) - np.log1p(filled[rows - season] / levels))
    total = np.concatenate([[0.0], np.cumsum(change)])
    return np.asarray(np.clip(trailing_mean(total, rows, 7 * day), 0.0, 3.0) + 0.02)


def _window(grid: Grid, filled: Floats, origins: Ints, level: Floats, day: int) -> Floats:
    """(n, WINDOW, WINDOW_CHANNELS): value, its change against a day and a week ago, whether known, time of day."""
    positions = origins[:, None] + np.arange(1 - WINDOW, 1)[None, :]
    by = level[:, None]

    def log_at(where: Ints, otherwise: Floats) -> Floats:
        value = np.where(where >= 0, filled[np.maximum(where, 0)] / by, np.nan)
        return np.where(where >= 0, np.minimum(np.log1p(value), HIGHEST), otherwise)

    now = log_at(positions, np.full(positions.shape, np.log(2.0)))
    known = (positions >= 0) & np.isfinite(grid.values[np.maximum(positions, 0)])
    clock = 2 * np.pi * ((grid.start + positions * grid.step) % DAY_SECONDS) / DAY_SECONDS
    return np.stack(
        [now, now - log_at(positions - day, now), now - log_at(positions - 7 * day, now), known, np.sin(clock)], axis=2
    )


def _covariates(
    grid: Grid,
    filled: Floats,
    targets: Ints,
    horizons: Ints,
    lags_known: NDArray[np.bool_],
    level: Floats,
    spread: Floats,
) -> Floats:
    """(n, k, 17): calendar of the target step, horizon, whether lags exist, level, zeros, spread, step length."""
    seconds = grid.start + targets * grid.step
    clock = 2 * np.pi * (seconds % DAY_SECONDS) / DAY_SECONDS
    # The epoch began on a Thursday; four days later the week begins on a Monday.
    week_clock = 2 * np.pi * ((seconds - 4 * DAY_SECONDS) % (7 * DAY_SECONDS)) / (7 * DAY_SECONDS)
    zero_total = np.concatenate([[0.0], np.cumsum(filled == 0)])
    origins = targets[:, 0] - horizons[:, 0]
    zeros = trailing_mean(zero_total, origins, 7 * grid.day)
    per_origin = np.stack(
        [
            np.clip(np.log10(level), -3.0, 3.0) / 3.0,
            zeros,
            spread,
            np.full(len(origins), np.log(grid.step / 3600.0) / 3.0),
            np.minimum(origins / (28.0 * grid.day), 1.0),
        ],
        axis=1,
    )
    per_target = np.stack(
        [
            np.sin(clock),
            np.cos(clock),
            np.sin(2 * clock),
            np.cos(2 * clock),
            np.sin(week_clock),
            np.cos(week_clock),
            np.sin(2 * week_clock),
            np.cos(2 * week_clock),
            (week_clock >= 10 * np.pi / 7).astype(float),
            np.log(horizons / grid.day) / 3.0,
            np.log(horizons) / 5.0,
            lags_known,
        ],
        axis=2,
    )
    return np.concatenate([per_target, np.broadcast_to(per_origin[:, None, :], (*targets.shape, 5))], axis=2)
