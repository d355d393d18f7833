"""What a forecast must hold whatever the series: shape, order, calibration, causality, and an answer for odd histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.models import MODELS, Expert
from forecaster.models.arima import HarmonicArima
from forecaster.models.base import Stretch, stretch_of
from forecaster.models.features import shifted as lagged
from forecaster.models.features import without_spikes
from forecaster.rolling.walk import walk
from forecaster.series.conformal import order_statistics
from forecaster.series.forecast import SeriesInput, forecast_series
from forecaster.series.knots import ONE_ORIGIN, knots, prequential
from forecaster.series.mixing import aggregate
from forecaster.series.paths import error_levels, levels_of, paths_from_ranks
from forecaster.series.tail import shape_by_moments, tail_quantiles

HOUR = timedelta(hours=1)
Floats = NDArray[np.float64]


def hours(n: int) -> NDArray[np.datetime64]:
    return np.datetime64("2026-01-05T00", "h") + np.arange(n)


def seasonal(n: int, seed: int = 0, level: float = 200.0) -> Floats:
    rng = np.random.default_rng(seed)
    day = 1 + 0.6 * np.sin(2 * np.pi * np.arange(n) / 24)
    return rng.poisson(level * day).astype(float)


def hourly(y: Floats, covariates: Floats | None = None) -> SeriesInput:
    return SeriesInput(values=y, times=hours(len(y)), step=HOUR, covariates=covariates)


def some(*names: str) -> tuple[Expert, ...]:
    return tuple(expert for expert in MODELS if expert.name in names)


def forecast(y: Floats, horizon: int = 6, **more: object) -> tuple[Floats, Floats]:
    made = forecast_series(
        hourly(y, more.pop("covariates", None)),
        horizon=horizon,
        n_paths=100,
        rng=np.random.default_rng(1),
        **more,  # type: ignore[arg-type]
    )
    assert made.reason
    return made.quantiles, made.paths


def shifted(y: Floats) -> Floats:
    return np.concatenate([y[:300], 30 * y[300:]])


@pytest.mark.parametrize(
    "y",
    [
        np.empty(0),
        np.array([5.0]),
        np.full(400, 7.0),
        np.zeros(400),
        np.where(np.arange(400) == 200, 1e6, 0.0),
        np.where(np.random.default_rng(0).random(400) < 0.6, np.nan, seasonal(400)),
        np.full(400, np.nan),
        shifted(seasonal(420)),
        -seasonal(100),
    ],
    ids=["empty", "one row", "constant", "zero", "one spike", "NaN-ridden", "all missing", "level shift", "negative"],
)
def test_an_odd_history_still_gets_ordered_finite_quantiles(y: Floats) -> None:
    quantiles, paths = forecast(y)
    assert quantiles.shape == (6, len(LEVELS))
    assert np.isfinite(quantiles).all()
    assert np.isfinite(paths).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()


def test_a_level_shift_of_thirty_times_is_followed() -> None:
    quantiles, _ = forecast(shifted(seasonal(420)))
    assert quantiles[0, LEVELS.index(0.5)] > 10 * 200 * 0.4


@pytest.mark.parametrize("at", [100, 200])
def test_a_spike_of_a_millionfold_leaves_the_median_where_it_was(at: int) -> None:
    y = seasonal(420)
    usual, _ = forecast(y)
    y[at] = 1e8
    quantiles, _ = forecast(y)
    middle, high = LEVELS.index(0.5), LEVELS.index(0.99)
    assert quantiles[:, middle] == pytest.approx(usual[:, middle], rel=0.2)
    assert (quantiles[:, high] > 0.85 * usual[:, high]).all()
    assert quantiles[:, high].max() > 1.5 * usual[:, high].max(), "it may come again, and the tail knows"


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(31, 1e9), gaps=st.floats(0, 0.5))
def test_spikes_are_cut_by_what_came_before_alone(seed: int, size: float, gaps: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.uniform(1, 3, 120)
    y[rng.random(120) < gaps] = np.nan
    assert np.array_equal(without_spikes(y), y, equal_nan=True)
    y[90] = size * 3
    cut = without_spikes(y)
    assert cut[90] <= 90
    assert np.array_equal(np.delete(cut, 90), np.delete(y, 90), equal_nan=True)
    y[90:] = size * 3
    assert without_spikes(y)[-1] == size * 3, "a level that stays up is reached"
    assert np.array_equal(without_spikes(y)[:95], without_spikes(y[:95]), equal_nan=True)


def test_ten_years_of_hours_cost_no_more_than_their_newest_part() -> None:
    y = seasonal(24 * 365 * 10)
    long, _ = forecast(y)
    newest, _ = forecast(y[-24 * 7 * 16 :])
    assert np.allclose(long[0], newest[0], rtol=0.05)


def test_an_unknown_series_gets_its_prior_and_wide_intervals() -> None:
    prior = np.linspace(1.0, 100.0, len(LEVELS))
    quantiles, _ = forecast(np.empty(0), prior=prior)
    assert np.allclose(quantiles[0], prior)


def test_the_interval_holds_what_it_says_on_a_steady_series() -> None:
    y = seasonal(24 * 7 * 8, seed=3)
    made = walk(hourly(y), lead=1, start=24 * 7 * 5)
    known = made.near.rows < len(y)
    truth = y[made.near.rows[known]]
    low, high = (made.near.quantiles[known, LEVELS.index(q)] for q in (0.05, 0.95))
    assert np.mean((truth >= low) & (truth <= high)) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("cut", [560, 601, 650, 701, 760])
@pytest.mark.parametrize("harm", ["scaled", "blanked", "removed"])
def test_no_forecast_moves_when_later_rows_are_corrupted(cut: int, harm: str) -> None:
    y = seasonal(800, seed=2)
    clean = walk(hourly(y), lead=1, start=520)
    bad = y.copy()
    if harm == "removed":
        bad = bad[:cut]
    else:
        bad[cut:] = np.nan if harm == "blanked" else bad[cut:] * 7
    other = walk(hourly(bad), lead=1, start=520)
    for good, spoiled in ((clean.near, other.near), (clean.day, other.day)):
        assert good is not None
        assert spoiled is not None
        early = good.rows[good.rows < cut + good.h]
        mine = {int(r): q for r, q in zip(spoiled.rows, spoiled.quantiles, strict=True)}
        shared = [int(r) for r in early if int(r) in mine]
        assert len(shared) > 20
        for row in shared:
            assert np.array_equal(mine[row], good.quantiles[list(good.rows).index(row)], equal_nan=True)


@pytest.mark.parametrize("h", [1, 3, 288])
def test_no_past_row_of_a_five_minute_series_walked_in_strides_knows_later_values(h: int) -> None:
    n, cut = 14 * 288, 11 * 288 + 5
    y = np.random.default_rng(3).poisson(60 * (1.5 + np.sin(2 * np.pi * np.arange(n) / 288))).astype(float)

    def strided(values: Floats) -> Floats:
        one = stretch_of(values, start=0, step=300, seasons=(288, 2016), trained=9 * 288)
        one = replace(one, horizons=(1, 3, 288))
        assert one.stride(h) > 1
        return prequential(
            one, h, replace(ONE_ORIGIN, experts=some("naive-week·lin", "naive-none·sqrt", "direct·sqrt"))
        ).quantiles

    spoiled = np.where(np.arange(n) < cut, y, 7 * y)
    clean, other = strided(y), strided(spoiled)
    assert np.isfinite(clean[9 * 288 : cut + h]).all()
    assert np.array_equal(clean[: cut + h], other[: cut + h], equal_nan=True)
    assert not np.array_equal(clean[cut + h :], other[cut + h :], equal_nan=True)


def test_only_rows_that_were_asked_count_in_the_coverage_that_is_reported() -> None:
    rng = np.random.default_rng(4)
    steep = 1000.0 * (2 + np.sin(2 * np.pi * np.arange(14 * 288) / 288))
    made = forecast_series(
        SeriesInput(
            values=rng.normal(steep, 3.0),
            times=np.datetime64("2026-01-05T00:00", "m") + 5 * np.arange(14 * 288),
            step=timedelta(minutes=5),
        ),
        horizon=2,
        n_paths=10,
        rng=rng,
        pipeline=replace(ONE_ORIGIN, experts=some("naive-day·lin", "direct·sqrt")),
    )
    assert made.history[0].stride == 2
    assert made.calibrated


def test_the_steps_of_fine_paths_are_tied_by_errors_from_the_origins_that_were_asked() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    # One step ahead every second origin is asked, back from the last row (6): the targets 7, 5, 3, 1; between it holds.
    near = np.column_stack([np.array([0.0, 1, 1, 3, 3, 5, 5, 7]) + shift for shift in (-2.0, 2.0)])
    far = np.column_stack([np.array([0.0, 0, 2, 2, 4, 4, 6, 6, 8]) + shift for shift in (-2.0, 2.0)])
    errors = error_levels(truth, [(1, near), (2, far)], 2, np.array([0.1, 0.9]), stride=2)
    # Origins 0, 2 and 4; step 1 came in one above the middle of -2…2, step 2 too.
    assert errors == pytest.approx(np.full((3, 2), 0.7))


@pytest.mark.parametrize("expert", MODELS, ids=[e.name for e in MODELS])
def test_every_model_speaks_about_every_later_step_of_a_seasonal_series(expert: object) -> None:
    y = seasonal(24 * 7 * 4)
    one = stretch_of(y, start=0, step=3600, seasons=(24, 168), trained=len(y))
    ahead = expert.model.ahead(one, 2)  # type: ignore[attr-defined]
    assert ahead.shape == (len(y) + 2,)
    assert np.isfinite(ahead[-2:]).all()


@dataclass(frozen=True, kw_only=True)
class Last:
    """A model as someone adds one: a name, and a forecast of every step from those h steps before."""

    name: str = "last"

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        return lagged(stretch.values, h, len(stretch) + h)


def test_a_new_model_is_one_class_and_one_entry_in_the_list() -> None:
    rng = np.random.default_rng(0)
    walked = 100 + np.cumsum(rng.normal(0, 1, 24 * 20))
    pipeline = replace(ONE_ORIGIN, experts=(*some("mean-day·sqrt"), Expert(model=Last())))
    made = forecast_series(hourly(walked), horizon=2, rng=rng, pipeline=pipeline)
    assert made.model == "last·lin", "on a random walk the last value beats the mean of the days before"


def test_arima_with_fourier_terms_beats_the_mean_on_a_seasonal_series() -> None:
    y = seasonal(24 * 7 * 5)
    one = stretch_of(y, start=0, step=3600, seasons=(24, 168), trained=len(y))
    ahead = HarmonicArima(refits=2).ahead(one, 2)[: len(y)]
    tested = np.arange(24 * 7 * 4, len(y))
    assert np.abs(y[tested] - ahead[tested]).mean() < 0.25 * np.abs(y[tested] - y.mean()).mean()


@given(st.integers(20, 400), st.integers(0, 10_000))
@settings(max_examples=40)
def test_order_statistics_cover_a_new_point_as_often_as_they_say(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = np.array([0.9])
    hits = [float(rng.normal() <= order_statistics(rng.normal(size=n), level)[0]) for _ in range(300)]
    assert np.mean(hits) >= 0.9 - 0.075


def test_the_pareto_tail_recovers_an_exponential_and_stays_above_the_threshold() -> None:
    sample = np.sort(np.random.default_rng(0).exponential(2.0, 5000))
    assert shape_by_moments(sample) == pytest.approx(0.0, abs=0.05)
    tail = tail_quantiles(sample, np.array([0.99, 0.999]))
    assert tail == pytest.approx(-2.0 * np.log([0.01, 0.001]), rel=0.1)
    assert (np.diff(tail) > 0).all()


def test_the_mix_is_nearly_as_good_as_its_best_expert() -> None:
    rng = np.random.default_rng(0)
    n, grid = 1500, np.array([0.1, 0.5, 0.9])
    truth = rng.normal(10, 1, n)
    best = np.tile(10 + np.array([-1.2816, 0.0, 1.2816]), (n + 1, 1))
    experts = np.stack([best, best + 3, best - 5])
    one = stretch_of(truth, start=0, step=3600, seasons=(24, 168), trained=n)
    mix = aggregate(experts, one, 1, grid, block=24)

    def loss(quantiles: Floats) -> float:
        error = truth[700:, None] - quantiles[700:n]
        return float(np.maximum(grid * error, (grid - 1) * error).mean())

    assert loss(mix.quantiles) < 1.1 * loss(best)
    assert mix.weights[0].min() > 0.7


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20))
def test_levels_and_quantiles_are_inverse(wanted: list[float]) -> None:
    grid = np.asarray(LEVELS)
    row = np.linspace(0, 50, len(LEVELS)) ** 1.5
    ranks = np.asarray(wanted)[:, None]
    values = paths_from_ranks(ranks, row[None], grid)[:, 0]
    assert levels_of(values, np.tile(row, (len(wanted), 1)), grid) == pytest.approx(np.asarray(wanted), abs=1e-6)


def test_knots_begin_at_one_and_end_at_the_horizon() -> None:
    assert [knots(h)[0] for h in (1, 2, 24, 288)] == [1, 1, 1, 1]
    assert [knots(h)[-1] for h in (1, 2, 24, 288)] == [1, 2, 24, 288]


def test_a_night_that_was_always_quiet_has_no_claim_on_the_noons_tail() -> None:
    rng = np.random.default_rng(0)
    hour = np.arange(24 * 7 * 6) % 24
    y = np.where((hour >= 6) & (hour < 23), rng.poisson(3.0, len(hour)), 0).astype(float)
    quantiles, _ = forecast(y, horizon=12)
    # The series ends at midnight: steps 1 to 4 are an hour or more away from any departure.
    night, day = quantiles[1:5, LEVELS.index(0.999)], quantiles[7:, LEVELS.index(0.999)]
    assert night.max() <= 3 * 0.1 * y.max() + 1e-9
    assert day.min() > night.max()
