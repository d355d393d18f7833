"""The demand that arrived for each QoS class, step by step. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forecaster.history.history import History
from reconciler.demand.grouping import Grouping, group
from reconciler.fleet.file import Fleet

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Actuals:
    """Requests/s (steps, classes) from `start` on; NaN where the history does not say. `names` of the classes."""

    names: tuple[str, ...]
    rates: Floats
    start: datetime

    def at(self, row: int) -> dict[str, float]:
        """Requests/s by class in one step, where known."""
        return {n: float(r) for n, r in zip(self.names, self.rates[row], strict=True) if np.isfinite(r)}


def actuals(history: History, fleet: Fleet, start: datetime, steps: int, grouping: Grouping | None = None) -> Actuals:
    """The demand of `steps` steps from `start` on, by class in the fleet's order.

    Args:
        history: it may begin later and end earlier.
        fleet: its classes.
        start, steps: the period, on the history's grid.
        grouping: of the history; None: made here.
    """
    grouping = grouping or group(history, fleet)
    rows = history.grouped(grouping.codes, len(grouping.names)) / history.step.total_seconds()
    qos = np.array(grouping.qos)
    by_class = np.stack([rows[qos == name].sum(axis=0) for name in fleet.qos], axis=1)
    out = np.full((steps, len(fleet.qos)), np.nan)
    first = round((start - history.start) / history.step)
    there = np.arange(max(first, 0), min(first + steps, history.length))
    out[there - first] = by_class[there]
    return Actuals(names=tuple(fleet.qos), rates=out, start=start)
