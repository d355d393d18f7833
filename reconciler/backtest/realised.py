"""What was really asked of each class, and how ready counts served it, by the judgement that sized them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forecaster.history import History
from reconciler.assess import assess
from reconciler.fleet import Fleet
from reconciler.floor import floor_demand
from reconciler.grouping import group
from reconciler.sizing import SizingProblem

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Realised:
    """Requests/s (steps, classes) from a start on; NaN where the history does not say. `names` of the classes."""

    names: tuple[str, ...]
    rates: Floats

    def at(self, row: int) -> dict[str, float]:
        """Requests/s by class in one step, where known."""
        return {n: float(r) for n, r in zip(self.names, self.rates[row], strict=True) if np.isfinite(r)}


def realised(history: History, fleet: Fleet, start: datetime, steps: int) -> Realised:
    """The demand of `steps` steps from `start` on, by class in the fleet's order."""
    grouping = group(history, fleet, keep=fleet.history.series)
    rows = history.grouped(grouping.codes, len(grouping.names)) / history.step.total_seconds()
    qos = np.array(grouping.qos)
    by_class = np.stack([rows[qos == name].sum(axis=0) for name in fleet.qos], axis=1)
    out = np.full((steps, len(fleet.qos)), np.nan)
    first = round((start - history.start) / history.step)
    there = np.arange(max(first, 0), min(first + steps, history.length))
    out[there - first] = by_class[there]
    return Realised(names=tuple(fleet.qos), rates=out)


def unserved(problem: SizingProblem, counts: Mapping[str, int], rates: Mapping[str, float]) -> dict[str, float]:
    """Requests/s of each class that ready `counts` (by option) do not serve within its promise."""
    # What was lost is not in the counts any more, so nothing more is lost by chance.
    supply = [replace(o.supply(counts[o.name]), loss=0.0) for o in problem.options if counts[o.name]]
    judged = assess(floor_demand(problem.demand, rates), supply, fine=1, latency=False)
    return {c.name: c.violating_share * rates[c.name] for c in judged.classes if c.name in rates}


def longest_run(marks: Sequence[bool]) -> int:
    """Length of the longest unbroken run of True."""
    longest = run = 0
    for mark in marks:
        run = run + 1 if mark else 0
        longest = max(longest, run)
    return longest
