"""The engine's CLI as a child process that is never cut off: an interrupted call sends it one SIGINT and waits.

Pulumi ends an update cleanly on the first SIGINT: it starts no other operation, waits for those that run, and writes its
checkpoint. A second SIGINT, or a kill, loses what the running operations did. The CLI therefore runs in a process group of
its own, so that Ctrl-C in a terminal does not reach it as well.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error

OnOutput = Callable[[str], Any]

#: Seconds that an interrupted CLI may take to end by itself.
GRACE = 120.0


class EngineCommand(PulumiCommand):
    """Runs the CLI as `PulumiCommand` does, in its own process group."""

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
            for reader in (output, errors):
                reader.join()
            process.wait()
        except BaseException:
            _end(process)
            raise
        found = CommandResult(stdout=output.text, stderr=errors.text, code=process.returncode)
        if process.returncode != 0:
            raise create_command_error(found)
        return found


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
