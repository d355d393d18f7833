"""Measures of accuracy recomputed by hand, and what is done with demand that was shed uncounted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from forecaster.demand import LEVELS
from forecaster.history.censoring import uncensored
from forecaster.plbm.accuracy import SCORED, accuracy, seasonal_difference, seasonal_naive, weighted_quantile_loss


def test_the_weighted_quantile_loss_of_a_point_forecast_by_hand() -> None:
    values, quantiles = np.array([10.0, 30.0]), np.full((2, len(LEVELS)), 20.0)
    # Both errors are 10: one above, one below; at each level 2 · (q·10 + (1 − q)·10) / 40 = 0.5.
    assert weighted_quantile_loss(values, quantiles, LEVELS) == pytest.approx(0.5)
    assert len(SCORED) == 20


def test_perfect_intervals_have_their_coverage() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(100, 10, 4000)
    quantiles = np.tile(norm.ppf(LEVELS, 100, 10), (4000, 1))
    found = accuracy(values, quantiles, 24, values)
    for share, inside in found.coverage.items():
        assert inside == pytest.approx(share, abs=0.02)
    assert found.mase == pytest.approx(10 * np.sqrt(2 / np.pi) / (20 / np.sqrt(np.pi)), rel=0.05)
    assert found.steps == 4000


def test_missing_steps_count_nothing_and_silence_has_no_ratio() -> None:
    quantiles = np.zeros((3, len(LEVELS)))
    assert accuracy(np.array([np.nan, 0.0, 0.0]), quantiles, 1, np.zeros(0)).steps == 2
    assert np.isnan(weighted_quantile_loss(np.zeros(3), quantiles, LEVELS))
    assert np.isnan(seasonal_difference(np.array([np.nan, np.nan]), 1))


def test_the_naive_takes_last_week_where_two_weeks_are_known_and_looks_back_only() -> None:
    week = np.arange(168.0)
    values = np.tile(week, 3)
    naive = seasonal_naive(values, 336, 2, 24)
    np.testing.assert_allclose(naive[:, LEVELS.index(0.5)], week)
    later = np.where(np.arange(504) >= 400, 9e9, values)
    np.testing.assert_array_equal(seasonal_naive(later, 336, 2, 24)[:64], naive[:64])


def test_censored_demand_is_at_least_what_was_served_and_what_the_season_says() -> None:
    rng = np.random.default_rng(1)
    demand = 100 * (1 + 0.5 * np.sin(2 * np.pi * np.arange(480) / 24)) * np.exp(rng.normal(0, 0.1, 480))
    capacity = 120.0
    censored = (demand > capacity) & (np.arange(480) >= 240)
    served = np.where(censored, capacity, demand)
    found = uncensored(served, censored, (24, 168))
    assert (found >= served).all()
    np.testing.assert_array_equal(found[~censored], served[~censored])
    error = np.abs(found[censored] - demand[censored]).mean()
    assert error < 0.6 * np.abs(served[censored] - demand[censored]).mean()


def test_no_demand_is_uncensored_by_what_came_later() -> None:
    values = np.tile([10.0, 20.0, 30.0, 40.0], 6)
    censored = np.zeros(24, dtype=bool)
    censored[9] = True
    changed = np.where(np.arange(24) > 9, 999.0, values)
    assert uncensored(values, censored, (4,))[9] == uncensored(changed, censored, (4,))[9]
