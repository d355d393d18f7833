"""The load of each class that the fleet of a plan carries, kept for the next run, which scores the steps in between. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.sizing import SizingProblem
from reconciler.sizing.result import supply_of
from reconciler.slo.assess import assess
from reconciler.trust.memory import RunMemory


def with_carried(memory: RunMemory, problem: SizingProblem, planned: Mapping[str, int]) -> RunMemory:
    """The memory with the load of each class that the fleet carries. `planned` holds counts by option.

    The steps until the next run are judged by the smaller of the running and the planned fleet: growth takes time, and a
    plan may never be applied.
    """
    found = [
        assess(problem.demand, supply_of(problem, counts), latency=False)
        for counts in ({o.name: o.observed for o in problem.options}, planned)
    ]
    carried = {name: min(one.of(name).safe_rps for one in found) for name in problem.demand.classes}
    return replace(memory, carried=carried)
