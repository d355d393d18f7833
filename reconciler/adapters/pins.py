"""Reads and writes `tiercast:pins` in the stack file, and names the person who does it."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Callable

from reconciler.adapters.files import read_text, write_text
from reconciler.adapters.lock import brief_lock
from reconciler.adapters.project import Project
from reconciler.observe.redaction import printable
from reconciler.plan.pins import pins_in, with_pins
from reconciler.plan.render import read_config
from stacks.contract import Pins


def read_pins(project: Project) -> Pins:
    """What the stack file holds, with entries that have ended; nothing where there is no stack file.

    Raises:
        InputError: the file or its pins can't be read.
    """
    path = project.stack_file
    if not path.exists():
        return Pins()
    return pins_in(read_config(read_text(path, "a stack file"), str(path)), str(path))


def change_pins(project: Project, change: Callable[[Pins], Pins]) -> Pins:
    """Replace the pins by what `change` makes of them; every other byte of the stack file stays. Returns the new pins.

    It does not wait for a run: a run holds the file only while it writes.

    Raises:
        InputError: the file can't be read or written. Unavailable: another command does not stop writing it.
    """
    path = project.stack_file
    with brief_lock(project.stack_file_lock):
        text = read_text(path, "a stack file") if path.exists() else ""
        pins = change(pins_in(read_config(text, str(path)), str(path)))
        write_text(path, with_pins(text, pins, str(path)), through_link=True)
    return pins


def person(project: Project) -> str:
    """`user@host`, followed by the name and address that git puts into commits, where git has them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        user = f"uid {os.getuid()}"
    name, mail = _git(project, "user.name"), _git(project, "user.email")
    identity = " ".join(filter(None, [name, f"<{mail}>" if mail else ""]))
    return printable(f"{user}@{socket.gethostname()}" + (f" ({identity})" if identity else ""))


def _git(project: Project, key: str) -> str:
    program = shutil.which("git")
    if program is None:
        return ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [program, "config", "--get", key],
            cwd=project.root,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        return done.stdout.strip()
    return ""
