"""What three tiers are measured against, both in hindsight: the best constant mix, and perfect foresight."""

from __future__ import annotations

import numpy as np

from benchmarks.fleet.fixture import COMMITTED, SPOT, SPOT_START, WARM_START, ZONES, Fixture, InterruptionPath
from reconciler.sizing.milp import Program


def best_static(it: Fixture, path: InterruptionPath, steps: int, allowed: float) -> float:
    """Cost of the cheapest constant mix whose unserved volume is at most `allowed` on the same demand and interruptions."""
    demand = it.demand[it.start : it.start + steps]
    best = float("inf")
    most = int(np.ceil(demand.max())) + 1
    # A constant spot count may exceed the peak: what an interruption leaves of it must still do.
    for spot in range(0, 2 * most + 2, 2):
        ready = np.zeros(steps)
        for zone in range(len(ZONES)):
            left = path.survivors_of_all(zone, spot // 2)
            # What was interrupted in the step before is started anew in this one.
            before = np.concatenate([[spot // 2], left[:-1]])
            ready += np.maximum(left - (1 - SPOT_START) * (spot // 2 - before), 0)
        for warm in range(it.committed, max(most, it.committed) + 1):
            cost = steps * (COMMITTED * it.committed + (warm - it.committed) + SPOT * spot)
            if cost >= best:
                break
            if np.maximum(demand - it.hot - warm - ready, 0).sum() <= allowed + 1e-9:
                best = cost
    return best


def clairvoyant(it: Fixture, path: InterruptionPath, steps: int, allowed: float) -> float:
    """Least cost with demand and interruptions known, the same boots, at most `allowed` unserved.

    A lower bound: fractional instances, and none is interrupted by itself.
    """
    p = Program()
    demand = it.demand[it.start : it.start + steps]
    short = [p.column() for _ in range(steps)]
    before: list[int | None] = [None, None, None]
    for i in range(steps):
        warm = p.column(cost=0.0)
        extra = p.column(cost=1.0)
        p.row([extra, warm], [1, -1], low=-it.committed)
        terms, values = [warm, short[i]], [1.0, 1.0]
        columns = [warm]
        for z in range(len(ZONES)):
            spot = p.column(cost=SPOT)
            kept = 0.0 if path.interrupted[i] == z else 1.0
            left = p.column()
            p.row([left, spot], [1, -kept], low=0, high=0)
            terms.append(left)
            values.append(1.0)
            columns += [spot, left]
        for position, start_share in ((0, WARM_START), (1, SPOT_START), (2, SPOT_START)):
            now = columns[0] if position == 0 else columns[2 * position - 1]
            started = p.column()
            last = before[position]
            rows = ([started, now], [1.0, -1.0]) if last is None else ([started, now, last], [1.0, -1.0, 1.0])
            p.row(*rows, low=-it.committed if last is None and position == 0 else 0.0)
            taken = position and path.interrupted[i] == position - 1
            if not taken:
                terms.append(started)
                values.append(-(1 - start_share))
            before[position] = columns[0] if position == 0 else columns[2 * position]
        p.row(terms, values, low=float(demand[i]) - it.hot)
    p.row(short, [1.0] * steps, high=allowed)
    found = p.solve(gap=0.0, time_limit_s=120.0)
    return found.objective + steps * COMMITTED * it.committed
