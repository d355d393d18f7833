"""Texts where a number or a truth value belongs are never ignored in silence: the data-quality summary counts them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from forecaster.hierarchy.settings import PlbmSettings
from forecaster.history.frame import history_from_frame
from forecaster.history.history import History
from forecaster.plbm import PLBM
from reconciler.adapters.history.read import read_history, read_measurements
from reconciler.adapters.sources.files import FileSource

HEADER = "timestamp,user_id,application_id"


def read(folder: Path, columns: str, values: list[str]) -> History:
    file = folder / "h.csv"
    rows = [f"2024-01-01T{hour:02d}:00:00Z,u,a,{value}" for hour, value in enumerate(values)]
    file.write_text("\n".join([f"{HEADER},{columns}", *rows]) + "\n")
    return read_history([file], step=timedelta(hours=1))


def frame(columns: str, values: list[str]) -> pd.DataFrame:
    """The same rows in memory, their values as they were written."""
    cells = pd.DataFrame([value.split(",") for value in values], columns=columns.split(","))
    hours = pd.date_range("2024-01-01", periods=len(values), freq="h", tz="UTC")
    return cells.assign(timestamp=hours, user_id="u", application_id="a")


def counted(history: History, kind: str) -> dict[str, int]:
    """Count per column."""
    found = [f for f in history.quality.findings if f.kind == kind]
    return {f.where.rpartition(", ")[2]: f.count for f in found}


def unreadable(history: History) -> dict[str, int]:
    return counted(history, "unreadable-value")


@pytest.mark.parametrize(
    ("columns", "values", "expected"),
    [
        ("program,cpu_seconds,latency_ms", ["p,0.1,5", "p,fast,5", "p,,slow", "p,0.2 s,NaN"], {"cpu_seconds": 2, "latency_ms": 1}),
        ("program,cpu_seconds", ["p,0.1", "p,", "p,0.3"], {}),
        ("program,rejected", ["p,true", "p,perhaps", "p,false"], {"rejected": 1}),
        ("requests,shed", ["5,true", "5,maybe", "5,", "5,no idea"], {"shed": 2}),
        ("requests,rejected,cpu", ["5,1,0.5", "5,some,0.5", "5,2,busy"], {"rejected": 1, "cpu": 1}),
    ],
)  # fmt: skip
def test_what_cannot_be_read_in_a_column_that_may_be_absent_is_counted(
    columns: str, values: list[str], expected: dict[str, int], tmp_path: Path
) -> None:
    assert unreadable(read(tmp_path, columns, values)) == expected


def test_shed_may_also_be_how_many_were_turned_away(tmp_path: Path) -> None:
    history = read(tmp_path, "requests,shed", ["5,0", "5,3", "5,0"])
    assert history.quality.count("censored") == 1
    assert unreadable(history) == {}


@pytest.mark.parametrize(
    ("columns", "values", "below"),
    [
        ("program,cpu_seconds,memory_bytes", ["p,-0.1,5", "p,0.1,-5", "p,-2,", "p,0,0"], {"cpu_seconds": 2, "memory_bytes": 1}),
        ("program,network_bytes,latency_ms", ["p,-1,5", "p,inf,-3", "p,3,4"], {"network_bytes": 2, "latency_ms": 1}),
        ("program,cpu_seconds,rejected", ["p,-1,true", "p,-1,true", "p,2,false"], {"cpu_seconds": 2}),
        ("program,cpu_seconds,request_id", ["p,-1,r", "p,-1,r", "p,2,s"], {"cpu_seconds": 2}),
        ("program,cpu_seconds", ["p,-1", "p,slow", "p,2"], {"cpu_seconds": 1}),
        ("requests,rejected,cpu", ["5,-1,0.5", "5,1,-0.5", "5,0,0.5"], {"rejected": 1, "cpu": 1}),
        ("requests,latency_ms", ["5,-1", "5,1", "5,0"], {"latency_ms": 1}),
        ("requests,cpu", ["5,1", "5,0"], {}),
    ],
)  # fmt: skip
def test_what_nothing_can_have_measured_is_missing_and_counted(
    columns: str, values: list[str], below: dict[str, int], tmp_path: Path
) -> None:
    assert counted(read(tmp_path, columns, values), "negative-value") == below


def test_negative_utilisation_does_not_lower_the_mean(tmp_path: Path) -> None:
    history = read(tmp_path, "requests,cpu", ["5,0.5", "5,-9", "5,0.7"])
    assert sorted(history.utilisation["cpu"][~pd.isna(history.utilisation["cpu"])]) == [0.5, 0.7]


def test_a_measurement_that_is_none_is_not_learned_from(tmp_path: Path) -> None:
    read(tmp_path, "program,cpu_seconds,latency_ms", ["p,-9,1", "p,0.5,-7", "p,inf,2", "p,fast,3"])
    sample = read_measurements(FileSource(paths=(str(tmp_path / "h.csv"),)))
    assert sorted(sample["cpu_seconds"].dropna()) == [0.5]
    assert sorted(sample["latency_ms"].dropna()) == [1, 2, 3]


def test_a_frame_that_is_trained_on_is_counted_like_a_file() -> None:
    events = frame("program,cpu_seconds,latency_ms", ["p,-9,1", "p,0.5,slow", "p,fast,2", "p,,3", "p,0.7,-1"])
    series = frame("requests,cpu,rejected,shed", ["5,-1,some,true", "many,1,0,maybe", "5,busy,-2,1"])
    assert unreadable(history_from_frame(events)) == {"cpu_seconds": 1, "latency_ms": 1}
    assert counted(history_from_frame(events), "negative-value") == {"cpu_seconds": 1, "latency_ms": 1}
    assert unreadable(history_from_frame(series)) == {"requests": 1, "cpu": 1, "rejected": 1, "shed": 2}
    assert counted(history_from_frame(series), "negative-value") == {"cpu": 1, "rejected": 1}

    trained = PLBM(PlbmSettings(horizon=2)).train(events).state.history
    assert unreadable(trained) == {"cpu_seconds": 1, "latency_ms": 1}
    assert counted(trained, "negative-value") == {"cpu_seconds": 1, "latency_ms": 1}
    beside = PLBM(PlbmSettings(horizon=2)).train(
        events[["timestamp", "user_id", "application_id"]], measurements=events
    )
    assert counted(beside.state.history, "negative-value") == {"cpu_seconds": 1, "latency_ms": 1}
