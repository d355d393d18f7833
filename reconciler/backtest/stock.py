"""Instances of one kind through time: launched, booting, ready, lost, replaced, removed. Pure.

The rule: a decision made in step k changes what is ready from step k + 1 on at the earliest. An instance is launched as
late as its boot allows, so that it is ready at the start of a step, and is billed from launch; one that goes still
serves the step in which that was decided (make before break). A group replaces what the spot market takes at once, but the
replacement boots first; the desired count does not change, and that is what the next plan observes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reconciler.sizing import Option


@dataclass(kw_only=True)
class Stock:
    """`ready` instances now; `booting` (step in which they are ready, count), soonest first; boot in seconds."""

    boot_seconds: float
    step_seconds: float
    ready: int = 0
    booting: list[tuple[int, int]] = field(default_factory=list)
    launched: int = 0

    @property
    def lead(self) -> int:
        """Steps from a decision to a ready instance: whole ones, at least 1."""
        return max(math.ceil(self.boot_seconds / self.step_seconds - 1e-9), 1)

    @property
    def desired(self) -> int:
        """What is ready or on its way."""
        return self.ready + sum(count for _, count in self.booting)

    def begin(self, step: int) -> None:
        """Start of a step: what has booted is ready."""
        self.ready += sum(count for due, count in self.booting if due <= step)
        self.booting = [(due, count) for due, count in self.booting if due > step]

    def lose(self, step: int, count: int) -> int:
        """Lose at most so many ready instances, which are replaced at once; returns how many went."""
        gone = min(count, self.ready)
        self.ready -= gone
        self._launch(step, gone)
        return gone

    def order(self, step: int, wanted: int) -> int:
        """Launch or remove towards `wanted`, decided in `step`, seen from the next on; returns the change."""
        change = wanted - self.desired
        self._launch(step, max(change, 0))
        rest = max(-change, 0)
        for place in range(len(self.booting) - 1, -1, -1):  # the last to be ready is called off first
            due, count = self.booting[place]
            off = min(count, rest)
            self.booting[place] = (due, count - off)
            rest -= off
        self.ready -= rest
        self.booting = [b for b in self.booting if b[1]]
        return change

    def _launch(self, step: int, count: int) -> None:
        if count:
            self.booting.append((step + self.lead, count))
            self.booting.sort()
            self.launched += count

    def boot_steps(self) -> float:
        """Instance-steps billed for boots since last asked."""
        spent = self.launched * self.boot_seconds / self.step_seconds
        self.launched = 0
        return spent


def taken(option: Option, ready: int, hit: bool, luck: float) -> int:
    """Instances that a shock takes: the option's share of what is ready, rounded up or down by `luck` in [0, 1)."""
    if not hit or option.loss <= 0:
        return 0
    exact = option.lost_share * ready
    return min(int(exact) + int(luck < exact - int(exact)), ready)
