"""One series from its last step on: calibrated quantiles and joint paths of all steps of a horizon.

The forecasts at the knots (`forecaster.series.knots`) are put together; a step between two knots takes the forecast of the
next longer one, which was made up to a few steps earlier. It is calibrated as it stands and a little wider than necessary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.models.base import Stretch, seconds_of, stretch_of
from forecaster.models.features import seasons_of
from forecaster.series.knots import ONE_ORIGIN, STRIDES, Pipeline, Prequential, SeriesSettings, knots, prequential
from forecaster.series.paths import KEPT_ORIGINS, draw_ranks, error_levels, paths_from_ranks
from forecaster.series.reasons import reason, recent_coverage, spoken

Floats = NDArray[np.float64]
#: Rows that a forecast reads at most, and weeks: older ones cost time and say little.
LONGEST_ROWS = 20_000
LONGEST_WEEKS = 16
#: Known values without which no model is asked.
FEWEST_KNOWN = 8


@dataclass(frozen=True, kw_only=True)
class SeriesInput:
    """One series as a forecast is asked for it.

    Attributes:
        values: (n,) requests per step on a regular grid, NaN where unknown; n may be 0.
        times: (n,) start of each step, UTC.
        step: length of a step.
        seasons: season lengths in steps, ascending; None: day and week as they fit the step.
        covariates: (n + horizon, k) known in advance, or None.
    """

    values: Floats
    times: NDArray[np.datetime64]
    step: timedelta
    seasons: tuple[int, ...] | None = None
    covariates: Floats | None = None

    @property
    def step_seconds(self) -> int:
        """Seconds per step."""
        return round(self.step.total_seconds())

    @property
    def start(self) -> int:
        """Seconds since 1970 of the first step; 0 without any."""
        return int(seconds_of(self.times[:1])[0]) if len(self.times) else 0

    def spans(self) -> tuple[int, ...]:
        """Season lengths in steps."""
        return seasons_of(self.step_seconds) if self.seasons is None else self.seasons

    def newest(self, rows: int) -> SeriesInput:
        """The series from its newest `rows` rows on."""
        first = max(0, len(self.values) - rows)
        covariates = None if self.covariates is None else self.covariates[first:]
        return replace(self, values=self.values[first:], times=self.times[first:], covariates=covariates)

    def stretch(self, trained: int) -> Stretch:
        """The series as models see it, with `trained` rows of training."""
        return stretch_of(
            np.asarray(self.values, dtype=float),
            start=self.start,
            step=self.step_seconds,
            seasons=self.spans(),
            trained=trained,
            known=self.covariates,
        )


@dataclass(frozen=True, kw_only=True)
class SeriesForecast:
    """Forecast of one series.

    Attributes:
        quantiles: (horizon, levels) requests per step, non-decreasing, ≥ 0.
        paths: (paths, horizon) joint samples whose marginals are `quantiles`.
        model: the models with the largest weights.
        reason: one sentence: why these, how much history, which tail.
        calibrated: False where the 90 % interval's recent coverage failed or no residuals were known.
        history: prequential forecasts per knot, for scores and joint ranks; empty without history.
    """

    quantiles: Floats
    paths: Floats
    model: str
    reason: str
    calibrated: bool
    history: tuple[Prequential, ...] = ()


def short_history(known: Floats, horizon: int, levels: tuple[float, ...], prior: Floats | None) -> Floats:
    """Quantiles (horizon, levels) without a usable model: the last value times a wide log-normal, or the prior.

    The prior is (levels,) quantiles of a step in requests; with few rows it is averaged in with the weight of two rows.
    """
    from scipy.stats import norm

    spread = np.exp(norm.ppf(np.asarray(levels)))  # one standard deviation is a factor of e
    if len(known) == 0:
        base = prior if prior is not None else spread
        return np.repeat(np.asarray(base, dtype=float)[None], horizon, axis=0)
    level = max(float(np.mean(known[-3:])), 0.0)
    own = level * spread if level > 0 else np.where(np.asarray(levels) > 0.9, np.asarray(levels), 0.0)
    weight = len(known) / (len(known) + 2.0)
    row = own if prior is None else weight * own + (1 - weight) * np.asarray(prior)
    return np.repeat(np.maximum.accumulate(np.maximum(row, 0.0))[None], horizon, axis=0)


def forecast_series(
    series: SeriesInput,
    *,
    horizon: int,
    rng: np.random.Generator,
    n_paths: int = 200,
    pipeline: Pipeline = ONE_ORIGIN,
    prior: Floats | None = None,
    horizons: Sequence[int] | None = None,
) -> SeriesForecast:
    """Quantiles and joint paths of the `horizon` steps after the last row of the series.

    `prior` (levels,) are quantiles of a step for a history that is too short. `horizons` are the steps ahead that are
    modelled, ascending up to `horizon`; None: `knots`.
    """
    levels = pipeline.levels
    one = read_stretch(series, horizons=tuple(horizons or knots(horizon)), settings=pipeline.settings)
    known = one.values[one.observed]
    history = tuple(prequential(one, h, pipeline) for h in one.horizons) if len(known) >= FEWEST_KNOWN else ()
    quantiles = _joined(history, len(one), horizon, levels)
    mute = ~np.isfinite(quantiles).all(axis=1)
    if mute.any():
        quantiles[mute] = short_history(known, int(mute.sum()), levels, prior)
    quantiles = np.maximum(np.maximum.accumulate(quantiles, axis=1), 0.0)
    ranks = draw_ranks([_normal_scores(one, history, horizon, levels)], n_paths, horizon, rng)[:, 0]
    coverage = recent_coverage(one, history[0].h, history[0].quantiles, levels) if history else None
    ready = bool(history) and not mute.all()
    weights = dict(zip(history[0].names, _weight(history).tolist(), strict=True)) if ready else {}
    residuals = _fewest_residuals(one, history)
    return SeriesForecast(
        quantiles=quantiles,
        paths=paths_from_ranks(ranks, quantiles, np.asarray(levels)),
        model=spoken(weights),
        reason=reason(one, weights, coverage, residuals=residuals, tail=pipeline.settings.tail),
        calibrated=ready and not mute.any() and coverage is not None and coverage >= 0.8,
        history=history,
    )


def _joined(history: Sequence[Prequential], n: int, horizon: int, levels: tuple[float, ...]) -> Floats:
    """Quantiles (horizon, levels) after row n: each step from the next longer modelled horizon, NaN where there is none."""
    quantiles = np.full((horizon, len(levels)), np.nan)
    first = 0
    for made in history:
        quantiles[first : made.h] = made.quantiles[n + first : n + made.h]
        first = made.h
    return quantiles


def most_rows(seasons: tuple[int, ...]) -> int:
    """Rows that a forecast reads at most, by the season lengths in steps."""
    return min(LONGEST_ROWS, LONGEST_WEEKS * seasons[1]) if len(seasons) > 1 else LONGEST_ROWS


def read_stretch(series: SeriesInput, *, horizons: tuple[int, ...], settings: SeriesSettings = STRIDES) -> Stretch:
    """The stretch of the newest rows, cut to what a forecast reads at most; as `forecast_series` asks it."""
    newest = series.newest(most_rows(series.spans()))
    stretch = newest.stretch(trained=len(newest.values))
    refit_steps = max(1, min(round(stretch.refit * settings.refit_days), len(stretch) // 12))
    return replace(stretch, refit=refit_steps, horizons=horizons)


def _normal_scores(stretch: Stretch, history: Sequence[Prequential], horizon: int, levels: tuple[float, ...]) -> Floats:
    """Past error levels (origins, horizon) of one series, for the newest origins."""
    truth = np.where(stretch.observed, stretch.values, np.nan)
    past = [(made.h, made.quantiles) for made in history]
    stride = history[0].stride if history else 1
    return error_levels(truth, past, horizon, np.asarray(levels), stride=stride, newest=KEPT_ORIGINS)


def _weight(history: Sequence[Prequential]) -> Floats:
    """Mean weight (experts,) over horizons and levels."""
    return np.asarray(np.mean([made.weights.mean(axis=1) for made in history], axis=0))


def _fewest_residuals(stretch: Stretch, history: Sequence[Prequential]) -> int:
    """How many past forecasts the intervals of the horizon with the fewest rest on."""
    counts = []
    for made in history:
        past = stretch.asked(made.h)
        past = past[past < len(stretch)]
        counts.append(int((stretch.observed[past] & np.isfinite(made.quantiles[past, 0])).sum()))
    return min(counts, default=0)
