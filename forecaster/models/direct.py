"""Direct regression: one ridge regression per horizon on lags, running means, seasonal profiles and the clock.

The target is the deviation from the seasonal profile, so that shrinking leads to the profile and not to zero. Refits are
exact and cheap: the normal equations of all rows so far are kept (with exponential forgetting), so a walk over a whole
history costs one pass plus one small solve per refit. Direct multi-step forecasts instead of iterated ones: errors of
the one-step model do not pile up over a day (Marcellino, Stock and Watson 2006; Ben Taieb et al. 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.features import centred_mean, ewma, seasonal_ewma, shifted, whole_seasons
from forecaster.models.base import Stretch

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
    anchor: str = "profile"
    cut: float = 0.0
    label: str = "direct"
    order: int = 3

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """See `base.Model`."""
        columns, base, level = design(stretch, h, short=self.short, profile=self.profile, order=self.order)
        n = len(stretch)
        if self.anchor == "last":
            base = base + level
        deviation = stretch.values - base[:n]
        if self.cut:
            size = ewma(np.nan_to_num(np.abs(deviation)), 0.01)
            deviation = np.clip(deviation, -self.cut * size, self.cut * size)
        days = stretch.day or max(1, round(86_400 / stretch.step))
        forget = 1.0 if self.memory is None else 0.5 ** (stretch.refit / (self.memory * days))
        out = prequential_ridge(
            columns, deviation, stretch.observed, h, refit=stretch.refit, penalty=self.penalty, forget=forget
        )
        return bounded(out + base, stretch.values, h)


def bounded(forecasts: Floats, values: Floats, h: int) -> Floats:
    """`forecasts` (n + h,) kept within a quarter of the range beyond what had been seen h steps before.

    A linear model extrapolates without end after an outlier; demand does not.
    """
    if len(values) == 0:
        return forecasts
    top, low = np.maximum.accumulate(values), np.minimum.accumulate(values)
    slack = 0.25 * (top - low)
    return np.clip(forecasts, shifted(low - slack, h, len(forecasts)), shifted(top + slack, h, len(forecasts)))


def design(stretch: Stretch, h: int, *, short: int, profile: str, order: int = 3) -> tuple[Floats, Floats, Floats]:
    """Columns (n + h, p) and the profile (n + h,) that the target is relative to; rows hold steps ≤ t - h only."""
    z, n = stretch.values, len(stretch)
    m = n + h
    # Two weeks, since a regression on weekly lags needs rows that have them and then some.
    day, week = stretch.day, stretch.week if profile == "week" and stretch.trained >= 2 * stretch.week else 0
    if not day or profile == "none":
        return _seasonless(z, h, short)
    radius = day // 96
    soft = centred_mean(z, radius)
    daily = seasonal_ewma(soft, day, 0.2)
    day_here = shifted(daily, day, m)[:n]
    day_there = shifted(daily, whole_seasons(day, h + radius), m)
    if week:
        weekly = seasonal_ewma(soft, week, 0.4)
        here = shifted(weekly, week, m)[:n]
        there = shifted(weekly, whole_seasons(week, h + radius), m)
    else:
        here, there = day_here, day_there
    off = z - here
    flat = np.where(np.isfinite(off), off, 0.0)
    columns = [shifted(off, h + i, m) for i in range(short)]
    columns += [shifted(ewma(flat, rate), h, m) for rate in (*RATES, 1.0 / day)]
    yesterday = whole_seasons(day, h)
    columns += [shifted(off, yesterday, m), shifted(off, yesterday + day, m), shifted(off, h + day, m)]
    if radius:
        columns.append(shifted(centred_mean(flat, radius), whole_seasons(day, h + radius), m))
    if week:
        columns += [shifted(off, whole_seasons(week, h), m), shifted(off, h + week, m)]
        columns += [day_there - there, shifted(day_here - here, h, m)]
    columns += [there, shifted(here, h, m) - there]
    columns += _clock(stretch.phase + np.arange(m), day, order)
    if week:
        columns += _clock(stretch.phase + np.arange(m), week, order)
    if stretch.known is not None:
        columns += list(stretch.known[:m].T)
    return np.column_stack(columns), there, shifted(off, h, m)


def _seasonless(z: Floats, h: int, short: int) -> tuple[Floats, Floats, Floats]:
    """Lags and running means relative to the last value, for histories without two days."""
    m = len(z) + h
    last = shifted(z, h, m)
    columns = [shifted(z, h + i, m) - last for i in range(1, short)]
    columns += [shifted(ewma(z, rate), h, m) - last for rate in RATES]
    return np.column_stack(columns), last, np.zeros(m)


def _clock(position: NDArray[np.int64], period: int, order: int) -> list[Floats]:
    """Sine and cosine pairs of the position in a period."""
    angle = 2 * np.pi * position / period
    return [f(k * angle) for k in range(1, order + 1) for f in (np.sin, np.cos)]


def prequential_ridge(
    columns: Floats,
    target: Floats,
    observed: NDArray[np.bool_],
    h: int,
    *,
    refit: int,
    penalty: float,
    forget: float = 1.0,
) -> Floats:
    """Ridge forecasts (n + h,) of `target` (n,) from `columns` (n + h, p), refitted every `refit` rows.

    The coefficients of a block of rows that starts at s use the pairs up to row s - h only: what was known when its
    first forecast was made. `forget` multiplies the weight of older rows at each refit.
    """
    m, width = columns.shape
    n = m - h
    complete: NDArray[np.bool_] = np.asarray(np.isfinite(columns).all(axis=1))
    usable = complete.copy()
    usable[n:] = False
    usable[:n] &= observed & np.isfinite(target)
    filled = np.column_stack([np.ones(m), np.where(complete[:, None], columns, 0.0)])
    answers = np.zeros(m)
    answers[:n] = np.where(usable[:n], np.nan_to_num(target), 0.0)
    gram, moment, weight, taken = np.zeros((width + 1, width + 1)), np.zeros(width + 1), 0.0, 0
    out = np.full(m, np.nan)
    for begin in range(0, m, refit):
        end = min(begin + refit, m)
        upto = min(max(begin - h + 1, 0), n)
        if upto > taken:
            rows = filled[taken:upto][usable[taken:upto]]
            gram = forget * gram + rows.T @ rows
            moment = forget * moment + rows.T @ answers[taken:upto][usable[taken:upto]]
            weight = forget * weight + len(rows)
            taken = upto
        if weight > 20:
            # Row by row, not as a matrix product: its last bit would depend on how many rows follow.
            out[begin:end] = (filled[begin:end] * _solve(gram, moment, weight, penalty)).sum(axis=1)
            out[begin:end][~complete[begin:end]] = np.nan
    return out


def _solve(gram: Floats, moment: Floats, weight: float, penalty: float) -> Floats:
    """Coefficients (intercept first) of the ridge regression on standardised columns; constant columns get none."""
    mean = gram[0] / weight
    variance = np.maximum(np.diag(gram) / weight - mean**2, 0.0)
    scale = np.sqrt(variance) + 1e-9
    centred = (gram - weight * np.outer(mean, mean)) / np.outer(scale, scale)
    aim = (moment - mean * moment[0]) / scale
    ridge = np.where(variance < 1e-12, 1e12, penalty)[1:]
    slope = np.linalg.solve(centred[1:, 1:] + np.diag(ridge), aim[1:]) / scale[1:]
    return np.concatenate([[moment[0] / weight - mean[1:] @ slope], slope])
