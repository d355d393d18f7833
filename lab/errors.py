"""Errors of the lab; all of them are for a person to mend.

reconciler.errors.UserError
└── LabError             one sentence: what is wrong and what to do
    ├── PortBusy         a port of the lab is taken by another program (port)
    ├── PartMissing      a program or package is missing (part)
    └── DaemonFailed     a daemon did not come up within its time (daemon, log)
"""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import UserError


class LabError(UserError):
    """Something about the lab that the user can mend; the message says how."""


class PortBusy(LabError):
    """Another program listens on a port that the lab was given."""

    def __init__(self, port: int, purpose: str) -> None:
        self.port = port
        super().__init__(
            f"Port {port} on 127.0.0.1 ({purpose}) is in use by another program: end that program, or choose another "
            "block of ports with `tiercast lab up --base-port PORT`."
        )


class PartMissing(LabError):
    """A program the lab needs is not on this machine."""

    def __init__(self, part: str, remedy: str) -> None:
        self.part = part
        super().__init__(f"{part} is missing: {remedy}")


class DaemonFailed(LabError):
    """A daemon of the lab ended or did not answer in time; `log` is where it says why."""

    def __init__(self, daemon: str, problem: str, log: Path) -> None:
        self.daemon = daemon
        self.log = log
        super().__init__(f"{daemon} {problem}; its log is {log}.")
