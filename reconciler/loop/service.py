"""Repeated runs as a service: one after the other, on time, until they are enough or somebody asks to stop.

A run that fails does not end the service. The clock, the pause and the random generator are passed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reconciler.errors import Interrupted, TiercastError
from reconciler.loop.schedule import NextRun, Schedule, next_run
from reconciler.report.service_state import RunEnd


class RunWatch(Protocol):
    """Who is told what happens: the terminal, and the metrics."""

    def ended(self, end: RunEnd, following: NextRun | None) -> None:
        """A run ended. `following` is the next one; None after the last."""


@dataclass(frozen=True, kw_only=True)
class RunService:
    """What a service needs.

    Attributes:
        schedule: when runs start.
        runs: number of runs; None: until stopped.
        clock: seconds, only growing.
        wait: pauses for so many seconds; returns True, at once, where the service must stop.
        luck: draws the jitter.
        watches: are told what happens.
    """

    schedule: Schedule
    runs: int | None
    clock: Callable[[], float]
    wait: Callable[[float], bool]
    luck: random.Random
    watches: tuple[RunWatch, ...]


def serve(service: RunService, run: Callable[[], int]) -> int:
    """Run until the last run, or until asked to stop; returns the exit code of the last run, 0 where it was asked to stop.

    Args:
        service: see there.
        run: one run; returns its exit code.

    Raises:
        The error of the last run, where the number of runs is given. `Interrupted` ends the service at once.
    """
    due, number, failures = service.clock(), 0, 0
    while True:
        number += 1
        began = service.clock()
        error: Exception | None = None
        try:
            code = run()
        except Interrupted:
            raise
        except Exception as raised:  # also a defect: the next run may succeed, and nobody is there to start it
            error, code = raised, 1
        now = service.clock()
        failures = failures + 1 if _needs_a_person(error) else 0
        end = RunEnd(number=number, seconds=now - began, code=code, error=error)
        following = None
        if service.runs is None or number < service.runs:
            following = next_run(service.schedule, due=due, now=now, failures=failures, luck=service.luck.random())
        stop = following is not None and service.wait(0.0)
        for watch in service.watches:
            watch.ended(end, None if stop else following)
        if stop:
            return 0
        if following is None:
            if error is not None:
                raise error
            return code
        due = following.due
        if service.wait(following.pause):
            return 0


def _needs_a_person(error: Exception | None) -> bool:
    """Whether a run failed in a way that the same call repeats: only then does the pause grow."""
    return error is not None and not (isinstance(error, TiercastError) and error.retryable)
