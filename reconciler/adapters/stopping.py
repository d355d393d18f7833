"""Signals that end a run or a service, and the time limit of a run.

- The first SIGTERM or SIGINT asks to stop: the step that is under way ends, and no other begins.
- The second one aborts: KeyboardInterrupt is raised where the process is. A run of the engine passes it on as one SIGINT
  and waits (see `engine_process`).
- At the time limit of a run the same is raised, and becomes `RunTimeout`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from reconciler.errors import Interrupted, RunTimeout

#: Seconds after which the time limit raises again, where code of others swallowed it.
_AGAIN = 10.0


class Stopping:
    """What the signals of this process asked for. `say` is called with a sentence when the first one arrives.

    Attributes:
        signal: the first one; None before.
        aborted: whether there was a second one.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._event = threading.Event()
        self._process = os.getpid()
        self._limited = self._late = False
        self.signal: int | None = None
        self.aborted = False

    @property
    def asked(self) -> bool:
        """Whether a signal asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Pause; returns True, at once, where a signal asked to stop."""
        return self._event.wait(seconds)

    def before(self, step: str) -> None:
        """End a run before its next step if a signal asked to.

        Raises:
            Interrupted: a signal asked to stop.
        """
        if self.asked:
            raise Interrupted(f"The run was stopped before the step '{step}'.")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle SIGTERM, SIGINT and the time limit; call it in the main thread."""
        kept = {one: signal.signal(one, self._heard) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
        try:
            yield
        finally:
            for one, handler in kept.items():
                signal.signal(one, handler)

    @contextmanager
    def limited(self, limit: timedelta | None) -> Iterator[None]:
        """Bound what is done inside; None: no limit.

        Raises:
            RunTimeout: it took longer.
            Interrupted: a second signal aborted it.
        """
        self._limited, self._late = limit is not None, False
        if limit is not None:
            signal.setitimer(signal.ITIMER_REAL, limit.total_seconds(), _AGAIN)
        try:
            yield
        except KeyboardInterrupt:
            if self._late:
                raise RunTimeout(f"The run did not end within {limit}.") from None
            raise Interrupted("The run was aborted by a second signal.") from None
        finally:
            self._limited = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _heard(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._process:  # a child that was forked: the signal ends it, as if nobody listened
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if number == signal.SIGALRM:
            if self._limited:
                self._late = True
                raise KeyboardInterrupt
            return
        if self.asked:
            self.aborted = True
            raise KeyboardInterrupt
        self.signal = number
        self._event.set()
        self._say(
            f"{signal.Signals(number).name}: tiercast stops after the current step. A second signal aborts the step."
        )
