"""The autoscalers that ours is compared with do what their manuals say, and none reads what was not known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.forecast.measures import GRID
from benchmarks.sizing.peers.knobs import MARGINS, SPREADS, Floats, Peer, expected_unserved, quantile
from benchmarks.sizing.peers.library import normal_of
from benchmarks.sizing.peers.scalers import aws_predictive, crane, holt_winters, hour_of_week, period_of, predictive_hpa
from benchmarks.sizing.peers.simple import (
    recent,
    season_ago,
    seasonal_margin,
    seasonal_quantile,
    static_peak,
    target_tracking,
)

DAY, H = 24, 2


def _demand(days: int = 22) -> Floats:
    t = np.arange(days * DAY)
    noise = np.random.default_rng(3).standard_normal(len(t))
    return np.asarray(10 + 6 * np.sin(2 * np.pi * t / DAY) + 0.5 * noise)


CUT = 17 * DAY
FIRST = 15 * DAY
PEERS: dict[str, Callable[[Floats], Peer]] = {
    "static": lambda d: static_peak(d, CUT, FIRST),
    "tracking": lambda d: target_tracking(d, FIRST, H, 3),
    "seasonal margin": lambda d: seasonal_margin(d, FIRST, DAY, H),
    "seasonal quantile": lambda d: seasonal_quantile(d, CUT, FIRST, DAY, H),
    "aws": lambda d: aws_predictive(d, FIRST, H, DAY, 1),
    "hpa": lambda d: predictive_hpa(d, FIRST, H, DAY, 1),
    "crane": lambda d: crane(d, CUT, FIRST, H, DAY),
}


@pytest.mark.parametrize("name", PEERS)
def test_no_peer_moves_a_count_when_later_demand_changes(name: str) -> None:
    demand = _demand()
    made = PEERS[name](demand).counts
    for newest in (CUT, CUT + 7, CUT + 50):
        changed = demand.copy()
        changed[newest + 1 :] *= 5
        again = PEERS[name](changed).counts
        np.testing.assert_array_equal(made[:, : newest + H + 1 - FIRST], again[:, : newest + H + 1 - FIRST])


@pytest.mark.parametrize("name", PEERS)
def test_settings_go_from_safest_to_cheapest(name: str) -> None:
    made = PEERS[name](_demand())
    assert made.counts.shape[1] == len(_demand()) - FIRST
    assert (np.diff(made.counts, axis=0) <= 0).all()
    assert made.counts.min() >= 1


def test_target_tracking_keeps_the_largest_wish_of_its_window() -> None:
    demand = np.array([1.0, 9.0, 2.0, 3.0, 4.0, 5.0])
    # Row 4 knows rows ≤ 2: the larger of 9 and 2. Row 5 knows rows ≤ 3: the larger of 2 and 3.
    assert recent(demand, 4, 2, window=2).tolist() == [9.0, 3.0]
    assert recent(demand, 1, 2, window=2).tolist()[0] == 1.0


def test_a_season_ago_is_the_newest_known_one() -> None:
    demand = np.arange(100.0)
    assert season_ago(demand, 60, 24, 2)[0] == 36
    assert season_ago(demand, 60, 24, 25)[0] == 12


def test_hours_are_forecast_by_the_same_hour_of_two_weeks() -> None:
    demand = np.tile(np.repeat(np.arange(7.0), DAY), 3)  # every day of the week has its own level
    made = hour_of_week(demand, 15 * DAY, H, DAY)
    np.testing.assert_allclose(made, demand[15 * DAY :])


def test_hours_without_a_week_are_forecast_by_the_days() -> None:
    demand = np.tile(np.arange(float(DAY)), 4)
    np.testing.assert_allclose(hour_of_week(demand, 2 * DAY, H, DAY), demand[2 * DAY :])


def test_the_period_is_the_one_that_repeats() -> None:
    rng = np.random.default_rng(0)
    weekly = np.tile(np.repeat(rng.random(7), DAY), 4)
    daily = np.tile(rng.random(DAY), 28) * np.linspace(1, 2, 28 * DAY)
    assert period_of(weekly, DAY) == 7 * DAY
    assert period_of(daily, DAY) == DAY
    assert period_of(weekly[: 10 * DAY], DAY) == DAY


def test_holt_winters_follows_season_and_trend() -> None:
    t = np.arange(14 * DAY)
    demand = 50 + 0.05 * t + 10 * np.sin(2 * np.pi * t / DAY)
    made = holt_winters(demand, 10 * DAY, H, DAY)
    assert np.abs(made - demand[10 * DAY :]).max() < 0.5


def test_normal_quantiles_give_back_mean_and_deviation() -> None:
    from scipy.stats import norm

    quantiles = np.maximum(3.0 + 5.0 * norm.ppf(GRID), 0.0)[None, :]
    mean, deviation = normal_of(quantiles)
    assert mean == pytest.approx([3.0])
    assert deviation == pytest.approx([5.0])


def test_expected_unserved_volume_of_a_normal_distribution() -> None:
    peer = quantile(np.array([10.0]), np.array([2.0]), 0)
    drawn = np.random.default_rng(0).normal(10, 2, 400_000)
    row = int(np.flatnonzero(peer.counts[:, 0] == 11)[0])
    assert expected_unserved(peer)[row, 0] == pytest.approx(np.maximum(drawn - 11, 0).mean(), abs=0.01)


def test_the_knobs_reach_beyond_the_highest_quantile_that_is_sold() -> None:
    assert SPREADS[0] > 4.27
    assert MARGINS[0] > 10
    assert (np.diff(SPREADS) < 0).all()
    assert (np.diff(MARGINS) < 0).all()
