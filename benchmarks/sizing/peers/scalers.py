"""Predictive autoscalers as their manuals describe them: AWS predictive scaling, predictive-HPA, Crane's EHPA.

Each takes the larger of its forecast and what the newest measurement asks for, as all three do, times a margin. `demand`
(n,) is in instances and has no gaps; row t of the answer reads demand of rows ≤ t - h.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.sizing.peers.knobs import Floats, Peer, margin
from benchmarks.sizing.peers.simple import recent, season_ago

#: What AWS forecasts from, and what predictive-HPA is given to fit, in days.
AWS_DAYS, HOLT_WINTERS_DAYS = 14, 28


def aws_predictive(demand: Floats, first: int, h: int, day: int, scale_in: int) -> Peer:
    """Hourly forecast, scale-out only, the larger of it and target tracking.

    The forecast of an hour is the mean of the same hour of the week in the last 14 days, or, where no week is known, of the
    same hour of the days. AWS makes it anew every six hours for two days; all of what it reads is older than these.
    """
    return margin(np.maximum(recent(demand, first, h, scale_in), hour_of_week(demand, first, h, day)), first)


def hour_of_week(demand: Floats, first: int, h: int, day: int) -> Floats:
    """The hourly forecast (n - first,); hours are counted from the first row."""
    hour = max(1, day // 24)
    hours = max(1, day // hour)
    count = len(demand) // hour
    means = demand[: count * hour].reshape(count, hour).mean(axis=1)
    made = np.empty(len(demand) - first)
    for block in range(first // hour, (len(demand) - 1) // hour + 1):
        begin = max(block * hour, first)
        ended = (begin - h + 1) // hour  # hours before this one are known
        for lag in (7 * hours, hours):
            past = [block - k for k in range(lag, AWS_DAYS * hours + 1, lag) if 0 <= block - k < ended]
            if past:
                break
        value = float(means[past].mean()) if past else float(demand[max(begin - h, 0)])
        made[begin - first : (block + 1) * hour - first] = value
    return made


def crane(demand: Floats, cut: int, first: int, h: int, day: int) -> Peer:
    """The same phase of the last period, found by autocorrelation in the training, or the newest step if that is more."""
    need = np.maximum(recent(demand, first, h), season_ago(demand, first, period_of(demand[:cut], day), h))
    return margin(need, first)


def period_of(values: Floats, day: int) -> int:
    """A week or a day, whichever has the larger autocorrelation; a day where there are no two weeks."""
    centred = values - values.mean()

    def correlation(lag: int) -> float:
        return float((centred[lag:] * centred[:-lag]).mean())

    return 7 * day if len(values) >= 14 * day and correlation(7 * day) > correlation(day) else day


def predictive_hpa(demand: Floats, first: int, h: int, day: int, scale_in: int) -> Peer:
    """Additive Holt–Winters with the day as season, fitted anew every day, or target tracking if that is more."""
    return margin(np.maximum(recent(demand, first, h, scale_in), holt_winters(demand, first, h, day)), first)


@dataclass
class _SmoothingState:
    """Smoothing parameters, and level, trend and seasonal terms (day,) by row modulo the day."""

    alpha: float
    beta: float
    gamma: float
    level: float
    trend: float
    season: Floats

    def learn(self, row: int, value: float) -> None:
        """Holt–Winters' recursion, additive (Hyndman & Athanasopoulos, 8.3)."""
        place = row % len(self.season)
        before = self.level
        self.level = self.alpha * (value - self.season[place]) + (1 - self.alpha) * (before + self.trend)
        self.trend = self.beta * (self.level - before) + (1 - self.beta) * self.trend
        self.season[place] = self.gamma * (value - self.level) + (1 - self.gamma) * self.season[place]

    def ahead(self, row: int, h: int) -> float:
        """The forecast of `row`, h steps after the newest learnt."""
        return float(self.level + h * self.trend + self.season[row % len(self.season)])


def holt_winters(demand: Floats, first: int, h: int, day: int) -> Floats:
    """The forecast (n - first,); with less than two days known, the newest step."""
    made = np.empty(len(demand) - first)
    state: _SmoothingState | None = None
    for t in range(first, len(demand)):
        newest = t - h
        if newest + 1 < max(2 * day, 10) or day < 2:
            made[t - first] = demand[max(newest, 0)]
            continue
        if state is None or (t - first) % day == 0:
            state = _fitted(demand, newest, day)
        else:
            state.learn(newest, float(demand[newest]))
        made[t - first] = state.ahead(t, h)
    return made


def _fitted(demand: Floats, newest: int, day: int) -> _SmoothingState:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    begin = max(0, newest + 1 - HOLT_WINTERS_DAYS * day)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that stops early is still the peer's forecast
        model = ExponentialSmoothing(
            demand[begin : newest + 1],
            trend="add",
            seasonal="add",
            seasonal_periods=day,
            initialization_method="heuristic",
        )
        found: Any = model.fit()
    season = np.zeros(day)
    for back in range(day):
        season[(newest - back) % day] = found.season[-1 - back]
    return _SmoothingState(
        alpha=float(found.params["smoothing_level"]),
        beta=float(found.params["smoothing_trend"]),
        gamma=float(found.params["smoothing_seasonal"]),
        level=float(found.level[-1]),
        trend=float(found.trend[-1]),
        season=season,
    )
