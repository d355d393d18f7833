"""Errors of the lab, which a person can correct. `reconciler.errors` draws them in the tree of all errors."""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import UserError


class LabError(UserError):
    """A problem of the lab that the user can correct; the message describes the fix."""


class PortBusy(LabError):
    """Another program listens on a port of the lab."""

    def __init__(self, port: int, purpose: str) -> None:
        self.port = port
        super().__init__(
            f"Port {port} on 127.0.0.1 ({purpose}) is in use by another program.",
            remedy="Stop that program, or choose another block of ports with `tiercast lab up --base-port PORT`.",
        )


class PartMissing(LabError):
    """A program the lab needs is not on this machine."""

    def __init__(self, part: str, remedy: str) -> None:
        self.part = part
        super().__init__(f"{part} is missing.", remedy=remedy[:1].upper() + remedy[1:])


class DaemonFailed(LabError):
    """A daemon of the lab ended or did not answer in time; its `log` has the cause."""

    def __init__(self, daemon: str, problem: str, log: Path) -> None:
        self.daemon = daemon
        self.log = log
        super().__init__(f"{daemon} {problem}.", remedy=f"See its log {log} for the cause.")
