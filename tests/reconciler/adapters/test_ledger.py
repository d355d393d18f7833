"""The ledger is only appended to; a line cut short loses only itself; rotation loses, repeats and reorders nothing."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters import ledger
from reconciler.adapters.ledger import append, read
from reconciler.errors import InputError, Unavailable
from reconciler.record.entries import NotApplied, Previewed, Repaired, Started

AT = datetime(2026, 11, 24, tzinfo=UTC)
FIRST = b'{"at": "2026-11-24T00:00:00+00:00", "event": "preview", "plan": "a"}\n'
SECOND = '{"at": "2026-11-24T00:00:00+00:00", "event": "held", "why": ["Zürich \u2028 \\n"]}\n'.encode()


def up(plan: str, at: datetime = AT) -> Started:
    return Started(at=at, event="up", plan=plan)


#: Bytes of a file that is full with three entries.
SMALL = 3 * len(ledger._line(up("0" * 12))) + 10


def names(path: Path) -> list[str]:
    return [e.event for e in read(path).entries]


def test_entries_come_back_in_order_and_a_torn_line_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.jsonl"
    append(path, Previewed(at=AT, event="preview", plan="a"))
    append(path, up("a"))
    assert read(path).notes == ()
    with path.open("a") as stream:
        stream.write('{"at": "2026-')
    assert names(path) == ["preview", "up"]
    assert read(path).notes == ("ledger.jsonl: 1 line(s) were cut short by a crash and are left out",)


def test_without_a_file_there_are_no_entries_and_reading_makes_none(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == ledger.Ledger(entries=())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="the ledger cannot be written"):
        append(tmp_path / "file" / "ledger.jsonl", up("a"))


@pytest.mark.parametrize("kept", range(len(SECOND) + 1))
def test_a_kill_at_any_byte_costs_at_most_the_entry_that_was_being_written(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(FIRST + SECOND[:kept])
    append(path, up("b"))
    whole = kept >= len(SECOND) - 1
    repaired = 0 < kept < len(SECOND) - 1
    assert names(path) == ["preview", *["held"] * whole, *["repaired"] * repaired, "up"]
    assert path.read_bytes().startswith(FIRST + SECOND[:kept])
    assert path.read_bytes().endswith(b"\n")
    if repaired:
        (note,) = (e for e in read(path).entries if isinstance(e, Repaired))
        assert note.bytes == kept
        assert f"cut short after {kept} bytes" in note.text
    append(path, up("c"))
    assert names(path).count("repaired") == repaired


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=3),
            st.binary(max_size=12).filter(lambda torn: b"\n" not in torn),
        ),
        max_size=6,
    )
)
def test_whatever_is_torn_between_entries_every_entry_comes_back(rows: list[tuple[list[str], bytes]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        for why, torn in rows:
            append(path, NotApplied(at=AT, event="held", why=tuple(why)))
            with path.open("ab") as stream:
                stream.write(torn)
        found = [list(e.why) for e in read(path).entries if isinstance(e, NotApplied)]
        assert found == [why for why, _ in rows]


def write(path: Path, numbers: range) -> None:
    for k in numbers:
        append(path, up(f"{k:012d}", AT + timedelta(minutes=k)))


def plans(path: Path, since: datetime | None = None) -> list[int]:
    return [int(e.plan) for e in read(path, since=since).entries]


def test_a_full_file_is_rotated_and_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_BYTES", SMALL)
    path = tmp_path / "ledger.jsonl"
    write(path, range(23))
    assert plans(path) == list(range(23))
    assert sorted(p.name for p in tmp_path.iterdir())[:3] == ["ledger.jsonl", "ledger.jsonl.1.gz", "ledger.jsonl.2.gz"]
    assert all(p.stat().st_size <= SMALL for p in tmp_path.iterdir())


def test_rotated_files_are_bounded_and_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_BYTES", SMALL)
    monkeypatch.setattr(ledger, "KEPT_FILES", 3)
    path = tmp_path / "ledger.jsonl"
    write(path, range(60))
    assert len(list(tmp_path.glob("*.gz"))) == 3
    found = plans(path)
    assert found == list(range(found[0], 60))
    assert len(found) >= 3 * 4


def test_since_reads_back_no_further_than_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_BYTES", SMALL)
    path = tmp_path / "ledger.jsonl"
    write(path, range(40))
    found = plans(path, since=AT + timedelta(minutes=30))
    assert found == list(range(found[0], 40))
    assert 20 <= found[0] <= 30


@pytest.mark.parametrize("step", range(6))
def test_a_rotation_cut_short_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    path = tmp_path / "ledger.jsonl"
    monkeypatch.setattr(ledger, "MOST_BYTES", SMALL)
    write(path, range(14))
    before = plans(path)
    done = [0]

    def cut(original: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            done[0] += 1
            if done[0] > step:
                raise KeyboardInterrupt
            return original(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "MOST_BYTES", 1)
        for name in ("rename", "unlink"):
            patch.setattr(Path, name, cut(getattr(Path, name)))
        patch.setattr(ledger, "write_bytes", cut(ledger.write_bytes))
        try:
            write(path, range(14, 15))
        except KeyboardInterrupt:
            assert plans(path) == before
    last = before[-1] + 1 if plans(path) == before else 15
    write(path, range(last, 30))
    assert plans(path) == list(range(30))


def test_a_torn_line_before_a_rotation_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(FIRST + SECOND[:20])
    monkeypatch.setattr(ledger, "MOST_BYTES", 100)
    append(path, up("a"))
    assert names(path) == ["preview", "repaired", "up"]
    assert gzip.decompress((tmp_path / "ledger.jsonl.1.gz").read_bytes()).startswith(FIRST + SECOND[:20] + b"\n")


def test_a_rotated_file_that_is_damaged_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MOST_BYTES", SMALL)
    path = tmp_path / "ledger.jsonl"
    write(path, range(12))
    (tmp_path / "ledger.jsonl.2.gz").write_bytes(b"\x1f\x8b broken")
    assert plans(path)[-1] == 11
    (note,) = read(path).notes
    assert note.startswith("ledger.jsonl.2.gz cannot be read")


def write_rotating(path: Path, numbers: range) -> None:
    """`write` in a process of its own, with small files."""
    ledger.MOST_BYTES = 2000
    write(path, numbers)


def test_writers_at_the_same_time_mix_no_lines_while_the_file_rotates(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    # Not forked: other tests may have started threads in this process.
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        list(pool.map(write_rotating, [path] * 3, [range(k, k + 30) for k in (0, 100, 200)]))
    found = plans(path)
    assert sorted(found) == [*range(30), *range(100, 130), *range(200, 230)]
    assert [k for k in found if k < 100] == list(range(30))


def test_a_full_disk_leaves_no_part_of_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, range(2))
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write(path, range(2, 3))
    assert path.read_bytes() == before


def test_the_lock_is_free_after_a_write(tmp_path: Path) -> None:
    write(tmp_path / "ledger.jsonl", range(1))
    with (tmp_path / "ledger.lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_link_in_place_of_the_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept\n")
    (tmp_path / "ledger.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="symbolic link"):
        append(tmp_path / "ledger.jsonl", up("a"))
    assert (tmp_path / "elsewhere").read_text() == "kept\n"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, which no permission stops."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A ledger with two entries in a folder that everybody may enter."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "ledger.jsonl", range(2))
        folder.chmod(0o777)
        for file in folder.iterdir():
            file.chmod(0o666)
        yield folder / "ledger.jsonl"
        folder.chmod(0o777)


@pytest.mark.parametrize("hidden", ["ledger.jsonl", "ledger.lock", "."])
def test_a_ledger_that_may_not_be_read_is_not_an_empty_one(shared: Path, hidden: str) -> None:
    (shared.parent / hidden).chmod(0)
    with as_nobody(), pytest.raises(Unavailable, match=r"cannot be read \(Permission denied\), so cooldowns"):
        read(shared)


def test_a_folder_in_place_of_the_ledger_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(Unavailable, match="Is a directory"):
        read(tmp_path / "ledger.jsonl")


def test_a_disk_that_fails_is_not_an_empty_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "ledger.jsonl", range(1))

    def failing(self: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(Unavailable, match="Input/output error"):
        read(tmp_path / "ledger.jsonl")


def test_a_ledger_that_can_be_written_is_left_as_it_is(shared: Path) -> None:
    before = shared.read_bytes()
    ledger.require_writable(shared)
    assert shared.read_bytes() == before
    ledger.require_writable(shared.parent / "new" / "ledger.jsonl")
    assert not (shared.parent / "new" / "ledger.jsonl").exists()


@pytest.mark.parametrize(("hidden", "mode"), [("ledger.jsonl", 0o444), ("ledger.lock", 0o444)])
def test_a_ledger_that_may_not_be_written_is_refused_before(shared: Path, hidden: str, mode: int) -> None:
    (shared.parent / hidden).chmod(mode)
    with as_nobody(), pytest.raises(InputError, match="the ledger cannot be written: Permission denied"):
        ledger.require_writable(shared)
