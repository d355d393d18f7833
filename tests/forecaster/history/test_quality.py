"""Cleaning of series: each defect is mended in one stated way and reported, or refused in one sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import HistoryError
from forecaster.history.frame import history_from_frame
from forecaster.history.quality import Finding, Quality, merged

MINUTES = timedelta(minutes=5)
START = datetime(2024, 3, 1, tzinfo=UTC)


def series(
    values: list[float], *, every: timedelta = MINUTES, start: datetime = START, **columns: list[float]
) -> pd.DataFrame:
    """Rows of one user and application at equal distances."""
    times = [start + k * every for k in range(len(values))]
    return pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": "a", "requests": values, **columns})


def test_unsorted_rows_are_sorted_and_counted() -> None:
    history = history_from_frame(series([1, 2, 3, 4, 5]).iloc[[4, 0, 1, 3, 2]])
    assert history.total().tolist() == [1, 2, 3, 4, 5]
    assert history.quality.count("unsorted") == 2


def test_repeated_rows_count_once_and_of_conflicting_ones_the_last_holds() -> None:
    frame = pd.concat([series([1, 2, 3, 4]), series([1]), series([9], start=START + MINUTES)])
    history = history_from_frame(frame)
    assert history.total().tolist() == [1, 9, 3, 4]
    assert (history.quality.count("duplicate"), history.quality.count("conflict")) == (1, 1)


def test_a_negative_count_is_missing_and_a_column_of_them_is_refused() -> None:
    history = history_from_frame(series([1, -2, 3, 4]))
    assert np.isnan(history.total()[1])
    assert history.quality.count("negative") == 1
    with pytest.raises(
        HistoryError, match=r"4 of 5 counts are negative.*user u, application a at 2024-03-01T00:00:00Z"
    ):
        history_from_frame(series([-1, -2, -3, -4, 5]))


def test_a_counter_that_restarts_gives_the_increase_since_the_restart() -> None:
    history = history_from_frame(series([100, 110, 130, 7, 20]), counters=True)
    assert history.total().tolist() == [10, 20, 7, 13]
    assert history.quality.count("counter-reset") == 1


def test_an_increase_over_several_steps_is_no_spike_after_a_gap_of_a_counter() -> None:
    hourly = series([100.0 * k for k in range(12)], every=timedelta(hours=1)).drop(index=[4, 5, 6])
    history = history_from_frame(hourly, counters=True)
    assert np.nan_to_num(history.total(), nan=-1).tolist() == [100, 100, 100, -1, -1, -1, -1, 100, 100, 100, 100]
    assert history.quality.count("counter-gap") == 1
    calm = history_from_frame(hourly, counters=True, absent="zero")  # it only speaks when it has counted something
    assert calm.total().tolist() == [100, 100, 100, 0, 0, 0, 400, 100, 100, 100, 100]


def test_a_reading_that_is_lacking_within_a_step_costs_nothing() -> None:
    minutes = series([10.0 * k for k in range(61)], every=timedelta(minutes=1)).drop(index=[17, 18, 44])
    history = history_from_frame(minutes, step=timedelta(minutes=20), counters=True, until=START + timedelta(hours=1))
    np.testing.assert_allclose(history.total(), [200, 200, 200])
    assert history.quality.count("counter-gap") == 0


def test_times_that_jitter_fall_in_one_step_each() -> None:
    rng = np.random.default_rng(5)
    frame = series([10.0] * 200, start=START + timedelta(minutes=2, seconds=29))
    frame["timestamp"] += pd.to_timedelta(rng.integers(-40, 41, 200) * (np.arange(200) % 3 == 0), unit="s")
    history = history_from_frame(frame)
    np.testing.assert_array_equal(history.total(), np.full(200, 10.0))
    assert history.quality.count("jitter") > 0


def test_finer_rows_are_added_up_and_a_step_with_too_few_of_them_is_missing() -> None:
    minutes = series([1.0] * 60, every=timedelta(minutes=1)).drop(index=[10, 11])
    history = history_from_frame(minutes, step=timedelta(minutes=20), until=START + timedelta(hours=1))
    np.testing.assert_array_equal(history.total(), [20, 20, 20])  # 18 of 20 minutes: scaled
    history = history_from_frame(minutes, step=timedelta(minutes=5), until=START + timedelta(hours=1))
    assert np.flatnonzero(np.isnan(history.total())).tolist() == [2]
    assert history.quality.count("incomplete-step") == 1


def test_the_step_that_the_source_ends_in_is_not_over() -> None:
    history = history_from_frame(series([1.0] * 13, every=timedelta(minutes=1)), step=MINUTES)
    assert history.total().tolist() == [5, 5]


def test_a_source_coarser_than_the_step_is_refused() -> None:
    with pytest.raises(HistoryError, match="a row every 1 h, but the step is 5 min"):
        history_from_frame(series([1.0] * 30, every=timedelta(hours=1)), step=MINUTES)


def test_two_steps_mixed_in_one_series_are_refused_with_both_named() -> None:
    fine = series([10.0] * 200)
    coarse = series([120.0] * 30, every=timedelta(hours=1), start=START + 200 * MINUTES)
    with pytest.raises(
        HistoryError, match=r"two steps are mixed: user u, application a has rows every 1 h and .* 5 min"
    ):
        history_from_frame(pd.concat([fine, coarse]), step=MINUTES)
    assert history_from_frame(pd.concat([fine, coarse]), step=timedelta(hours=1)).length > 40


@pytest.mark.parametrize("first", ["coarse", "fine"])
def test_hourly_rows_beside_finer_ones_are_hours(first: str) -> None:
    hour = timedelta(hours=1)
    coarse, fine = [120.0] * 30, [10.0] * 600
    parts = (
        [series(coarse, every=hour), series(fine, start=START + 30 * hour)]
        if first == "coarse"
        else [series(fine), series(coarse, every=hour, start=START + 50 * hour)]
    )
    history = history_from_frame(pd.concat(parts), step=hour, until=START + 80 * hour)
    assert history.total().tolist() == [120] * 80
    assert history.quality.count("coarser-rows") == 30
    assert history.quality.count("incomplete-step") == 0


def test_two_series_of_different_steps_are_refused() -> None:
    coarse = series([120.0] * 30, every=timedelta(hours=1)).assign(application_id="b")
    with pytest.raises(HistoryError, match="application b has rows every 1 h and rows every 5 min"):
        history_from_frame(pd.concat([series([10.0] * 200), coarse]), step=MINUTES)


def test_a_quiet_series_with_long_gaps_is_not_taken_for_mixed_steps() -> None:
    frame = series([1.0] * 300).drop(index=[k for k in range(100, 200) if k % 3])
    assert history_from_frame(frame, step=MINUTES).quality.count("gap") > 0


def test_demand_is_what_was_offered_and_uncounted_shedding_is_censored() -> None:
    frame = series([10, 10, 10, 10], rejected=[0, 5, np.nan, np.nan], shed=[0, 1, 1, 0])
    history = history_from_frame(frame)
    assert history.total().tolist() == [10, 15, 10, 10]
    assert history.censored.tolist() == [False, False, True, False]
    assert history.censored_by_application().tolist() == [[False, False, True, False]]
    assert history.quality.count("censored") == 1


def test_a_series_without_any_value_is_reported() -> None:
    history = history_from_frame(series([np.nan] * 5), step=MINUTES)
    assert history.quality.count("all-missing") == 1
    assert np.isnan(history.total()).all()


def test_future_rows_are_left_out_and_counted() -> None:
    history = history_from_frame(series([1.0, 2, 3, 4, 5, 6]), until=START + 4 * MINUTES)
    assert history.total().tolist() == [1, 2, 3, 4]
    assert history.quality.count("future") == 2


def test_the_summary_says_the_same_as_text_and_as_json() -> None:
    quality = history_from_frame(series([1, -2, 3, 4])).quality
    assert "negative × 1" in quality.text()
    document = quality.as_json()
    assert [f["kind"] for f in document["findings"]] == ["negative", "gap"]
    assert document["steps"] == 4
    assert document["missing_share"] == 0.25


def test_findings_of_the_same_kind_and_place_add_up() -> None:
    one = Quality(rows=3).with_findings([Finding(kind="gap", count=2, where="x", treatment="left missing.")])
    assert merged([one, one]).count("gap") == 4
    assert merged([one, one]).rows == 6
