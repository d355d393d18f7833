"""When the next scheduled run starts. Pure: times are seconds of a clock that only grows.

- Runs are due every `every`, counted from the first one. A pause does not add up with the time that runs take.
- A run that takes longer than the interval misses the times at which it was still busy. They are skipped, not made up.
- Each start is later than its due time by a part of `jitter`, so that several services do not start together.
- After errors that a person must fix, the pause doubles with each failed run, up to `MOST_BACKOFF` or the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from reconciler.errors import UsageError

#: Longest pause after errors that a person must fix, where the interval is not longer.
MOST_BACKOFF = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Runs start every `every`, each up to `jitter` late."""

    every: timedelta
    jitter: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        """Refuse a jitter that reaches the next run."""
        if self.jitter and self.jitter >= self.every:
            raise UsageError(f"--jitter {self.jitter} must be shorter than --every {self.every}.")


@dataclass(frozen=True, kw_only=True)
class NextRun:
    """The due time of the next run in seconds of the clock, the pause until it starts, and the due times that were missed."""

    due: float
    pause: float
    missed: int = 0


def next_run(schedule: Schedule, *, due: float, now: float, failures: int, luck: float) -> NextRun:
    """The run after the one that was due at `due` and ended at `now`.

    Args:
        schedule: the interval and its jitter.
        due, now: seconds of the same clock.
        failures: failed runs in a row, up to now, whose error a person must fix.
        luck: share of the jitter to use, 0 to 1.
    """
    every = schedule.every.total_seconds()
    if every <= 0:
        return NextRun(due=now, pause=0.0)
    passed = max(math.ceil((now - due) / every - 1e-9), 1)
    backoff = min(every * 2.0 ** min(failures - 1, 30), max(MOST_BACKOFF.total_seconds(), every)) if failures else 0.0
    # A run that backs off waits for a due time, too.
    waited = max(passed, math.ceil((now - due + backoff) / every - 1e-9) if failures > 1 else 0)
    start = due + waited * every
    return NextRun(due=start, pause=max(start + luck * schedule.jitter.total_seconds() - now, 0.0), missed=passed - 1)
