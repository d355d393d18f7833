"""Demand at earlier times that the global LSTM mixes: the newest hour, and the target's time of earlier days and weeks.

Everything is in the scale of the net, log1p(demand / level), and reads steps up to the origin only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Simple forecasts that the net mixes.
CANDIDATES = 10
#: log1p(demand / level) is cut here, at 99 times the level: one spike must not outweigh a whole series in training.
HIGHEST = 4.6


def trailing_mean(total: Floats, ends: Ints, length: int) -> Floats:
    """Mean of the `length` values that end with `ends` (fewer at the start); `total` is the cumulative sum from 0."""
    starts = np.maximum(ends + 1 - length, 0)
    return np.asarray((total[ends + 1] - total[starts]) / np.maximum(ends + 1 - starts, 1))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A series as its origins see it: `filled` (steps,) without gaps, `total` its cumulative sum from 0, `level` (n,)."""

    filled: Floats
    total: Floats
    origins: Ints
    horizons: Ints
    level: Floats

    @property
    def targets(self) -> Ints:
        """(n, k) positions of the target steps."""
        return self.origins[:, None] + self.horizons

    def scaled(self, raw: Floats) -> Floats:
        """Demand (n, …) in log scale, relative to the level."""
        return np.minimum(np.log1p(np.maximum(raw, 0.0) / self.level[:, None]), HIGHEST)

    def at(self, positions: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Values at positions, the level where the series had not begun; and where it had."""
        known = positions >= 0
        column = np.broadcast_to(self.level[:, None], positions.shape)
        return np.where(known, self.filled[np.maximum(positions, 0)], column), known

    def recent(self, lag: int, day: int) -> Floats:
        """(n, 1) mean of the newest hour, at least two steps, as it was `lag` steps ago; the newest if there was none."""
        width = max(2, day // 24)
        newest = trailing_mean(self.total, self.origins, width)
        ends = self.origins - lag
        past = trailing_mean(self.total, np.maximum(ends, 0), width)
        return np.where(ends >= 0, past, newest)[:, None]


@dataclass(frozen=True, kw_only=True)
class Lags:
    """Demand (n, k) at the target's time of earlier days and weeks, and where both lags are `known`.

    `day` and `week` one back (the first that an origin knows), `day_before` two days back, `days` and `weeks` means over
    seven days and four weeks, `near` the mean of the steps around the time a week back.
    """

    day: Floats
    day_before: Floats
    days: Floats
    week: Floats
    weeks: Floats
    near: Floats
    known: NDArray[np.bool_]


def lags_of(seen: Seen, day: int) -> Lags:
    week, targets = 7 * day, seen.targets
    days_back, weeks_back = -(-seen.horizons // day), -(-seen.horizons // week)
    day1, has_day = seen.at(targets - day * days_back)
    day2, _ = seen.at(targets - day * (days_back + 1))
    week1, has_week = seen.at(targets - week * weeks_back)

    def mean_back(season: int, back: Ints, count: int, otherwise: Floats) -> Floats:
        """Mean over `count` seasons from `back` on; those before the beginning count as the first."""
        places = [targets - season * (back + j) for j in range(count)]
        return np.asarray(np.mean([np.where(at >= 0, seen.at(at)[0], otherwise) for at in places], axis=0))

    daily = mean_back(day, days_back, 7, day1)
    # A few steps either side of last week's hour: at five minutes one step is mostly noise.
    half = max(1, day // 48)
    around = np.minimum(targets - week * weeks_back + half, seen.origins[:, None])
    return Lags(
        day=day1,
        day_before=day2,
        days=daily,
        week=week1,
        weeks=mean_back(week, weeks_back, 4, week1),
        near=np.where(has_week, trailing_mean(seen.total, np.maximum(around, 0), 2 * half + 1), daily),
        known=has_day & has_week,
    )


def candidates(seen: Seen, lags: Lags, shifts: Floats, weekly_shifts: Floats, day: int) -> Floats:
    """(n, k, CANDIDATES): what simple rules forecast, in log scale."""
    shape, day1, weekly = seen.horizons.shape, seen.scaled(lags.day), seen.scaled(lags.weeks)
    return np.stack(
        [
            np.broadcast_to(seen.scaled(seen.filled[seen.origins][:, None]), shape),
            np.broadcast_to(seen.scaled(seen.recent(0, day)), shape),
            np.broadcast_to(seen.scaled(trailing_mean(seen.total, seen.origins, day)[:, None]), shape),
            day1,
            seen.scaled(lags.days),
            seen.scaled(lags.week),
            weekly,
            seen.scaled(lags.near),
            np.clip(day1 + shifts, 0.0, HIGHEST),
            np.clip(weekly + weekly_shifts, 0.0, HIGHEST),
        ],
        axis=2,
    )


def changes(seen: Seen, lags: Lags, shifts: Floats, weekly_shifts: Floats) -> Floats:
    """(n, k, 5): changes between days and weeks in log scale, of the target's time and of the newest hour."""
    week1 = seen.scaled(lags.week)
    return np.stack(
        [
            seen.scaled(lags.day) - seen.scaled(lags.day_before),
            week1 - seen.scaled(lags.weeks),
            shifts + 0 * week1,
            weekly_shifts + 0 * week1,
            seen.scaled(seen.filled[seen.origins][:, None]) - week1,
        ],
        axis=2,
    )
