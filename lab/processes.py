"""The lab's processes: started with a record, ended only by that record.

A process id alone is not proof: ids are used again. A record therefore holds the id, the start time in clock ticks
since boot (`/proc/<pid>/stat`, field 22) and the boot id; a process is ours only where all three agree. Standard
library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Recorded:
    """A process the lab started: `ticks` is its start time in clock ticks since the boot named `boot`."""

    name: str
    pid: int
    ticks: int
    boot: str


def boot_id() -> str:
    """The running kernel's boot id; records of an earlier boot are never acted on."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_ticks(pid: int) -> int | None:
    """Start time of process `pid` in clock ticks since boot, or None where it is gone or only a zombie is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command name stands in brackets and may hold anything, so split after the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(record: Recorded) -> bool:
    """True where the recorded process still runs, and is not another one that got its id."""
    return record.boot == boot_id() and start_ticks(record.pid) == record.ticks


def write_record(directory: Path, name: str, pid: int) -> Recorded:
    """Record the running process `pid` as `<directory>/<name>.json` and return the record."""
    ticks = start_ticks(pid)
    record = Recorded(name=name, pid=pid, ticks=-1 if ticks is None else ticks, boot=boot_id())
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{name}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")
    temporary.replace(directory / f"{name}.json")
    return record


def read_records(directory: Path) -> list[Recorded]:
    """All records in `directory`, by name; a file that is cut short or foreign is skipped."""
    records = []
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else []:
        with contextlib.suppress(OSError, ValueError, TypeError):
            records.append(Recorded(**json.loads(path.read_text(encoding="utf-8"))))
    return records


def read_record(directory: Path, name: str) -> Recorded | None:
    """The record called `name`, or None."""
    return next((record for record in read_records(directory) if record.name == name), None)


def start(
    command: Sequence[str], *, name: str, directory: Path, log: Path, environment: Mapping[str, str] | None = None
) -> Recorded:
    """Start `command` in a session of its own, output appended to `log`, and record it before anything can interrupt.

    SIGINT is held back between the fork and the record, so that Ctrl-C can't leave a process nobody knows of.
    Raises OSError where the program can't be run.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(parents=True, exist_ok=True)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _UNBLOCK_AND_EXEC, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=None if environment is None else dict(environment),
            )
        record = write_record(directory, name, process.pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    # Ours to reap, but it outlives us: without this the interpreter warns about a running child.
    process.returncode = 0
    return record


# The child inherits the blocked signals; it must let them through again before it becomes the daemon.
_UNBLOCK_AND_EXEC = (
    "import os, signal, sys; signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM}); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def end(record: Recorded, *, patience: float = 10.0) -> bool:
    """End a recorded process: SIGTERM, after `patience` seconds SIGKILL. True where it ran and is gone now."""
    if not is_alive(record):
        return False
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        # A stopped process takes no SIGTERM until it is continued.
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGCONT)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                os.waitpid(record.pid, os.WNOHANG)
            if not is_alive(record):
                return True
            time.sleep(POLL_SECONDS)
    return not is_alive(record)


def forget(directory: Path, name: str) -> None:
    """Remove the record called `name`."""
    with contextlib.suppress(FileNotFoundError):
        (directory / f"{name}.json").unlink()
