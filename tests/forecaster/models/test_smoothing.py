"""Exponential smoothing: what a spike, a shift of level and a trend do to it, and that later rows change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from forecaster.models.base import Stretch, stretch_of
from forecaster.models.ets import ExponentialSmoothing

Floats = NDArray[np.float64]


def stretch(y: Floats, *, seasons: tuple[int, ...] = (24, 168)) -> Stretch:
    return stretch_of(y, start=0, step=3600, seasons=seasons, trained=min(len(y), 24 * 7 * 4))


def noise(n: int) -> Floats:
    return np.random.default_rng(0).normal(0, 2, n)


def test_it_knows_the_week_and_the_level() -> None:
    rows = np.arange(24 * 7 * 5)
    y = 100 + 40 * np.sin(2 * np.pi * rows / 24) + 20 * np.sin(2 * np.pi * rows / 168) + noise(len(rows))
    said = ExponentialSmoothing().ahead(stretch(y), 6)
    tested = rows[24 * 7 * 3 :]
    assert np.abs(y[tested] - said[tested]).mean() < 4


def test_a_spike_leaves_the_level_alone_and_a_shift_does_not() -> None:
    y = 100 + noise(600)
    spiked, moved = y.copy(), y.copy()
    spiked[500] = 5000
    moved[500:] += 80
    calm, spike, shift = (ExponentialSmoothing().ahead(stretch(v, seasons=()), 1) for v in (y, spiked, moved))
    assert np.abs(spike[501:520] - calm[501:520]).max() < 10
    assert shift[540:600].mean() == pytest.approx(180, abs=8)


def test_a_series_that_rises_steadily_is_given_a_trend() -> None:
    y = 100 + 0.5 * np.arange(800) + noise(800)
    said = ExponentialSmoothing().ahead(stretch(y, seasons=()), 24)
    assert said[-1] == pytest.approx(100 + 0.5 * 823, abs=8)


@pytest.mark.parametrize("y", [np.full(500, 3.0), np.zeros(500), np.where(np.arange(500) == 250, 1e6, 0.0)])
def test_a_series_without_spread_stays_where_it_is(y: Floats) -> None:
    assert ExponentialSmoothing().ahead(stretch(y), 2)[-1] == pytest.approx(y[-1], abs=1e-6)


def test_later_rows_move_nothing() -> None:
    y = 100 + noise(900)
    harmed = y.copy()
    harmed[750:] *= 9
    for other in (harmed, y[:750]):
        a, b = (ExponentialSmoothing().ahead(stretch(v), 3) for v in (y, other))
        assert np.array_equal(a[: 750 + 3 - 1], b[: 750 + 3 - 1], equal_nan=True)
