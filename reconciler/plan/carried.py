"""What the fleet of a plan carries of each class, kept for the run that judges the steps until then. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.sizing import SizingProblem
from reconciler.sizing.result import supply_of
from reconciler.slo.assess import assess
from reconciler.trust.memory import RunMemory


def with_carried(memory: RunMemory, problem: SizingProblem, planned: Mapping[str, int]) -> RunMemory:
    """The memory with what the fleet carries of each class at least; `planned` counts by option.

    Steps until the next run are judged by the lesser of what runs and what is planned: growth takes time, and a plan may
    never be applied.
    """
    found = [
        assess(problem.demand, supply_of(problem, counts), latency=False)
        for counts in ({o.name: o.observed for o in problem.options}, planned)
    ]
    carried = {name: min(one.of(name).safe_rps for one in found) for name in problem.demand.classes}
    return replace(memory, carried=carried)
