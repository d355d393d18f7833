"""Direct regression: one ridge regression per horizon on lags, running means, seasonal profiles and the clock.

The target is the deviation from the seasonal profile, so that shrinking leads to the profile and not to zero. Direct
multi-step forecasts instead of iterated ones: errors of the one-step model do not pile up over a day (Marcellino, Stock
and Watson 2006; Ben Taieb et al. 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.base import Stretch
from forecaster.models.features import centred_mean, ewma, seasonal_ewma, shifted, whole_seasons
from forecaster.models.ridge import NormalEquations, normal_equations

Floats = NDArray[np.float64]
#: Rates of the running means of the deviation from the profile, per step.
RATES = (0.4, 0.15, 0.05, 0.01)


@dataclass(frozen=True, kw_only=True)
class Direct:
    """Ridge regression with penalty `penalty` on standardised columns.

    `memory` in days: the weight of a row halves in that time (None: never). `short` is the number of newest values.
    `profile` says what the target is relative to ("week", "day", "none"). `order` harmonics of the day and of the week.
    """

    penalty: float = 3.0
    memory: float | None = None
    short: int = 6
    profile: str = "week"
    label: str = "direct"
    order: int = 3

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """See `base.PointModel`."""
        rows = stretch.asked(h)
        # All but the penalty: variants that differ in it alone share the rest.
        shared = ("direct", self.short, self.profile, self.order, self.memory)
        base, equations = stretch.once(shared, lambda: self._equations(stretch, h, rows), at=h)
        out = np.full(len(stretch) + h, np.nan)
        out[rows] = equations.forecasts(self.penalty) + base
        return bounded(out, stretch.values, h)

    def _equations(self, stretch: Stretch, h: int, rows: NDArray[np.int64]) -> tuple[Floats, NormalEquations]:
        """What the forecasts of `rows` are relative to, and the regression of the deviation from it."""
        columns, base = design(stretch, h, rows, short=self.short, profile=self.profile, order=self.order)
        n = len(stretch)
        past = rows[rows < n]
        deviation = stretch.values[past] - base[: len(past)]
        days = stretch.day or max(1, round(86_400 / stretch.step))
        forget = 1.0 if self.memory is None else 0.5 ** (stretch.refit / (self.memory * days))
        usable = stretch.observed[past]
        return base, normal_equations(columns, deviation, usable, rows, n, h, refit=stretch.refit, forget=forget)


def bounded(forecasts: Floats, values: Floats, h: int) -> Floats:
    """`forecasts` (n + h,) kept within a quarter of the range beyond what had been seen h steps before.

    A linear model extrapolates without end after an outlier; demand does not.
    """
    if len(values) == 0:
        return forecasts
    top, low = np.maximum.accumulate(values), np.minimum.accumulate(values)
    slack = 0.25 * (top - low)
    return np.clip(forecasts, shifted(low - slack, h, len(forecasts)), shifted(top + slack, h, len(forecasts)))


def design(
    stretch: Stretch, h: int, rows: NDArray[np.int64], *, short: int, profile: str, order: int = 3
) -> tuple[Floats, Floats]:
    """Columns (k, p) of the target `rows` and the profile (k,) that the target is relative to; from steps ≤ t - h only."""
    z, m = stretch.values, len(stretch) + h
    # Two weeks, since a regression on weekly lags needs rows that have them and then some.
    day, week = stretch.day, stretch.week if profile == "week" and stretch.trained >= 2 * stretch.week else 0
    if not day or profile == "none":
        return _seasonless(stretch, h, rows, short)
    seen = stretch.once(("profile", week), lambda: _profile(z, day, week))
    radius, off = seen.radius, seen.off
    there = shifted(seen.table, whole_seasons(week or day, h + radius), m)
    here = shifted(seen.table, week or day, m)[: len(z)]
    columns = [shifted(off, h + i, m) for i in range(short)]
    columns += [shifted(mean, h, m) for mean in seen.means]
    yesterday = whole_seasons(day, h)
    columns += [shifted(off, yesterday, m), shifted(off, yesterday + day, m), shifted(off, h + day, m)]
    if radius:
        columns.append(shifted(seen.soft, whole_seasons(day, h + radius), m))
    if week:
        day_here = shifted(seen.daily, day, m)[: len(z)]
        day_there = shifted(seen.daily, whole_seasons(day, h + radius), m)
        columns += [shifted(off, whole_seasons(week, h), m), shifted(off, h + week, m)]
        columns += [day_there - there, shifted(day_here - here, h, m)]
    columns += [there, shifted(here, h, m) - there]
    chosen = [column[rows] for column in columns]
    chosen += _clock(stretch.phase + rows, day, order)
    if week:
        chosen += _clock(stretch.phase + rows, week, order)
    if stretch.known is not None:
        chosen += list(stretch.known[rows].T)
    return np.column_stack(chosen), there[rows]


@dataclass(frozen=True, kw_only=True)
class _Profile:
    """What the designs of all horizons share, each (n,): seasonal means, the deviation from them and its running means."""

    radius: int
    daily: Floats
    table: Floats
    off: Floats
    soft: Floats
    means: tuple[Floats, ...]


def _profile(z: Floats, day: int, week: int) -> _Profile:
    radius = day // 96
    smooth = centred_mean(z, radius)
    daily = seasonal_ewma(smooth, day, 0.2)
    table = seasonal_ewma(smooth, week, 0.4) if week else daily
    off = z - shifted(table, week or day, len(z))
    flat = np.where(np.isfinite(off), off, 0.0)
    means = tuple(ewma(flat, rate) for rate in (*RATES, 1.0 / day))
    return _Profile(radius=radius, daily=daily, table=table, off=off, soft=centred_mean(flat, radius), means=means)


def _seasonless(stretch: Stretch, h: int, rows: NDArray[np.int64], short: int) -> tuple[Floats, Floats]:
    """Lags and running means relative to the last value, for histories without two days."""
    z, m = stretch.values, len(stretch) + h
    means = stretch.once("means", lambda: tuple(ewma(z, rate) for rate in RATES))
    last = shifted(z, h, m)[rows]
    columns = [shifted(z, h + i, m)[rows] - last for i in range(1, short)]
    columns += [shifted(mean, h, m)[rows] - last for mean in means]
    return np.column_stack(columns), last


def _clock(position: NDArray[np.int64], period: int, order: int) -> list[Floats]:
    """Sine and cosine pairs of the position in a period."""
    angle = 2 * np.pi * position / period
    return [f(k * angle) for k in range(1, order + 1) for f in (np.sin, np.cos)]
