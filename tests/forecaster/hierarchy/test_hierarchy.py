"""Hierarchy: parts sum to the whole on every path, shares are those of the history, sparse pairs are uncertain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.hierarchy.shares import bucket_of, estimate_shares, lumped, parts, reconciled
from forecaster.history.assemble import cells_history
from forecaster.history.history import History
from forecaster.history.rows import Cells

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def logged(counts: np.ndarray) -> History:
    """An event log with `counts` (pairs, n) of users u0… of application a."""
    pairs = [(f"u{k:04d}", "a") for k in range(len(counts))]
    pair, position = np.nonzero(counts)
    cells = Cells(step=HOUR, length=counts.shape[1], pair=pair, position=position, requests=counts[pair, position])
    return cells_history(cells, start=START, pairs=pairs, zero_absent=np.ones(len(pairs), dtype=bool))


@settings(max_examples=50, deadline=None)
@given(
    shares=st.lists(st.floats(0.001, 1), min_size=1, max_size=8),
    whole=st.lists(st.floats(0, 1e7), min_size=6, max_size=6),
    concentration=st.one_of(st.just(np.inf), st.floats(0.5, 1e4)),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_parts_of_every_path_sum_to_it(
    shares: list[float], whole: list[float], concentration: float, seed: int
) -> None:
    share = np.array(shares)[:, None] / sum(shares)
    paths = np.array(whole).reshape(2, 3)
    drawn = parts(paths, share, np.zeros(3, dtype=np.int64), concentration, np.random.default_rng(seed))
    assert (drawn >= 0).all()
    np.testing.assert_allclose(drawn.sum(axis=0), paths, rtol=1e-9, atol=1e-9)


def test_parts_have_the_shares_of_the_history_hour_by_hour() -> None:
    rng = np.random.default_rng(0)
    by_day = np.tile([1.0] * 12 + [9.0] * 12, 28)
    counts = rng.poisson(np.stack((by_day, 10.0 - by_day)))
    history = logged(counts)
    shares = estimate_shares(history, np.zeros(2, dtype=np.int64), 1)
    assert shares.buckets == 24
    np.testing.assert_allclose(shares.shares[0][0, :12], 0.1, atol=0.08)
    np.testing.assert_allclose(shares.shares[0][0, 12:], 0.9, atol=0.08)
    bucket = bucket_of(history, history.length, 24)
    drawn = parts(np.full((400, 24), 10.0), shares.shares[0], bucket, float(shares.concentration[0]), rng)
    assert abs(drawn[0].mean(axis=0)[:12].mean() - 1.0) < 0.2


@pytest.mark.parametrize("concentration", [3.0, 30.0])
def test_the_concentration_of_shares_is_found_again(concentration: float) -> None:
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(concentration * np.array([0.5, 0.3, 0.2]), size=2000)
    counts = np.array([rng.multinomial(60, w) for w in weights]).T
    found = estimate_shares(logged(counts), np.zeros(3, dtype=np.int64), 1).concentration[0]
    assert found == pytest.approx(concentration, rel=0.25)
    steady = np.array([rng.multinomial(60, [0.5, 0.3, 0.2]) for _ in range(2000)]).T
    assert estimate_shares(logged(steady), np.zeros(3, dtype=np.int64), 1).concentration[0] > 300


def test_a_sparse_pair_is_covered_by_its_share_of_the_group() -> None:
    rng = np.random.default_rng(2)
    counts = rng.poisson(np.linspace(0.02, 0.6, 50)[:, None] * np.ones(1200))
    history = logged(counts[:, :1000])
    shares = estimate_shares(history, np.zeros(50, dtype=np.int64), 1)
    total = counts.sum(axis=0)
    paths = rng.choice(total[:1000], size=(500, 200)).astype(float)
    drawn = parts(paths, shares.shares[0], bucket_of(history, 1000, 200), float(shares.concentration[0]), rng)
    high = np.quantile(drawn, 0.95, axis=1)
    assert 0.93 < float(np.mean(counts[:, 1000:] <= high)) < 0.99


def test_chosen_pairs_and_all_others_still_sum_to_one() -> None:
    shares = np.random.default_rng(5).dirichlet(np.ones(9), size=24).T
    few = lumped(shares, [3, 7])
    np.testing.assert_array_equal(few[:2], shares[[3, 7]])
    np.testing.assert_allclose(few.sum(axis=0), 1.0)


def test_big_pairs_keep_their_own_forecast_and_sum_to_the_group() -> None:
    rng = np.random.default_rng(6)
    whole = rng.gamma(5.0, 20.0, size=(30, 4))
    modelled, rest = reconciled(whole, rng.gamma(5.0, 10.0, size=(2, 30, 4)), np.zeros((30, 4)))
    np.testing.assert_allclose(modelled.sum(axis=0) + rest, whole)
    modelled, rest = reconciled(whole, np.zeros((2, 30, 4)), np.zeros((30, 4)))
    np.testing.assert_allclose(rest, whole)


@pytest.mark.parametrize("concentration", [np.inf, 40.0, 2.0])
@pytest.mark.parametrize("requests", [4, 400])
def test_few_and_many_requests_are_dealt_out_by_the_same_distribution(concentration: float, requests: int) -> None:
    shares = np.array([0.4, *np.full(30, 0.02)])[:, None]
    paths = np.full((40_000, 1), float(requests))
    first = parts(paths, shares, np.zeros(1, dtype=np.int64), concentration, np.random.default_rng(0))[0, :, 0]
    # Mean and variance of one part of a Dirichlet-multinomial (Mosimann 1962).
    spread = 1.0 if np.isinf(concentration) else (requests + concentration) / (1 + concentration)
    assert first.mean() == pytest.approx(0.4 * requests, rel=0.02)
    assert first.var() == pytest.approx(requests * 0.4 * 0.6 * spread, rel=0.04)


@pytest.mark.parametrize("level", [1e16, 4e18, 1e20])
def test_counts_beyond_all_counts_are_dealt_out_too(level: float) -> None:
    paths = np.full((40, 2), level)
    paths[:2] = 0
    dealt = parts(paths, np.array([[0.75], [0.25]]), np.zeros(2, dtype=np.int64), 50.0, np.random.default_rng(0))
    np.testing.assert_allclose(dealt.sum(axis=0), paths, rtol=1e-12)
    assert dealt[0].mean() / paths.mean() == pytest.approx(0.75, abs=0.05)
