"""How ready counts served the demand that arrived, by the judgement that sized them. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.sizing import SizingProblem
from reconciler.sizing.safety_floor import floor_demand
from reconciler.slo.assess import assess


@dataclass(frozen=True, kw_only=True)
class Served:
    """One step: requests/s of each class not served within its promise, and pooled instances that ran, in instance-steps."""

    unserved: Mapping[str, float]
    pooled: Mapping[str, float]


def served(
    problem: SizingProblem,
    counts: Mapping[str, int],
    rates: Mapping[str, float],
    coming: Mapping[str, Sequence[float]] | None = None,
) -> Served:
    """How ready `counts` (by option) serve a step's demand, with the ready pool as recourse.

    `coming`: by option when more instances become ready, as shares of the step. Demand is even within it.
    """
    late = coming or {}
    moments = [0.0, *sorted({moment for each in late.values() for moment in each}), 1.0]
    parts = []
    for begin, end in itertools.pairwise(moments):
        there = {name: n + sum(moment <= begin for moment in late.get(name, ())) for name, n in counts.items()}
        parts.append((end - begin, _served(problem, there, rates)))
    return Served(
        unserved={name: sum(span * one.unserved[name] for span, one in parts) for name in parts[0][1].unserved},
        pooled={
            name: sum(span * one.pooled.get(name, 0.0) for span, one in parts)
            for name in dict.fromkeys(name for _, one in parts for name in one.pooled)
        },
    )


def _served(problem: SizingProblem, counts: Mapping[str, int], rates: Mapping[str, float]) -> Served:
    """The same for counts that stay.

    Where anything is short the reactive policy starts the pool: what it would have served is short only for the time in
    which pooled instances start, and they are billed for the rest of the step.
    """
    alone = _unserved(problem, counts, rates)
    waiting = {o.name: o.pooled(counts[o.name]) for o in problem.options if o.pooled(counts[o.name])}
    if not waiting or not any(alone.values()):
        return Served(unserved=alone, pooled={})
    seconds = max(o.ready_seconds for o in problem.options if o.name in waiting)
    late = min(seconds / problem.demand.step_seconds, 1.0)
    joined = _unserved(problem, {name: n + waiting.get(name, 0) for name, n in counts.items()}, rates)
    return Served(
        unserved={name: late * alone[name] + (1 - late) * joined[name] for name in alone},
        pooled={name: (1 - late) * n for name, n in waiting.items()},
    )


def _unserved(problem: SizingProblem, counts: Mapping[str, int], rates: Mapping[str, float]) -> dict[str, float]:
    # What was interrupted is not in the counts any more, so nothing more is taken by chance.
    supply = [replace(o.supply(counts[o.name]), interruption=0.0) for o in problem.options if counts[o.name]]
    judged = assess(floor_demand(problem.demand, rates), supply, fine=1, latency=False)
    return {c.name: c.expected_share * rates[c.name] for c in judged.classes if c.name in rates}


def longest_run(marks: Sequence[bool]) -> int:
    """Length of the longest unbroken run of True."""
    longest = run = 0
    for mark in marks:
        run = run + 1 if mark else 0
        longest = max(longest, run)
    return longest
