"""Costs of requests without measured events, from the utilisation that a series carries next to its counts.

The rule: each application's utilisation is regressed on its own counts (forecaster.workload.costs), with a constant for the
load without requests. The data does not show the unit of `cpu` or `memory`, so the settings must state it. Without a unit
the column is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecaster.demand import RequestCost
from forecaster.history.history import Floats, History, Ints
from forecaster.workload.costs import Workload, costs_from_utilisation


@dataclass(frozen=True, kw_only=True)
class Units:
    """vCPUs per unit of `cpu` (0.08 for a percentage of 8 vCPUs), MiB per unit of `memory`, bytes per unit of network."""

    vcpus: float | None = None
    memory_mib: float | None = None
    network_bytes: float | None = 1.0


def utilisation_costs(history: History, units: Units) -> dict[str, RequestCost]:
    """Costs by application, for those whose series carry utilisation in known units over enough steps."""
    columns = history.utilisation
    if units.vcpus is None or "cpu" not in columns:
        return {}
    names, _, requests = history.by_application()
    place = {name: k for k, name in enumerate(names)}
    owner = np.repeat([place[application] for _, application in history.pairs], np.diff(history.offsets))
    vcpus = _summed(history, owner, columns["cpu"], len(names)) * units.vcpus
    memory = (
        None
        if units.memory_mib is None or "memory" not in columns
        else _summed(history, owner, columns["memory"], len(names)) * units.memory_mib
    )
    network = None
    if units.network_bytes is not None and "network_in" in columns and "network_out" in columns:
        both = columns["network_in"] + columns["network_out"]
        network = _summed(history, owner, both, len(names)) * units.network_bytes
    costs: dict[str, RequestCost] = {}
    for k, name in enumerate(names):
        costs |= costs_from_utilisation(
            requests[k : k + 1],
            [name],
            step_seconds=history.step.total_seconds(),
            vcpus=vcpus[k],
            memory_mib=None if memory is None else memory[k],
            network_bytes=None if network is None else network[k],
        )
    return {name: cost for name, cost in costs.items() if cost.vcpu_seconds > 0}


def without_measurement(
    history: History, units: Units, workload: Workload | None, declared: Mapping[str, RequestCost]
) -> dict[str, RequestCost]:
    """`declared` costs, and those from utilisation for applications of which no event was measured."""
    learned = workload.costs(history.applications) if workload is not None else {}
    measured = {name for name, cost in learned.items() if cost.source != "pool"}
    found = utilisation_costs(history, units)
    return {**{name: cost for name, cost in found.items() if name not in measured}, **declared}


def _summed(history: History, owner: Ints, values: Floats, count: int) -> Floats:
    """(applications, n) sums of a cell column, NaN in steps where nothing was measured."""
    finite = np.isfinite(values)
    flat = owner[finite] * history.length + history.position[finite]
    total = np.bincount(flat, weights=values[finite], minlength=count * history.length).astype(np.float64)
    seen = np.bincount(flat, minlength=count * history.length) > 0
    return np.where(seen, total, np.nan).reshape(count, history.length)
