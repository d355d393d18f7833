"""The ledger is only appended to, and a line cut short loses only itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.ledger import append, entries
from reconciler.errors import InputError

AT = datetime(2026, 11, 24, tzinfo=UTC)


def test_entries_come_back_in_order_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.jsonl"
    append(path, at=AT, event="preview", detail={"plan": "a"})
    append(path, at=AT, event="up", detail={"plan": "a"})
    with path.open("a") as stream:
        stream.write('{"at": "2026-')
    assert [e["event"] for e in entries(path)] == ["preview", "up"]


def test_without_a_file_there_are_no_entries(tmp_path: Path) -> None:
    assert entries(tmp_path / "none") == []


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="the ledger cannot be written"):
        append(tmp_path / "file" / "ledger.jsonl", at=AT, event="up", detail={})
