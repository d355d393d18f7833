"""Where a lab keeps its things. Standard library only: `make clean` needs it without a virtualenv.

`.tiercast/lab-state/` in the checkout holds state, logs and records (`.tiercast/lab/` is the folder of the *stack*
called lab: its plan, models and ledger, which outlive the daemons). Sockets, and what libvirt wants under `/run`, are
in the run directory: a Unix socket's path must be shorter than 108 characters and a checkout may live at a long path.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

#: Name of the lab's own Pulumi stack.
STACK = "lab"


def repository_root() -> Path:
    """The checkout this package was loaded from: where the lab's own code is."""
    return Path(__file__).resolve().parent.parent


def lab_directory(root: Path) -> Path:
    """State directory of the lab that belongs to the checkout at `root`."""
    return root.resolve() / ".tiercast" / "lab-state"


def records_directory(directory: Path) -> Path:
    """Where the process records of the lab at `directory` are."""
    return directory / "processes"


def fingerprint(directory: Path) -> str:
    """Eight hex digits that tell the labs of one machine apart: a digest of the state directory's path."""
    return hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]


def run_directory(directory: Path) -> Path:
    """The short directory for sockets of the lab at `directory`: under /run for root, else under XDG_RUNTIME_DIR."""
    name = f"tiercast-{fingerprint(directory)}"
    if os.geteuid() == 0:
        return Path("/run") / name
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and len(runtime) < 40 and os.access(runtime, os.W_OK):
        return Path(runtime) / name
    return Path("/var/tmp") / f"{name}-{os.geteuid()}"


def cache_directory() -> Path:
    """What all checkouts of one user share: the built engine and the guest's image."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tiercast"
