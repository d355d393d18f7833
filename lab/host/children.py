"""Child processes of the language host: output streamed as it comes, all ended together when the engine cancels."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

Stream = Literal["stdout", "stderr"]
CHUNK = 65536
PATIENCE_SECONDS = 5.0


@dataclass
class Children:
    """The processes that run for the engine now; `cancel` ends them, and none is started after that."""

    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _cancelled: bool = False

    def run(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        started: Callable[[subprocess.Popen[bytes]], object] | None = None,
    ) -> Iterator[tuple[Stream, bytes] | int]:
        """Start `command`; yields chunks of its output in order of arrival, and at the end its exit code.

        `started` is called with the process once it runs. Raises OSError where it can't be started.
        """
        with self._lock:
            if self._cancelled:
                yield 1
                return
            process = subprocess.Popen(
                list(command),
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A group of its own: Ctrl-C in the terminal reaches the engine, and the engine decides.
                process_group=0,
            )
            self._running.add(process)
        if started is not None:
            started(process)
        try:
            yield from _output(process)
            yield process.wait()
        finally:
            _end(process)
            with self._lock:
                self._running.discard(process)

    def cancel(self) -> None:
        """End every child, gently first."""
        with self._lock:
            self._cancelled = True
            running = list(self._running)
        for process in running:
            _end(process)


def _output(process: subprocess.Popen[bytes]) -> Iterator[tuple[Stream, bytes]]:
    chunks: queue.SimpleQueue[tuple[Stream, bytes] | None] = queue.SimpleQueue()

    def drain(stream: Stream, pipe: IO[bytes]) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), CHUNK):
                chunks.put((stream, data))
        chunks.put(None)

    assert process.stdout is not None
    assert process.stderr is not None
    pipes: tuple[tuple[Stream, IO[bytes]], ...] = (("stdout", process.stdout), ("stderr", process.stderr))
    for stream, pipe in pipes:
        threading.Thread(target=drain, args=(stream, pipe), daemon=True).start()
    open_pipes = len(pipes)
    while open_pipes:
        chunk = chunks.get()
        if chunk is None:
            open_pipes -= 1
        else:
            yield chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child and what it started in its process group."""
    for number, patience in ((signal.SIGTERM, PATIENCE_SECONDS), (signal.SIGKILL, None)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
