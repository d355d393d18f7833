"""Any tidy file gives traces: a series per application, cut as the protocol says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.sizing.contenders import case_of
from benchmarks.sizing.traces import of_file, traces


def _written(path: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(path, index=False)
    return path


def test_a_trace_per_application_with_its_users_added(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=48, freq="1h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [
        pd.DataFrame({"timestamp": stamps, "user_id": user, "application_id": application, "requests": requests})
        for user, application, requests in (("u", "a", 1.0), ("v", "a", 2.0), ("u", "b", 5.0))
    ]
    path = _written(tmp_path / "demand.csv", pd.concat(parts))
    first, second = traces(None, [path], [], quick=False)
    assert (first.name, second.name, first.source) == ("a", "b", "demand")
    assert first.step == pd.Timedelta("1h")
    np.testing.assert_array_equal(first.values, 3.0)
    assert [trace.name for trace in traces(None, [path], ["b"], quick=False)] == ["b"]


def test_minutes_are_joined_to_five_and_gaps_stay_gaps(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=60, freq="1min", tz="UTC").delete(list(range(10, 15)))
    path = _written(tmp_path / "minutes.csv", pd.DataFrame({"timestamp": stamps, "requests": 2.0}))
    (trace,) = of_file(path)
    assert (trace.name, trace.step, len(trace.values)) == ("minutes", pd.Timedelta("5min"), 12)
    assert np.isnan(trace.values[2])
    assert trace.values[3] == 10.0


def test_levels_are_averaged(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=10, freq="1min", tz="UTC")
    path = _written(tmp_path / "cpu.csv", pd.DataFrame({"timestamp": stamps, "cpu": 40.0}))
    (trace,) = of_file(path)
    assert trace.values.tolist() == [40.0, 40.0]


def test_what_a_file_lacks_is_said(tmp_path: Path) -> None:
    path = _written(tmp_path / "bad.csv", pd.DataFrame({"time": ["2024-01-01"], "requests": [1.0]}))
    with pytest.raises(ValueError, match="timestamp"):
        list(of_file(path))


def test_a_trace_without_demand_has_no_unit(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=48, freq="1h", tz="UTC")
    (trace,) = of_file(_written(tmp_path / "none.csv", pd.DataFrame({"timestamp": stamps, "requests": 0.0})))
    with pytest.raises(ValueError, match="no unit"):
        case_of(trace, lead=1, instances=20)
