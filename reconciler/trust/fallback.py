"""The fallback forecasts: last season's demand or the last value, each with its past errors. Pure.

    seasonal naive   y(T + h) = y(T + h − k·season), the newest known season; a week, or a day in short histories
    reactive         y(T + h) = y(T)

A sample path is the baseline plus the errors from one past origin, for all series at once, which keeps the dependence of
errors. Nothing is random: origins are spread evenly over the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import DemandForecast
from forecaster.models.features import causal_fill
from reconciler.trust import reasons as because
from reconciler.trust.demotion import Rung

Floats = NDArray[np.float64]

#: Number of seasons that must be known before the seasonal forecast is used: one to repeat, two to learn the errors.
_SEASONS = 3


def season_of(length: int, step: timedelta) -> int:
    """Steps of the season to repeat in a history of `length` steps: a week, else a day, else 0 (none)."""
    lengths = (round(timedelta(days=days) / step) for days in (7, 1))
    return next((season for season in lengths if season > 1 and length >= _SEASONS * season), 0)


def fallback_paths(rows: Floats, rung: Rung, *, season: int, horizon: int, paths: int) -> Floats:
    """(paths, series, horizon) samples of a baseline for `rows` (series, n), NaN where missing; never below zero.

    A missing value counts as the last known one. For steps farther ahead than half of the history, the errors of the
    farthest step with known errors are used. Raises ValueError for the model's rung or for a season of 0 steps.
    """
    if rung is Rung.MODEL or (rung is Rung.SEASONAL_NAIVE and not season):
        raise ValueError(f"no baseline for {rung.label} with a season of {season} steps")
    known = causal_fill(rows, start=_first_known(rows))
    n = known.shape[1]
    ahead = np.arange(1, horizon + 1)
    back = -(-ahead // season) * season - ahead if rung is Rung.SEASONAL_NAIVE else np.zeros(horizon, dtype=np.int64)
    base = known[:, n - 1 - back]
    far = np.minimum(ahead, max(n // 2, 1))
    first, last = int(back.max()), n - 1 - int(far.max())
    if last < first:
        return np.repeat(np.maximum(base, 0.0)[None], paths, axis=0)
    origins = np.linspace(first, last, paths).round().astype(np.int64)[:, None]
    errors = known[:, origins + far] - known[:, origins - back]
    return np.asarray(np.maximum(base[:, None, :] + errors, 0.0).transpose(1, 0, 2))


def with_fallbacks(forecast: DemandForecast, rows: Floats, rungs: Sequence[Rung], *, season: int) -> DemandForecast:
    """The forecast with each application's rows replaced by those of its rung. `rows` (applications, n): known demand.

    The model's rows keep their bytes. The model's rows and the fallbacks are assumed to be independent.
    """
    quantiles, paths, models = forecast.quantiles.copy(), forecast.paths.copy(), list(forecast.models)
    reasons = list(forecast.reasons)
    for rung in (Rung.SEASONAL_NAIVE, Rung.REACTIVE):
        places = [k for k, used in enumerate(rungs) if used is rung]
        if not places:
            continue
        made = fallback_paths(rows[places], rung, season=season, horizon=forecast.horizon, paths=len(paths))
        paths[:, places] = made
        quantiles[places] = np.quantile(made, forecast.levels, axis=0).transpose(1, 2, 0)
        for k in places:
            models[k], reasons[k] = rung.label, because.replaced(rung.label, models[k])
    return replace(forecast, quantiles=quantiles, paths=paths, models=tuple(models), reasons=tuple(reasons))


def _first_known(rows: Floats) -> Floats:
    """(series,) the first known value of each of `rows` (series, n), zero without any."""
    finite = np.isfinite(rows)
    first = np.take_along_axis(rows, np.argmax(finite, axis=1)[:, None], axis=1)[:, 0]
    return np.where(finite.any(axis=1), first, 0.0)
