"""Instances of one kind through time: launched, booting, ready, interrupted, replaced, removed. Pure.

The rule: a decision made in step k changes what is ready from step k + 1 on at the earliest. An instance is launched so
that 95 of 100 are ready at the start of a step, and is billed from launch; one that goes still serves the step in which
that was decided (make before break). How long each boots is drawn from its distribution: one that is early is counted from
the step it was meant for, one that is late from the moment in which it is ready. A group replaces what the spot market takes
at once, but the replacement boots first; the desired count does not change, and that is what the next plan observes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from reconciler.sizing import Option
from reconciler.sizing.boot_time import BootTime


@dataclass(kw_only=True)
class Stock:
    """`ready` instances now; `booting`: when each of the others is ready, in steps, soonest first; `luck` draws boots."""

    boot: BootTime
    step_seconds: float
    luck: np.random.Generator
    ready: int = 0
    booting: list[float] = field(default_factory=list)
    billed: float = 0.0

    @property
    def lead(self) -> int:
        """Steps from a decision to an instance that is ready with 95 % probability: whole ones, at least 1."""
        return max(math.ceil(self.boot.p95_s / self.step_seconds - 1e-9), 1)

    @property
    def desired(self) -> int:
        """What is ready or on its way."""
        return self.ready + len(self.booting)

    def begin(self, step: int) -> None:
        """Start of a step: what has booted is ready."""
        still = [due for due in self.booting if due > step]
        self.ready += len(self.booting) - len(still)
        self.booting = still

    def coming(self, step: int) -> tuple[float, ...]:
        """When late instances become ready in a step that has begun, as shares of it in (0, 1)."""
        return tuple(due - step for due in self.booting if due < step + 1)

    def interrupt(self, step: int, count: int) -> int:
        """Lose at most so many ready instances, which are replaced at once; returns how many went."""
        gone = min(count, self.ready)
        self.ready -= gone
        self._launch(step, gone)
        return gone

    def order(self, step: int, wanted: int) -> int:
        """Launch or remove towards `wanted`, decided in `step`, seen from the next on; returns the change."""
        change = wanted - self.desired
        self._launch(step, max(change, 0))
        off = min(max(-change, 0), len(self.booting))
        self.booting = self.booting[: len(self.booting) - off]  # the last to be ready is called off first
        self.ready -= max(-change, 0) - off
        return change

    def _launch(self, step: int, count: int) -> None:
        if count:
            seconds = np.maximum(self.boot.draw(self.luck, count), self.boot.p95_s)
            late = (seconds - self.boot.p95_s) / self.step_seconds
            self.booting = sorted([*self.booting, *(step + self.lead + late).tolist()])
            self.billed += float(seconds.sum()) / self.step_seconds

    def boot_steps(self) -> float:
        """Instance-steps billed for boots since last asked."""
        spent, self.billed = self.billed, 0.0
        return spent


def taken(option: Option, ready: int, hit: bool, luck: float) -> int:
    """Instances that an interruption takes: the option's share of what is ready, rounded up or down by `luck` in [0, 1)."""
    if not hit or option.interruption <= 0:
        return 0
    exact = option.interrupted_share * ready
    return min(int(exact) + int(luck < exact - int(exact)), ready)
