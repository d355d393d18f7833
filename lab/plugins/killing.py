"""Kills a process at an exact moment of a provider call, so that tests see what a crash leaves there.

The variable `TIERCAST_LAB_KILL` names a file with one `Plot` as JSON. The first call that fits renames the file to `<file>.done`
and kills; later calls find no file. Without the variable nothing happens.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

VARIABLE = "TIERCAST_LAB_KILL"

#: Before the provider does anything; after its effect and before the reply; after the reply and before the checkpoint.
Moment = Literal["call", "effect", "reply"]
#: The plugin itself, the engine's CLI that started it, or the process that started the CLI.
Victim = Literal["plugin", "engine", "reconciler"]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Which call, when in it, and who is killed.

    Attributes:
        operation: create, read, update or delete.
        type: end of the resource's type, for example `:Domain`. name: part of its name; "" fits every resource.
    """

    operation: str
    type: str
    moment: Moment
    victim: Victim
    name: str = ""

    def fits(self, operation: str, urn: str) -> bool:
        """Whether a call is the one."""
        kind, _, name = urn.rpartition("::")
        return operation == self.operation and kind.endswith(self.type) and self.name in name


@contextmanager
def moments(operation: str, urn: str, after_reply: Callable[[Callable[[], None]], object]) -> Iterator[None]:
    """Around the effect of a call. `after_reply` is given what is to be called once the reply was sent."""
    file = Path(os.environ.get(VARIABLE, ""))
    plot = _read(file)
    if plot is None or not plot.fits(operation, urn):
        yield
        return
    if plot.moment == "call":
        _strike(file, plot)
    yield
    if plot.moment == "effect":
        _strike(file, plot)
    elif plot.moment == "reply":
        after_reply(lambda: _strike(file, plot))


def _read(file: Path) -> Plot | None:
    try:
        return Plot(**json.loads(file.read_text(encoding="utf-8")))
    except OSError:
        return None


def _strike(file: Path, plot: Plot) -> None:
    try:
        file.rename(f"{file}.done")
    except FileNotFoundError:
        return  # another call was first
    engine = os.getppid()
    if plot.victim == "engine":
        os.kill(engine, signal.SIGKILL)
    elif plot.victim == "reconciler":
        os.kill(_parent(engine), signal.SIGKILL)
    if plot.victim == "plugin" or (plot.victim == "engine" and plot.moment == "call"):
        os.kill(os.getpid(), signal.SIGKILL)  # what was killed before the call must not be followed by its effect


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
