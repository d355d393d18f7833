"""The engine's CLI as a child process that is never cut off: an interrupted call sends it one SIGINT and waits.

Pulumi ends an update cleanly on the first SIGINT: it starts no other operation, waits for those that run, and writes its
checkpoint. A second SIGINT, or a kill, loses what the running operations did. The CLI therefore runs in a process group of
its own, so that Ctrl-C in a terminal does not reach it as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from typing import IO, Any

from pulumi.automation import CommandResult, InvalidVersionError, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from reconciler.errors import Unavailable, UserError

OnOutput = Callable[[str], Any]

#: Says in one sentence what no longer answers; "" while everything does. Each call is bounded in time.
Watch = Callable[[], str]

#: Seconds that an interrupted CLI may take to end by itself.
GRACE = 120.0
#: Seconds between two questions of a watch, and how many of them in a row must say the same before the CLI is ended.
WATCH_EVERY, WATCH_TIMES = 20.0, 2
#: The longest time in seconds after which a signal is handled.
WAKE_EVERY = 0.5

#: The oldest engine with `--exclude` for previews and updates.
OLDEST = VersionInfo(3, 170, 0)

LOST_REMEDY = (
    "Repair it, or set tiers.hot.unreachable to skip and run `tiercast plan` again. What was already applied stays."
)


def engine_command(watch: Watch | None) -> EngineCommand:
    """The CLI on PATH.

    Raises:
        UserError: there is none, it does not run, or it is too old.
    """
    try:
        found = copy(_on_path(shutil.which("pulumi")))
    except (OSError, subprocess.CalledProcessError, InvalidVersionError, ValueError) as error:
        why = "is not on PATH" if isinstance(error, FileNotFoundError) else f"does not run: {str(error).rstrip('.')}"
        raise UserError(f"The pulumi CLI {why}.", remedy="Install it; `tiercast doctor` says how.") from None
    if found.version is not None and found.version < OLDEST:
        raise UserError(
            f"The pulumi CLI is too old: it is {found.version}, expected {OLDEST} or newer.",
            remedy="Update it; `tiercast doctor` says how.",
        )
    found.watch = watch
    return found


@cache
def _on_path(program: str | None) -> EngineCommand:
    """The CLI with its version, which takes a call of it: asked once for a program. Errors as of `PulumiCommand`."""
    if program is None:
        raise FileNotFoundError("pulumi")
    return EngineCommand()


class EngineCommand(PulumiCommand):
    """Runs the CLI as `PulumiCommand` does, in its own process group.

    watch: asked while a command runs, so that one that waits for a system that hangs is ended.
    """

    watch: Watch | None = None

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run a command of the CLI without its prompts.

        Raises:
            CommandError: it failed.
            KeyboardInterrupt: raised meanwhile, and raised again once the CLI has ended.
            Unavailable: the watch said repeatedly that a system does not answer; the CLI has ended.
        """
        process = subprocess.Popen(
            [self.command, "--non-interactive", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"},
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        output, errors = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
        try:
            self._wait(output, errors)
            process.wait()
        except BaseException:
            _end(process)
            raise
        found = CommandResult(stdout=output.text, stderr=errors.text, code=process.returncode)
        if process.returncode != 0:
            raise create_command_error(found)
        return found

    def _wait(self, *readers: threading.Thread) -> None:
        """Wait until the CLI has closed its output."""
        said, asked = [""] * WATCH_TIMES, time.monotonic()
        for reader in readers:
            while reader.is_alive():
                # Without a bound, a signal that comes just before the wait would be handled only after it.
                reader.join(min(WAKE_EVERY, WATCH_EVERY))
                if self.watch is None or not reader.is_alive() or time.monotonic() < asked + WATCH_EVERY:
                    continue
                said, asked = [*said[1:], self.watch()], time.monotonic()
                if all(said):
                    raise Unavailable(said[-1], remedy=LOST_REMEDY)


class _Reader(threading.Thread):
    """Reads a stream to its end, line by line."""

    def __init__(self, stream: IO[str], callback: OnOutput | None) -> None:
        super().__init__(daemon=True)
        self._stream, self._callback = stream, callback
        self._lines: list[str] = []
        self.start()

    @property
    def text(self) -> str:
        """All lines so far."""
        return "\n".join(self._lines)

    def run(self) -> None:
        with self._stream:
            for line in self._stream:
                stripped = line.rstrip()
                if self._callback is not None:
                    self._callback(stripped)
                self._lines.append(stripped)


def _end(process: subprocess.Popen[str]) -> None:
    """Ask the CLI to end, wait, and kill it where it does not, or where the wait is interrupted as well."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
