"""How gaps are filled: from the past only, by the first season that reaches back into the series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import causal_fill

NAN = np.nan


def values(*given: float) -> NDArray[np.float64]:
    return np.array(given)


def test_a_gap_takes_the_value_one_season_before_though_that_was_a_gap_too() -> None:
    assert causal_fill(values(1, 2, NAN, NAN, 5, NAN, NAN), (2,)).tolist() == [1, 2, 1, 2, 5, 2, 5]


def test_the_first_season_that_reaches_back_counts_else_the_last_value_else_zero() -> None:
    assert causal_fill(values(NAN, 2, NAN, 4, NAN, 6), (4, 2)).tolist() == [0, 2, 0, 4, 0, 6]
    assert causal_fill(values(NAN, 2, NAN, 4, NAN, 6), (9, 3)).tolist() == [0, 2, 2, 4, 2, 6]


def test_without_a_season_each_series_carries_its_last_value_from_its_own_start() -> None:
    rows = np.array([[NAN, 3, NAN], [NAN, NAN, NAN]])
    assert causal_fill(rows, start=values(7, 8)).tolist() == [[7, 3, 3], [8, 8, 8]]


def test_no_filled_value_depends_on_a_later_one() -> None:
    rng = np.random.default_rng(0)
    whole = np.where(rng.random(200) < 0.4, NAN, rng.random(200))
    for seasons in ((), (24,), (168, 24)):
        assert np.array_equal(causal_fill(whole, seasons)[:120], causal_fill(whole[:120], seasons))
