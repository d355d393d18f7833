"""Histories: missing is not zero, sums look backwards only, cells come out the same in whatever order they went in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import HistoryError
from forecaster.history.assemble import cells_history, empty_history, extended
from forecaster.history.frame import history_from_frame
from forecaster.history.history import History
from forecaster.history.outages import outages, with_outages
from forecaster.history.rows import Cells

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(values: list[float | None], user: str = "u", application: str = "a", start: datetime = START) -> pd.DataFrame:
    """Tidy rows, one an hour; None is no row."""
    kept = [(start + k * HOUR, v) for k, v in enumerate(values) if v is not None]
    return pd.DataFrame(
        {
            "timestamp": [moment for moment, _ in kept],
            "user_id": user,
            "application_id": application,
            "requests": [value for _, value in kept],
        }
    )


def events(*hours: float, user: str = "u", application: str = "a") -> pd.DataFrame:
    """Event rows at these hours after the start."""
    return pd.DataFrame(
        {"timestamp": [START + h * HOUR for h in hours], "user_id": user, "application_id": application}
    )


def test_a_step_without_a_row_is_missing_in_a_series_and_zero_in_a_log() -> None:
    series = history_from_frame(rows([1, None, 3, 4, 5]))
    np.testing.assert_array_equal(series.series[("u", "a")], [1, np.nan, 3, 4, 5])
    log = history_from_frame(events(0.1, 0.2, 2.5), step=HOUR)
    np.testing.assert_array_equal(log.series[("u", "a")], [2, 0, 1])


def test_the_grid_is_whole_steps_of_utc_and_ends_with_the_last_step_that_is_over() -> None:
    history = history_from_frame(events(0.5, 1.2, 2.9), step=HOUR, until=START + 2.5 * HOUR)
    assert (history.start, history.end, history.cutoff) == (START, START + 2 * HOUR, START + HOUR)
    assert history.quality.count("future") == 1


def test_an_application_is_the_sum_of_its_users() -> None:
    history = history_from_frame(pd.concat([rows([1, 2, 3, 4]), rows([10, 20, 30, 40], user="v")]))
    names, index, values = history.by_application()
    assert (names, len(index)) == (("a",), 4)
    np.testing.assert_array_equal(values, [[11, 22, 33, 44]])
    np.testing.assert_array_equal(history.total(), values[0])


def test_a_sum_with_a_large_user_missing_is_missing_and_with_a_small_one_is_filled() -> None:
    large = history_from_frame(pd.concat([rows([50, 50, None, 50]), rows([50, 50, 50, 50], user="v")]))
    assert np.isnan(large.total()[2])
    small = history_from_frame(pd.concat([rows([2, 2, None, 2]), rows([98, 98, 98, 98], user="v")]))
    np.testing.assert_allclose(small.total(), [100, 100, 100, 100])


def test_a_user_who_has_not_come_yet_or_has_left_takes_nothing_from_the_sum() -> None:
    late = rows([None] * 60 + [5.0] * 10, user="v")
    history = history_from_frame(pd.concat([rows([10.0] * 70), late]))
    np.testing.assert_array_equal(history.total()[[0, 59, 60, 69]], [10, 10, 15, 15])
    gone = rows([5.0] * 10, user="v")
    history = history_from_frame(pd.concat([rows([10.0] * 70), gone]))
    assert np.isnan(history.total()[10:34]).all()
    np.testing.assert_array_equal(history.total()[34:], 10)


def test_no_sum_changes_when_later_rows_change() -> None:
    before = history_from_frame(pd.concat([rows([1.0, None, 3, 4, 5, 6]), rows([90.0] * 6, user="v")]))
    after = history_from_frame(pd.concat([rows([1.0, None, 3, 400, 0, None]), rows([90.0] * 6, user="v")]))
    np.testing.assert_array_equal(before.total()[:3], after.total()[:3])


def test_excluded_stretches_become_missing() -> None:
    log = history_from_frame(events(0, 1, 2, 3), step=HOUR).without([(START + HOUR, START + 3 * HOUR)])
    np.testing.assert_array_equal(log.total(), [1, np.nan, np.nan, 1])


def test_until_shows_only_what_was_known_then() -> None:
    history = history_from_frame(rows([1, 2, 3, 4, 5]))
    known = history.until(START + 2 * HOUR)
    np.testing.assert_array_equal(known.total(), [1, 2, 3])
    np.testing.assert_array_equal(history.tail(2).total(), [4, 5])


def test_newer_rows_replace_older_ones_and_keep_the_rest() -> None:
    both = extended(
        history_from_frame(rows([1, 2, 3, 4])), history_from_frame(rows([30, 40, 50, 60], start=START + 2 * HOUR))
    )
    np.testing.assert_array_equal(both.total(), [1, 2, 30, 40, 50, 60])


def test_histories_of_different_steps_do_not_join() -> None:
    with pytest.raises(HistoryError, match="aggregate the new rows"):
        extended(history_from_frame(rows([1, 2, 3, 4])), empty_history(2 * HOUR, START))


def test_no_rows_is_a_history_without_pairs() -> None:
    empty = history_from_frame(rows([]), step=HOUR)
    assert (empty.pairs, empty.length) == ((), 0)
    assert empty.by_application()[2].shape == (0, 0)


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(HistoryError, match=r"no column application_id.*it has timestamp, user_id"):
        history_from_frame(pd.DataFrame({"timestamp": [START], "user_id": ["u"]}))


def test_attempts_of_one_request_count_once() -> None:
    frame = events(0.1, 0.2, 0.3).assign(request_id=["r1", "r1", "r2"])
    history = history_from_frame(frame, step=HOUR)
    assert history.total().tolist() == [2]
    assert history.quality.count("retry") == 1


def test_retries_without_ids_are_known_by_the_rejected_call_before() -> None:
    seconds = [0, 5, 9, 9, 1800]
    frame = events(*(second / 3600 for second in seconds)).assign(
        program="p", parameters=["x", "x", "x", "y", "x"], rejected=["true", True, False, False, None]
    )
    history = history_from_frame(frame, step=HOUR)
    assert history.total().tolist() == [3]
    assert history.quality.count("retry") == 2


def test_silence_where_thirty_events_were_certain_is_an_outage_and_a_quiet_night_is_none() -> None:
    day = np.array([0.0] * 6 + [20.0] * 18)
    quiet = np.tile(day, 10)
    assert not outages(quiet, HOUR).any()
    down = quiet.copy()
    down[8 * 24 + 9 : 8 * 24 + 14] = 0
    assert np.flatnonzero(outages(down, HOUR)).tolist() == list(range(8 * 24 + 9, 8 * 24 + 14))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), level=st.sampled_from([1.0, 4.0, 20.0, 100.0]))
def test_as_it_came_no_step_is_an_outage_because_of_later_ones(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    total = rng.poisson(level, 24 * 16).astype(float)
    for begin in rng.integers(48, len(total), size=3):
        total[begin : begin + int(rng.integers(1, 60))] = 0
    marked = outages(total, HOUR, as_it_came=True)
    whole = outages(total, HOUR)
    assert not (marked & ~whole).any()
    for cut in rng.integers(2, len(total), size=12):
        assert (outages(total[:cut], HOUR, as_it_came=True) == marked[:cut]).all()
        assert (marked[cut - 1] == outages(total[:cut], HOUR)[-1]).all(), "known as soon as a run would know it"


def test_an_outage_of_the_log_is_missing_not_zero_and_is_reported() -> None:
    busy = [k + j / 50 for k in range(72) if not 60 <= k < 64 for j in range(50)]
    history = with_outages(history_from_frame(events(*busy), step=HOUR))
    assert np.isnan(history.total()[60:64]).all()
    assert history.quality.count("outage") == 4
    assert "outage × 4" in history.quality.text()


cells = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9), st.floats(0, 1e6)), unique_by=lambda c: (c[0], c[1]), max_size=30
)


def history_of(chosen: list[tuple[int, int, float]]) -> History:
    pair, position, value = (np.array([c[k] for c in chosen]) for k in range(3))
    names = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")]
    cells = Cells(
        step=HOUR,
        length=10,
        pair=pair.astype(np.int64),
        position=position.astype(np.int64),
        requests=value.astype(float),
    )
    return cells_history(cells, start=START, pairs=names, zero_absent=np.ones(4, dtype=bool))


@settings(max_examples=60, deadline=None)
@given(chosen=cells, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_cells_does_not_matter_and_parts_sum_to_the_whole(
    chosen: list[tuple[int, int, float]], seed: int
) -> None:
    history = history_of(chosen)
    shuffled = history_of([chosen[k] for k in np.random.default_rng(seed).permutation(len(chosen))])
    np.testing.assert_array_equal(history.requests, shuffled.requests)
    np.testing.assert_array_equal(history.position, shuffled.position)
    np.testing.assert_allclose(history.by_application()[2].sum(axis=0), history.total())
    np.testing.assert_allclose(history.by_user()[2].sum(axis=0), history.total())
    np.testing.assert_allclose(sum(history.row(k) for k in range(4)), history.total())


@settings(max_examples=40, deadline=None)
@given(chosen=cells, cut=st.integers(0, 9))
def test_what_was_known_at_a_time_is_the_beginning_of_what_is_known_now(
    chosen: list[tuple[int, int, float]], cut: int
) -> None:
    history = history_of(chosen)
    np.testing.assert_array_equal(history.until(START + cut * HOUR).total(), history.total()[: cut + 1])
