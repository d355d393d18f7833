"""How the mix weighs its experts, and what recalibration does to demand that repeats exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.models.base import Stretch
from forecaster.series.conformal import recalibrate
from forecaster.series.mixing import Mix, aggregate

Floats = NDArray[np.float64]
GRID = np.asarray(LEVELS)
DAY = 24


def mix_of(experts: list[Floats], truth: Floats, *, forget: float = 1.0) -> Mix:
    """The mix one step ahead of experts (n + 1, levels)."""
    return aggregate(np.stack(experts), known(truth), 1, GRID, block=DAY, forget=forget, smooth=0.3)


def known(truth: Floats) -> Stretch:
    """A series of hours that were all observed."""
    n = len(truth)
    seen = np.ones(n, dtype=bool)
    return Stretch(values=truth, observed=seen, start=0, step=3600, day=DAY, week=0, trained=n, refit=DAY)


def recalibrated(made: Floats, truth: Floats) -> Floats:
    """The forecasts (n, levels) made one step before, recalibrated; the one after the last row is left out."""
    padded = np.concatenate([made, made[-1:]])
    return recalibrate(padded, known(truth), 1, GRID, rate=0.005, block=1)[:-1]


def around(point: Floats, width: float) -> Floats:
    """Quantiles (n, levels) that spread evenly over `width` around a point forecast (n,)."""
    return np.asarray(point[:, None] + width * (GRID - 0.5))


def test_an_expert_that_is_far_off_is_not_paid_for_lying_on_the_right_side() -> None:
    rng = np.random.default_rng(5)
    truth = 100 + rng.normal(0, 3, 30 * DAY)
    point = np.full(len(truth) + 1, 98.0)  # a little low all along: the linearised loss calls for something higher
    far = np.full(len(truth) + 1, 5000.0)
    mix = mix_of([around(point, 12.0), around(point - 1, 12.0), around(far, 12.0)], truth)
    assert mix.weights[2].max() < 1e-3
    assert np.abs(mix.quantiles[10 * DAY :] - around(point, 12.0)[10 * DAY :]).max() < 4.0


def test_the_mix_forgets_who_was_good_before_a_change_of_regime() -> None:
    rng = np.random.default_rng(6)
    n, turn = 80 * DAY, 60 * DAY
    truth = 100 + rng.normal(0, 1, n)
    good, bad = np.full(n + 1, 100.0), np.full(n + 1, 110.0)
    before, after = good.copy(), bad.copy()
    before[turn:], after[turn:] = 110.0, 100.0
    mix = mix_of([around(before, 5.0), around(after, 5.0)], truth, forget=0.5 ** (1 / (5 * DAY)))
    assert mix.weights[1].min() > 0.99
    assert np.abs(mix.quantiles[-1] - around(good, 5.0)[-1]).max() < 0.5


def test_demand_that_repeats_exactly_keeps_quantiles_that_say_so() -> None:
    # Every level but the outermost two forecasts the exact value: hits there tell nothing about the level that is read.
    n = 60 * DAY
    truth = 50 + 20 * np.sin(2 * np.pi * np.arange(n) / DAY)
    made = np.repeat(truth[:, None], len(GRID), axis=1)
    made[:, 0], made[:, -1] = truth - 30, truth + 30
    out = recalibrated(made, truth)
    inner = slice(2, -2)
    assert np.abs(out[:, inner] - truth[:, None]).max() < 1e-6


def test_recalibration_still_follows_a_forecast_that_is_too_narrow() -> None:
    rng = np.random.default_rng(7)
    n = 120 * DAY
    truth = rng.normal(0, 1.4, n)
    made = np.repeat(np.quantile(rng.normal(0, 1, 20_000), GRID)[None], n, axis=0)
    out = recalibrated(made, truth)
    low, high = LEVELS.index(0.1), LEVELS.index(0.9)
    late = slice(n // 2, n)
    held = np.mean((truth[late] >= out[late, low]) & (truth[late] <= out[late, high]))
    assert abs(held - 0.8) < 0.03


def test_a_busy_hour_and_a_quiet_one_are_calibrated_apart() -> None:
    # Too narrow where demand is high, too wide where it is low: right on average, so that one level for all would stay.
    rng = np.random.default_rng(8)
    n = 200 * DAY
    busy = (np.arange(n) // 8) % 3 == 1
    center = np.where(busy, 100.0, 20.0) + rng.normal(0, 1, n)
    truth = center + rng.normal(0, 1, n) * np.where(busy, 1.3, 0.75)
    made = center[:, None] + np.quantile(rng.normal(0, 1, 20_000), GRID)[None]
    out = recalibrated(made, truth)
    low, high = LEVELS.index(0.1), LEVELS.index(0.9)
    held = (truth >= out[:, low]) & (truth <= out[:, high])
    late = np.arange(n) > n // 2
    assert abs(held[late & busy].mean() - 0.8) < 0.03
    assert abs(held[late & ~busy].mean() - 0.8) < 0.03
