"""Joint paths: the largest of the next steps and sums over applications are as likely as they come; parts sum up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from forecaster.demand import LEVELS
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.hierarchy.shares import scaled_to
from forecaster.plbm import PLBM
from forecaster.series.paths import draw_ranks, paths_from_ranks

SERIES, HORIZON, PATHS = 4, 6, 1500
GRID = np.asarray(LEVELS)
#: Demand of every series and step: normal around 100, as its calibrated quantiles say.
MARGINAL = np.tile(100 + 10 * norm.ppf(GRID), (HORIZON, 1))


def normal_scores(count: int, along: float, across: float, rng: np.random.Generator) -> np.ndarray:
    """(count, series, horizon) standard normal errors, correlated `along` from step to step and `across` series."""
    common, own = rng.standard_normal((count, 1, HORIZON)), rng.standard_normal((count, SERIES, HORIZON))
    drawn = np.sqrt(across) * common + np.sqrt(1 - across) * own
    for h in range(1, HORIZON):
        drawn[:, :, h] = along * drawn[:, :, h - 1] + np.sqrt(1 - along**2) * drawn[:, :, h]
    return drawn


def covered(ranks: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Shares of the truths (n, series, horizon) within the 90 % intervals of a series' maximum and of the sum."""
    paths = np.stack([paths_from_ranks(ranks[:, k], MARGINAL, GRID) for k in range(SERIES)], axis=1)
    shares = []
    for sample, came in (
        (paths[:, 0].max(axis=1), truth[:, 0].max(axis=1)),
        (paths.sum(axis=1)[:, -1], truth.sum(axis=1)[:, -1]),
    ):
        low, high = np.quantile(sample, [0.05, 0.95])
        shares.append(float(((came >= low) & (came <= high)).mean()))
    return shares[0], shares[1]


@given(along=st.floats(0.0, 0.95), across=st.floats(0.0, 0.9), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_path_maxima_and_sums_are_covered_whatever_the_dependence(along: float, across: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    past = norm.cdf(normal_scores(1200, along, across, rng))
    ranks = draw_ranks([past[:, k] for k in range(SERIES)], PATHS, HORIZON, rng)
    most, total = covered(ranks, 100 + 10 * normal_scores(3000, along, across, rng))
    assert most == pytest.approx(0.9, abs=0.05)
    assert total == pytest.approx(0.9, abs=0.05)


def test_drawing_steps_and_applications_independently_would_not_cover_them() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.random((PATHS, SERIES, HORIZON))
    most, total = covered(ranks, 100 + 10 * normal_scores(3000, 0.95, 0.9, rng))
    assert most < 0.8
    assert total < 0.8


@given(seed=st.integers(0, 1000), parts=st.integers(1, 6), zeros=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_scaled_parts_sum_to_the_whole_and_keep_their_proportions(seed: int, parts: int, zeros: float) -> None:
    rng = np.random.default_rng(seed)
    paths = rng.gamma(1.0, size=(30, parts, 5)) * (rng.random((30, parts, 5)) >= zeros)
    whole = rng.gamma(1.0, size=(30, 5)) * (rng.random((30, 5)) >= 0.2)
    made = scaled_to(whole, paths)
    np.testing.assert_allclose(made.sum(axis=1), whole, atol=1e-12)
    assert (made >= 0).all()
    some = paths.sum(axis=1) > 0
    before, after = paths / np.where(some, paths.sum(axis=1), 1)[:, None], made / np.where(whole > 0, whole, 1)[:, None]
    mask = np.broadcast_to((some & (whole > 0))[:, None], paths.shape)
    np.testing.assert_allclose(after[mask], before[mask], atol=1e-9)


def test_the_sum_of_many_sparse_applications_is_forecast_as_well_as_if_it_were_one_series() -> None:
    # Fifteen applications that are used now and then by day and never by night: biases of each would add up in the sum.
    rng = np.random.default_rng(3)
    start, hours = datetime(2024, 1, 1, tzinfo=UTC), 24 * 21
    busy = 0.7 * (np.arange(hours) % 24 >= 8)
    frames = [
        pd.DataFrame(
            {
                "timestamp": pd.date_range(start, periods=hours, freq="h"),
                "user_id": "u",
                "application_id": f"a{k:02d}",
                "requests": rng.binomial(1, busy).astype(float),
            }
        )
        for k in range(15)
    ]
    plbm = PLBM(PlbmSettings(horizon=24, paths=400)).train(pd.concat(frames))
    assert plbm.structure.wholes == ("all",)
    total = plbm.forecast(level="total")
    middle = total.quantiles[0, :, LEVELS.index(0.5)]
    np.testing.assert_allclose(middle[9:], 15 * 0.7, rtol=0.15)
    assert middle[:7].max() < 0.5
    nodes = plbm.forecast()
    np.testing.assert_allclose(nodes.paths.sum(axis=1), total.paths[:, 0], rtol=1e-9)
    assert "reconciled to all of all" in nodes.reasons[0]
    later = plbm.predict("u", "a00", start + timedelta(hours=hours + 12))
    np.testing.assert_allclose(later.requests, nodes.quantiles[0, 12])
