"""The ledger: every decision and its reasons, one JSON line each, only ever appended.

    ledger.jsonl          the entries since the last rotation
    ledger.jsonl.1.gz …   earlier ones, the newest first; beyond `KEPT_FILES` the oldest is deleted
    ledger.lock           held while one of them is written

A crash can cut the last line short. The next `append` ends that line, notes the repair as an entry of its own and then
writes its entry on a new line, so that only the line that was cut is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.adapters.files import make_folder, refuse_link, sync_folder, unusable, write_bytes
from reconciler.errors import Unavailable
from reconciler.record.entries import Entry, Repaired, parse

#: Bytes that `ledger.jsonl` may reach before it is rotated, and rotated files that are kept.
MOST_BYTES, KEPT_FILES = 8 * 1024 * 1024, 12


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Whole entries, oldest first, and one sentence per file that holds lines which are no entries."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def append(path: Path, entry: Entry) -> None:
    """Append one entry and flush it to disk; concurrent writers do not mix lines. Rotates a full file first.

    A last line that was cut short is ended before; an entry `repaired` then says so.

    Raises:
        InputError: the file cannot be written or is a symbolic link; no part of the entry is left in it.
        Unavailable: its disk or mount does not answer.
    """
    line = _line(entry)
    refuse_link(path)
    try:
        make_folder(path.parent)
        with _locked(path, fcntl.LOCK_EX):
            if repair := _repair(path, entry.at):
                _write(path, repair)
            size = path.stat().st_size if path.exists() else 0
            if size and size + len(line) > MOST_BYTES:
                _rotate(path)
            _write(path, line)
    except OSError as error:
        raise _not_written(path, error) from None


def require_writable(path: Path) -> None:
    """Refuse a decision that could not be noted, before anything of it is written; errors as `append`.

    Writes no entry. A full disk shows only when the entry is written.
    """
    refuse_link(path)
    try:
        make_folder(path.parent)
        with _locked(path, fcntl.LOCK_EX), contextlib.suppress(FileNotFoundError):
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> Exception:
    problem = f"the ledger cannot be written: {error.strerror}."
    return unusable(path, error, problem, "Free the disk or correct the permissions.")


def read(path: Path, *, since: datetime | None = None) -> Ledger:
    """The entries of the ledger and its rotated files.

    Args:
        since: rotated files are read back to the first one that holds an older entry; None: all of them.

    Raises:
        Unavailable: a file of it is there and cannot be read. An unreadable ledger is not an empty one: its cooldowns and
            changes are unknown.
    """
    found: list[tuple[Entry, ...]] = []
    notes: list[str] = []
    try:
        with _locked(path, fcntl.LOCK_SH):
            for file in _files(path):
                entries, note = _entries(file)
                found.insert(0, entries)
                notes += [note] if note else []
                if since is not None and entries and entries[0].at < since:
                    break
    except OSError as error:
        raise Unavailable(
            f"{error.filename or path}: the ledger cannot be read ({error.strerror}), so cooldowns and past changes are unknown.",
            remedy="Correct its permissions or check its disk, then run the command again.",
        ) from None
    return Ledger(entries=tuple(one for entries in found for one in entries), notes=tuple(notes))


def _line(entry: Entry) -> bytes:
    return (json.dumps(entry.model_dump(mode="json"), sort_keys=True, ensure_ascii=False) + "\n").encode()


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """Hold the ledger's lock; a reader needs none where nothing was ever written."""
    lock = path.with_suffix(".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT if how == fcntl.LOCK_EX else os.O_RDONLY, 0o600)
    except FileNotFoundError:
        if how == fcntl.LOCK_EX:
            raise
        yield
        return
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _repair(path: Path, at: datetime) -> bytes:
    """What ends a last line that was cut short; empty where it is whole. A whole entry only lacks its line's end."""
    tail = _tail(path)
    if not tail:
        return b""
    if _parsed(tail) is not None:
        return b"\n"
    text = f"the last line was cut short after {len(tail)} bytes; it was ended, and its entry is lost"
    return b"\n" + _line(Repaired(at=at, event="repaired", bytes=len(tail), text=text))


def _tail(path: Path) -> bytes:
    """What follows the last end of a line."""
    if not path.exists():
        return b""
    with path.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        tail = b""
        while end and b"\n" not in tail:
            start = max(end - 65536, 0)
            stream.seek(start)
            tail = stream.read(end - start) + tail
            end = start
    return tail.rpartition(b"\n")[2]


def _write(path: Path, data: bytes) -> None:
    """Append all or nothing, as far as the disk lets us."""
    new = not path.exists()
    with path.open("ab") as stream:
        before = stream.seek(0, os.SEEK_END)
        try:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(stream.fileno(), before)
            raise
    if new:
        sync_folder(path.parent)


def _rotated(path: Path, number: int, end: str = ".gz") -> Path:
    return path.with_name(f"{path.name}.{number}{end}")


def _rotate(path: Path) -> None:
    """Move the ledger to number 1 and compress it. A kill between any two steps loses and repeats nothing."""
    plain = _rotated(path, 1, "")
    if plain.exists():  # a rotation was cut short
        _compress(path)
    for number in range(KEPT_FILES, 0, -1):
        file = _rotated(path, number)
        if not file.exists():
            continue
        if number == KEPT_FILES:
            file.unlink()
        else:
            file.rename(_rotated(path, number + 1))
    path.rename(plain)
    _compress(path)


def _compress(path: Path) -> None:
    plain = _rotated(path, 1, "")
    write_bytes(_rotated(path, 1), gzip.compress(plain.read_bytes(), mtime=0), mode=plain.stat().st_mode & 0o777)
    plain.unlink()


def _files(path: Path) -> list[Path]:
    """The files of the ledger, newest first; one that was being compressed is read as it was. Raises OSError."""
    plain = _rotated(path, 1, "")
    rotated = [_rotated(path, number) for number in range(2 if _there(plain) else 1, KEPT_FILES + 1)]
    return [file for file in (path, plain, *rotated) if _there(file)]


def _there(file: Path) -> bool:
    """Whether a file exists. Raises OSError where that can't be known (newer Pythons' `Path.exists` says no then)."""
    try:
        file.stat()
    except FileNotFoundError:
        return False
    return True


def _entries(file: Path) -> tuple[tuple[Entry, ...], str]:
    """Entries of one file, and a note where lines or the compressed file are damaged. Raises OSError."""
    data = file.read_bytes()
    try:
        data = gzip.decompress(data) if file.suffix == ".gz" else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        return (), f"{file.name} cannot be read ({error}): its entries are left out"
    lines = [line for line in data.split(b"\n") if line.strip()]
    parsed = [_parsed(line) for line in lines]
    whole = tuple(one for one in parsed if one is not None)
    lost = len(lines) - len(whole)
    return whole, f"{file.name}: {lost} line(s) were cut short by a crash and are left out" if lost else ""


def _parsed(line: bytes) -> Entry | None:
    try:
        return parse(json.loads(line))
    except (ValueError, RecursionError):
        return None
