"""Counts are the cheapest whole ones at a price of shortage; a walk never reads what was not known."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.onepool.count import counts_at
from reconciler.onepool.replay import clairvoyant_cost
from reconciler.onepool.walk import Table, allocate, table

HOUR = timedelta(hours=1)
#: First row that is decided.
START = 17 * 24


@given(
    demand=st.lists(st.floats(0, 30), min_size=1, max_size=12),
    risk=st.floats(0.01, 0.8),
)
@settings(max_examples=200, deadline=None)
def test_a_count_minimises_cost_and_priced_shortage(demand: list[float], risk: float) -> None:
    d = np.sort(np.array(demand))
    weights = np.full((1, len(d)), 1 / len(d))
    counts, missed = counts_at(d[None, :], weights, np.array([risk]))
    s = np.arange(1, 40)
    loss = s + np.maximum(d[None, :] - s[:, None], 0).mean(axis=1) / risk
    ours = counts[0, 0] + missed[0, 0] / risk
    assert ours == pytest.approx(loss.min(), rel=1e-6, abs=1e-6)
    assert missed[0, 0] == pytest.approx(np.maximum(d - counts[0, 0], 0).mean(), abs=1e-9)


def test_a_worked_example() -> None:
    # Demand is 3 or 5 instances, evenly. The 4th and 5th are each used half the time: worth it while 0.5 > p.
    counts, missed = counts_at(np.array([[3.0, 5.0]]), np.array([[0.5, 0.5]]), np.array([0.4, 0.6]))
    assert counts.tolist() == [[5.0, 3.0]]
    assert missed.tolist() == [[0.0, 1.0]]


@given(
    demand=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    share=st.sampled_from([0.0, 0.05, 0.2, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_the_clairvoyant_is_the_exact_minimum(demand: list[int], share: float) -> None:
    d = np.array(demand, float)
    grid = np.array(np.meshgrid(*[np.arange(1, 5)] * len(d))).reshape(len(d), -1).T
    fine = np.maximum(d - grid * 2.0, 0).sum(axis=1) <= share * d.sum() + 1e-9
    assert clairvoyant_cost(d, 2.0, share) == grid[fine].sum(axis=1).min()


def _hourly(days: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    t = np.arange(days * 24)
    y = np.round(100 * (1.2 + np.sin(2 * np.pi * t / 24)) * np.exp(0.1 * rng.standard_normal(len(t))))
    return y, np.datetime64("2024-01-01T00", "s") + t * np.timedelta64(3600, "s")


def _table(y: np.ndarray, times: np.ndarray) -> Table:
    return table(y, times, step=HOUR, lead=1, unit=10.0, start=START)


def _counts(y: np.ndarray, chosen: Table, promised_shares: tuple[float, ...] = (0.01,)) -> list[np.ndarray]:
    return [
        a.counts
        for a in allocate(y, chosen, promised_shares=promised_shares, step=HOUR, lead=1, unit=10.0, start=START)
    ]


@pytest.fixture(scope="module")
def untouched() -> Table:
    """What the pace chooses from on the whole history: nearly all of a walk's time, and the same for every promise."""
    return _table(*_hourly())


@pytest.mark.parametrize("how", ["scaled", "blanked", "removed"])
@pytest.mark.parametrize("cut", [409, 421, 450, 487, 511])
def test_no_allocation_up_to_two_steps_after_the_cutoff_moves(untouched: Table, how: str, cut: int) -> None:
    y, times = _hourly()
    other, stamps = y.copy(), times
    if how == "scaled":
        other[cut + 1 :] = other[cut + 1 :] * 3 + 1
    elif how == "blanked":
        other[cut + 1 :] = np.nan
    else:
        other, stamps = other[: cut + 1], times[: cut + 1]
    (a,), (b,) = _counts(y, untouched), _counts(other, _table(other, stamps))
    upto = cut + 2 - START + 1
    assert len(b) >= upto
    assert np.array_equal(a[:upto], b[:upto])


@pytest.mark.parametrize("promised_share", [0.2, 0.5])
def test_a_promise_that_lets_much_go_unserved_is_used(untouched: Table, promised_share: float) -> None:
    y, _ = _hourly()
    (counts,) = _counts(y, untouched, (promised_share,))
    demand = y[START:]
    share = np.maximum(demand - 10.0 * counts[: len(demand)], 0).sum() / demand.sum()
    assert 0.7 * promised_share < share <= promised_share
    assert counts[: len(demand)].sum() < 1.1 * clairvoyant_cost(demand, 10.0, share)


def test_the_same_history_gives_the_same_counts_and_a_smaller_share_never_fewer_in_total(untouched: Table) -> None:
    y, times = _hourly()
    once, twice = (_counts(y, chosen, (0.03, 0.001)) for chosen in (untouched, _table(y, times)))
    assert all(np.array_equal(a, b) for a, b in zip(once, twice, strict=True))
    assert once[1].sum() > once[0].sum()
    assert once[0].min() >= 1
    assert once[0].dtype == np.int64
