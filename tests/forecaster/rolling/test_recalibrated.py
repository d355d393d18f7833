"""What a tail is believed to hold follows how often it came true, slowly, and reads no younger row."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.rolling.mixture import Predictive
from forecaster.rolling.recalibrated import exceeded, recalibrated
from reconciler.onepool.count import counts_at, unserved_at

DAY, ROWS = 24, 24 * 120


def _forecast(scale: float) -> tuple[Predictive, np.ndarray]:
    """Exponential demand of mean 1 and a forecast of it that is `scale` times too wide."""
    points = -scale * np.log(1 - (np.arange(400) + 0.5) / 400)
    values, weights = np.tile(points, (ROWS, 1)), np.full((ROWS, 400), 1 / 400)
    return Predictive(values=values, weights=weights), np.random.default_rng(3).exponential(1.0, ROWS)


def _unserved(made: Predictive, weights: np.ndarray) -> float:
    """Expected beyond 3 on the last row."""
    return float(unserved_at(made.values[-1:], weights[-1:], np.array([[3.0]]))[0, 0])


def test_a_tail_that_never_comes_is_believed_less() -> None:
    made, y = _forecast(2.0)
    believed = recalibrated(made, y, h=2, warm=48, day=DAY)
    truth = np.exp(-3.0)  # E[(d - 3)⁺] of an exponential of mean 1
    assert truth < _unserved(made, believed) < 0.6 * _unserved(made, made.weights)
    assert (believed >= 0).all()
    assert believed.sum(axis=1) == pytest.approx(1.0)


def test_a_tail_that_comes_more_often_is_believed_more() -> None:
    made, y = _forecast(0.6)
    assert _unserved(made, recalibrated(made, y, h=2, warm=48, day=DAY)) > 1.3 * _unserved(made, made.weights)


def test_a_right_forecast_stays_as_it_is() -> None:
    made, y = _forecast(1.0)
    assert _unserved(made, recalibrated(made, y, h=2, warm=48, day=DAY)) == pytest.approx(np.exp(-3.0), rel=0.15)


def test_a_short_past_changes_little() -> None:
    made, y = _forecast(2.0)
    few = recalibrated(made, np.where(np.arange(ROWS) < 72, y, np.nan), h=2, warm=48, day=DAY)
    assert _unserved(made, few) == pytest.approx(_unserved(made, made.weights), rel=0.05)


def test_no_weight_moves_with_demand_younger_than_its_cutoff() -> None:
    made, y = _forecast(1.0)
    later = y.copy()
    later[1001:] *= 5
    one, two = (recalibrated(made, d, h=2, warm=48, day=DAY) for d in (y, later))
    assert np.array_equal(one[:1003], two[:1003])
    assert not np.array_equal(one, two)


def test_a_tie_counts_half() -> None:
    made = Predictive(values=np.array([[1.0, 2.0, 3.0, 4.0]]), weights=np.full((1, 4), 0.25))
    assert exceeded(made, np.array([3.0])).tolist() == [0.375]
    assert np.isnan(exceeded(made, np.array([np.nan]))[0])


def test_what_is_missed_at_given_counts_is_exact() -> None:
    values, weights = np.array([[2.0, 4.0, 8.0]]), np.array([[0.5, 0.25, 0.25]])
    assert unserved_at(values, weights, np.array([[9.0, 5.0, 3.0, 1.0]])).tolist() == [[0.0, 0.75, 1.5, 3.0]]
    counts, missed = counts_at(values, weights)
    assert unserved_at(values, weights, counts).tolist() == missed.tolist()
