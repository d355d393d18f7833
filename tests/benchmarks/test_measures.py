"""The benchmark's measures against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.data import Trace
from benchmarks.forecast.measures import (
    GRID,
    at,
    clustered,
    energy_score,
    geometric_mean,
    inside,
    interval_score,
    measured,
    seasonal_error,
    terciles,
    weighted_quantile_loss,
)
from benchmarks.forecast.ours import COLUMNS, PLAIN, contenders
from benchmarks.forecast.peers import cached, seasonal_naive, targets_of
from benchmarks.forecast.summary import of_one, to_best
from forecaster.rolling.walk import walk
from forecaster.series.forecast import SeriesInput

WIDTH = len(GRID)


def flat(*rows: float) -> np.ndarray:
    """Quantiles that are all the same value per row."""
    return np.repeat(np.array(rows, dtype=float)[:, None], WIDTH, axis=1)


def test_weighted_quantile_loss_is_the_mean_over_the_scored_levels() -> None:
    # Truth 10 and 30, forecast 8 and 30 at every level: 2·q·2/40 = q/10 per level. Levels 0.05..0.95 by 0.05 (sum 9.5)
    # and 0.99: mean 10.49/20 = 0.5245. The level 0.01 is not among them.
    assert weighted_quantile_loss(np.array([10.0, 30.0]), flat(8, 30)) == pytest.approx(0.05245)


def test_weighted_quantile_loss_of_nothing_but_zeros_is_unknown() -> None:
    assert np.isnan(weighted_quantile_loss(np.zeros(2), flat(1, 1)))


def test_an_interval_holds_its_ends() -> None:
    quantiles = np.repeat(np.linspace(0, 20, WIDTH)[None], 3, axis=0)
    low, high = quantiles[0, at(0.25)], quantiles[0, at(0.75)]
    assert inside(np.array([low, high, high + 0.1]), quantiles, (0.25, 0.75)).tolist() == [True, True, False]


def test_interval_score_is_width_plus_twenty_times_the_miss() -> None:
    quantiles = flat(0, 0, 0)
    quantiles[:, at(0.05)], quantiles[:, at(0.95)] = 4.0, 10.0
    # Inside: 6. Half below the lower end: 6 + 20·0.5 = 16. One above the upper: 26. Mean 16.
    assert interval_score(np.array([5.0, 3.5, 11.0]), quantiles) == pytest.approx(16.0)


def test_seasonal_error_is_the_mean_step_of_a_season() -> None:
    assert seasonal_error(np.array([1.0, 5.0, 2.0, 9.0]), 2) == pytest.approx((1 + 4) / 2)
    assert np.isnan(seasonal_error(np.array([1.0, 2.0]), 2))


def test_mase_and_scaled_interval_score_are_divided_by_the_seasonal_error() -> None:
    made = measured(np.array([10.0, 12.0]), flat(9, 9), 4.0, np.array([0, 1]))
    assert made["mase"] == pytest.approx((1 + 3) / 2 / 4)
    assert made["scaled_interval_score"] == pytest.approx((20 * 1 + 20 * 3) / 2 / 4)
    assert made["coverage90"] == 0.0
    assert made["hour_distance"] == pytest.approx(0.9)


def test_terciles_go_by_the_forecast_median() -> None:
    assert terciles(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).tolist() == [0, 0, 1, 1, 2, 2]


def test_energy_score_of_two_paths_by_hand() -> None:
    # Paths (0, 0) and (6, 8), truth (0, 0): distances 0 and 10, mean 5; spread: the pair is 10 apart, half of it 5.
    assert energy_score(np.zeros(2), np.array([[0.0, 0.0], [6.0, 8.0]])) == pytest.approx(0.0)
    # One path is a point forecast: the distance.
    assert energy_score(np.zeros(2), np.array([[3.0, 4.0]])) == pytest.approx(5.0)


def test_geometric_mean_leaves_unknown_ratios_out() -> None:
    assert geometric_mean([0.5, 2.0, float("nan")]) == pytest.approx(1.0)


def test_the_bootstrap_draws_whole_sources() -> None:
    # Two sources, each constant: a draw is one of a·a, a·b, b·b with weights ¼, ½, ¼, so the interval spans both.
    low, high = clustered([0.5, 0.5, 2.0, 2.0], ["a", "a", "b", "b"])
    assert (low, high) == pytest.approx((0.5, 2.0))
    assert all(np.isnan(clustered([0.5, 2.0], ["a", "a"])))


def hourly(weeks: int) -> Trace:
    """A made-up hourly trace whose test is its last 30 %."""
    rng = np.random.default_rng(1)
    rows = np.arange(weeks * 168)
    values = rng.poisson(50 + 40 * np.sin(2 * np.pi * rows / 24)).astype(float)
    index = pd.date_range("2026-01-05", periods=len(rows), freq="1h", tz="UTC")
    step = pd.Timedelta("1h")
    return Trace(name="x", source="s", step=step, index=index, values=values, cut=int(0.7 * len(rows)))


def test_targets_are_every_step_near_and_hourly_origins_a_day_ahead() -> None:
    trace = hourly(4)
    targets = targets_of(trace)
    assert targets.near.tolist() == list(range(trace.cut, 672))
    assert targets.day[0] == trace.cut - 2 + 24  # the first origin is two steps before the test
    assert np.unique(np.diff(targets.day)).tolist() == [1]


def test_the_seasonal_naive_adds_training_residuals_to_the_week_before() -> None:
    trace = hourly(4)
    targets = targets_of(trace)
    made = seasonal_naive(trace, targets)
    residuals = trace.values[168 : trace.cut] - trace.values[: trace.cut - 168]
    expected = trace.values[trace.cut - 168] + np.quantile(residuals, 0.95)
    assert made.near[0, at(0.95)] == pytest.approx(max(expected, 0.0))


def test_the_benchmarked_mix_is_what_the_walk_forecasts() -> None:
    trace = hourly(3)
    targets = targets_of(trace)
    ours, extra = contenders(trace, targets, None, ablate=False)
    times = trace.index.tz_localize(None).to_numpy()
    walked = walk(
        SeriesInput(values=trace.values, times=times, step=trace.step.to_pytimedelta()), lead=1, start=trace.cut
    )
    known = walked.near.rows < len(trace.values)
    assert np.array_equal(ours[PLAIN].near, walked.near.quantiles[known][:, COLUMNS])
    assert extra == {}


def test_a_peer_is_compared_with_the_best_other_peer() -> None:
    def at_loss(wql: float) -> dict[str, dict[str, float]]:
        return {"2_steps": {"wql": wql}}

    row = {"source": "s", "contenders": {"us": at_loss(3.0), "seasonal naive": at_loss(6.0), "b": at_loss(2.0)}}
    peers = ("seasonal naive", "b")
    assert to_best(row, "us", "2_steps", peers) == pytest.approx(1.5)
    assert to_best(row, "b", "2_steps", peers) == pytest.approx(1 / 3)
    made = of_one([row], "us", peers)
    assert made["wql_vs_seasonal_naive_2_steps"] == pytest.approx(0.5)
    assert made["ratio_to_best_peer"] == pytest.approx(1.5)
    assert made["wql_vs_seasonal_naive_24h"] is None


def test_a_peer_reads_nothing_newer_than_its_origin_and_is_kept_on_disk(tmp_path: Path) -> None:
    pytest.importorskip("statsforecast")
    trace = hourly(3)
    targets = targets_of(trace, most=6, joint=2)
    made = cached("MSTL-ETS", trace, targets, tmp_path)
    later = trace.values.copy()
    later[int(targets.near[3]) - targets.h + 1 :] *= 5
    other = cached("MSTL-ETS", replace(trace, values=later), targets, tmp_path)
    assert np.array_equal(made.near[:4], other.near[:4])
    assert not np.array_equal(made.near[4:], other.near[4:])
    again = cached("MSTL-ETS", trace, targets, tmp_path)
    assert np.array_equal(made.near, again.near)
    assert (made.fit, made.update) == (again.fit, again.update)
    assert made.joint.shape == (2, 6, WIDTH)
    assert len(list(tmp_path.iterdir())) == 2
