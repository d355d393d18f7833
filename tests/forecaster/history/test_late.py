"""A source that is read again: rows that came late are taken in, nothing known is forgotten, and no change is no news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.history.assemble import extended
from forecaster.history.frame import history_from_frame
from forecaster.history.history import History
from forecaster.history.late_rows import news
from tests.reconciler.cli.command_cases import document, enter_project

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def series(values: dict[int, float], user: str = "u") -> History:
    """Counts by hour."""
    times = [START + hour * HOUR for hour in values]
    frame = pd.DataFrame({"timestamp": times, "user_id": user, "application_id": "a"})
    return history_from_frame(frame.assign(requests=list(values.values())), step=HOUR)


def log(counts: dict[int, int]) -> History:
    """Events by hour."""
    times = [START + hour * HOUR for hour, count in counts.items() for _ in range(count)]
    return history_from_frame(pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": "a"}), step=HOUR)


def after(known: History, read: History) -> list[float]:
    """What is known once a source was read again."""
    new = news(read, known)
    return (known if new is None else extended(known, new)).total().tolist()


def test_a_late_row_a_corrected_one_and_a_newer_one_are_news() -> None:
    known = series({0: 5, 1: 6, 3: 7, 4: 8})
    assert np.isnan(known.total()[2])
    new = news(series({0: 5, 1: 9, 2: 4, 3: 7, 4: 8, 5: 3}), known)
    assert new is not None
    assert new.quality.count("late") == 2
    assert extended(known, new).total().tolist() == [5, 9, 4, 7, 8, 3]


def test_the_same_again_is_no_news() -> None:
    known = series({0: 5, 2: 7, 3: 8})
    assert news(known, known) is None
    assert news(series({0: 5}), known) is None
    assert news(log({0: 2, 3: 4}), log({0: 2, 3: 4})) is None


def test_a_user_who_was_not_known_may_come_late() -> None:
    known = series({0: 5, 1: 6, 2: 7, 3: 8})
    other = extended(known, series({1: 2, 2: 2, 3: 2}, user="v"))
    assert after(known, other) == [5, 8, 9, 10]


def test_events_that_come_late_are_counted_and_a_log_that_was_cut_takes_none_back() -> None:
    known = log({0: 4, 1: 4, 2: 4, 3: 4})
    assert after(known, log({0: 4, 1: 7, 2: 4, 3: 4})) == [4, 7, 4, 4]
    assert after(known, log({2: 1, 3: 4, 4: 6})) == [4, 4, 4, 4, 6], "its first hours were rotated away"


def test_a_series_that_begins_later_may_begin_within_a_step() -> None:
    known = series({0: 5, 1: 6, 2: 7, 3: 8})
    assert after(known, series({2: 1, 3: 8, 4: 9, 5: 1})) == [5, 6, 7, 8, 9, 1]


def test_a_forecast_takes_late_rows_in_though_no_step_is_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter_project(tmp_path, monkeypatch, horizon="2h")
    times = pd.date_range(START, periods=60, freq="h")
    rows = pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": "a", "requests": np.arange(60) % 24})
    rows.drop(index=[57, 58]).to_csv("demand.csv", index=False)
    trained = document(capsys, "train")
    rows.to_csv("demand.csv", index=False)
    document(capsys, "forecast")
    quality = document(capsys, "explain-forecast")["quality"]
    assert (trained["quality"]["missing_share"] > 0, quality["missing_share"]) == (True, 0)
    assert {finding["kind"]: finding["count"] for finding in quality["findings"]}["late"] == 2
    assert document(capsys, "forecast")["update"] is None, "the second time there is nothing new"
