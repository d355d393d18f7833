"""End everything a lab started and remove what it left: `python3 -m lab.stop [--state] [--stack]`, or `stop()`.

It trusts nothing but records: daemons by their process records, virtual machines by the pid files that libvirt wrote
into this lab's own run directory. Standard library only, so it works with a missing or half-made virtualenv.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

from lab import paths, processes

# libvirt writes a machine's pid file right after it started it; a process much younger or older is another one.
PID_FILE_SECONDS = 60.0


def machines(run: Path) -> list[processes.Recorded]:
    """The QEMU processes whose pid files are in the run directory `run` and that these files still speak of."""
    found = []
    for path in sorted(run.glob("*/**/qemu/**/*.pid")):
        try:
            pid = int(path.read_text(encoding="ascii").strip())
            executable = Path(f"/proc/{pid}/exe").readlink().name
            written = path.stat().st_mtime
        except (OSError, ValueError):
            continue
        ticks = processes.start_ticks(pid)
        if ticks is None or not executable.startswith("qemu-system"):
            continue
        if abs(_started_at(ticks) - written) <= PID_FILE_SECONDS:
            found.append(processes.Recorded(name=path.stem, pid=pid, ticks=ticks, boot=processes.boot_id()))
    return found


def _started_at(ticks: int) -> float:
    """Unix time of a start given in clock ticks since boot."""
    hertz = 100.0  # USER_HZ, fixed for every Linux ABI that /proc speaks
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1]) + ticks / hertz
    return 0.0


def stop(directory: Path) -> list[str]:
    """End every process of the lab at `directory` and remove its run directory. Returns the names of what was ended."""
    run = paths.run_directory(directory)
    records = paths.records_directory(directory)
    ended = []
    # The hypervisors' daemons go first, so that none of them can start a machine again.
    for record in processes.read_records(records):
        if processes.end(record):
            ended.append(record.name)
        processes.forget(records, record.name)
    ended += [machine.name for machine in machines(run) if processes.end(machine, patience=2.0)]
    _unmount(run)
    shutil.rmtree(run, ignore_errors=True)
    return ended


def forget_stack(root: Path, stack: str) -> None:
    """Remove the files of the lab's own stack from the checkout at `root`; those of other stacks stay."""
    kept = root / ".tiercast"
    shutil.rmtree(kept / stack, ignore_errors=True)
    (root / f"Pulumi.{stack}.yaml").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        kept.rmdir()  # only where nothing else is in it


def _unmount(run: Path) -> None:
    """Detach mounts below `run`. There are none outside the daemons' own namespaces, unless one was made by hand."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for point in points:
        if Path(point).is_relative_to(run):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def main() -> int:
    """Command line: `--directory` names the lab (default: this checkout's); the flags say what is removed beside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=paths.lab_directory(paths.repository_root()))
    parser.add_argument("--state", action="store_true", help="remove the state directory, too")
    parser.add_argument(
        "--stack", action="store_true", help="remove this checkout's plan, ledger and file of the lab's stack"
    )
    arguments = parser.parse_args()
    ended = stop(arguments.directory)
    if arguments.state:
        shutil.rmtree(arguments.directory, ignore_errors=True)
    if arguments.stack:
        forget_stack(paths.repository_root(), paths.STACK)
    print(f"lab: ended {len(ended)} process(es)" + (": " + ", ".join(ended) if ended else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
