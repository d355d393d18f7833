"""A misspelt column of counts never turns a series into an event log; what is only a guess is noted with its number."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from forecaster.errors import HistoryError
from reconciler.adapters.history.read import read_history
from reconciler.adapters.history.rules import HistoryRules

HOUR = timedelta(hours=1)


def write(folder: Path, column: str, value: str = "500") -> Path:
    file = folder / "h.csv"
    header = ",".join(filter(None, ["timestamp", "user_id", "application_id", column]))
    tail = f",{value}" if column else ""
    rows = [f"2024-01-01T{hour:02d}:00:00Z,u,a{tail}" for hour in range(4)]
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


@pytest.mark.parametrize(
    "column", ["reqs", "request", "Requests", "n_requests", "reqests", "hits", "count", "request_count", "num_requests"]
)
def test_a_column_that_looks_like_the_counts_is_an_error_with_the_name_that_was_meant(
    tmp_path: Path, column: str
) -> None:
    with pytest.raises(HistoryError) as caught:
        read_history([write(tmp_path, column)], step=HOUR)
    assert str(caught.value) == (
        f"{tmp_path}/h.csv: has no column `requests`, but a column `{column}`; did you mean `requests`? Rename the column, map "
        "it under `history.columns` in fleet.yaml, or set `history.kind: events` there if each row is one request."
    )


def test_a_declaration_settles_what_the_column_is(tmp_path: Path) -> None:
    file = write(tmp_path, "reqs")
    assert read_history([file], step=HOUR, rules=HistoryRules(kind="events")).total().tolist() == [1] * 4
    assert (
        read_history([file], step=HOUR, rules=HistoryRules(columns={"requests": "reqs"})).total().tolist() == [500] * 4
    )


@pytest.mark.parametrize(
    "column", ["request_bytes", "request_size", "status", "region", "rejected", "latency_ms", "request_ms", "shared"]
)
def test_columns_that_describe_one_request_are_no_counts(tmp_path: Path, column: str) -> None:
    assert read_history([write(tmp_path, column)], step=HOUR).total().tolist() == [1] * 4


def test_text_is_no_count(tmp_path: Path) -> None:
    assert read_history([write(tmp_path, "request", "GET /")], step=HOUR).total().tolist() == [1] * 4


def test_rows_that_are_events_only_by_a_guess_are_noted_with_their_number(tmp_path: Path) -> None:
    guessed = read_history([write(tmp_path, "")], step=HOUR).quality
    assert guessed.count("guessed-events") == 4
    declared = read_history([write(tmp_path, "")], step=HOUR, rules=HistoryRules(kind="events")).quality
    assert declared.count("guessed-events") == 0
    assert read_history([write(tmp_path, "program", "p")], step=HOUR).quality.count("guessed-events") == 0


def test_a_column_that_every_row_needs_is_found_by_a_close_name(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("timestmp,user_id,application,requests\n2024-01-01T00:00:00Z,u,a,1\n")
    with pytest.raises(
        HistoryError, match=r"Did you mean `timestamp` by `timestmp`.*`application_id` by `application`"
    ):
        read_history([tmp_path / "h.csv"], step=HOUR)


@pytest.mark.parametrize(
    ("column", "meant"), [("rejcted", "rejected"), ("Rejected", "rejected"), ("reject", "rejected"), ("shedd", "shed")]
)
def test_a_misspelt_column_of_demand_is_an_error_in_series_and_in_events(
    tmp_path: Path, column: str, meant: str
) -> None:
    for columns in (f"requests,{column}", column):
        file = write(tmp_path, columns, "500,3" if "," in columns else "1")
        with pytest.raises(HistoryError) as caught:
            read_history([file], step=HOUR)
        assert str(caught.value) == (
            f"{file}: has a column `{column}`, which is not read; did you mean `{meant}`, which is part of the demand? "
            "Rename the column, map it under `history.columns` in fleet.yaml, or remove it."
        )
    found = read_history([file], step=HOUR, rules=HistoryRules(columns={meant: column}))
    assert found.total().tolist() == [1] * 4


def test_a_misspelt_measurement_is_a_finding_since_the_demand_is_right_without_it(tmp_path: Path) -> None:
    series = read_history([write(tmp_path, "requests,latncy_ms", "500,3")], step=HOUR)
    assert series.total().tolist() == [500] * 4
    assert [(f.kind, f.treatment) for f in series.quality.findings] == [
        ("unread-latency_ms", "the column `latncy_ms` is not read; did you mean `latency_ms`?")
    ]
    events = read_history([write(tmp_path, "Request_ID,program", "7,p")], step=HOUR)
    assert events.quality.count("unread-request_id") == 1
    mapped = HistoryRules(columns={"latency_ms": "latncy_ms"})
    assert read_history([write(tmp_path, "requests,latncy_ms", "5,3")], step=HOUR, rules=mapped).quality.findings == ()
