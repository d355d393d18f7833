"""From the program's counts to counts that keep every promise exactly, as judged by `assess`.

The program treats capacity as a sum of vCPU. Whole slots, the split of a class over tiers and the queue's economies of scale
are checked here:

1. Add the cheapest instances that help until every promise and the safety floor hold.
2. Take the cheapest plan nearby that holds too. For small fleets this makes the whole numbers exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reconciler.sizing.packing import host_limits, without_spare_hosts
from reconciler.sizing.problem import Option, SizingProblem
from reconciler.sizing.result import usd_of
from reconciler.slo.assess import Assessment
from stacks.contract import Tier

Counts = dict[str, int]

#: Bounds of the search: steps of repair, options that help tried per step, plans judged in the neighbourhood.
_STEPS, _TRIED, _NEIGHBOURS = 400, 4, 400


def promises(problem: SizingProblem, counts: Mapping[str, int]) -> Assessment:
    """The assessment of the counts against the demand section.

    If spare hosts are declared, every class is judged by the worse of two cases: all hosts with spot interruptions, and the
    fullest hosts lost.
    """
    whole = problem.judge.of(_in_order(problem, counts))
    left = without_spare_hosts(problem, counts)
    if left is None:
        return whole
    parted = problem.judge_uninterrupted.of(_in_order(problem, left))
    worse = (max(pair, key=lambda c: c.expected_share) for pair in zip(whole.classes, parted.classes, strict=True))
    return replace(whole, classes=tuple(worse))


def floor(problem: SizingProblem, counts: Mapping[str, int]) -> Assessment:
    """The assessment of the counts against the measured load, without interruptions."""
    return problem.judge_now.of(_in_order(problem, counts))


def _in_order(problem: SizingProblem, counts: Mapping[str, int]) -> list[int]:
    return [counts[o.name] for o in problem.options]


def fits(problem: SizingProblem, counts: Mapping[str, int]) -> bool:
    """Whether counts respect bounds, hosts and tiers. Instances that may not shrink may exceed them."""
    for option in problem.options:
        if not problem.floor_of(option) <= counts[option.name] <= max(option.maximum, problem.floor_of(option)):
            return False
    for tier in Tier:
        mine = [o for o in problem.options if o.tier is tier]
        held = {o.name: problem.floor_of(o) for o in mine}
        low, high = problem.tier_bounds.get(tier, (0, 10**9))
        total = sum(counts[o.name] for o in mine)
        if mine and not low <= total <= max(high, sum(held.values())):
            return False
        limits = host_limits(problem, tier)
        if limits is None or all(counts[o.name] <= held[o.name] for o in mine):
            continue
        cores = sum(counts[o.name] * o.vcpu for o in mine)
        memory = sum(counts[o.name] * o.memory_mib for o in mine)
        slots = all(counts[o.name] <= max(limits.slots(o.name), held[o.name]) for o in mine)
        if not slots or cores > limits.cores + 1e-9 or memory > limits.memory_mib + 1e-9:
            return False
    return True


def observed_within(problem: SizingProblem) -> Counts:
    """The running instances, changed only to satisfy the declared bounds. Used if the program finds no plan."""
    counts = {o.name: max(min(o.observed, o.maximum), problem.floor_of(o)) for o in problem.options}
    for tier, (low, high) in problem.tier_bounds.items():
        mine = sorted((o for o in problem.options if o.tier is tier), key=lambda o: o.usd_per_hour / o.vcpu)
        for option in mine:
            missing = low - sum(counts[o.name] for o in mine)
            counts[option.name] += max(min(missing, option.maximum - counts[option.name]), 0)
        for option in reversed(mine):
            over = sum(counts[o.name] for o in mine) - high
            counts[option.name] -= max(min(over, counts[option.name] - problem.floor_of(option)), 0)
    return counts


def repaired(problem: SizingProblem, counts: Counts, usable: NDArray[np.float64], served: tuple[int, ...]) -> Counts:
    """Counts with the cheapest instances added until floor and promises hold, or nothing more helps.

    The safety floor may exceed the budget. Promises may not.
    """
    counts = _raise(problem, counts, usable, served, kind="floor")
    return _raise(problem, counts, usable, served, kind="promise")


def _raise(
    problem: SizingProblem, counts: Counts, usable: NDArray[np.float64], served: tuple[int, ...], kind: str
) -> Counts:
    names = list(problem.demand.classes)
    judge = floor if kind == "floor" else promises
    budget = problem.budget_usd_per_hour if kind == "promise" else None
    judged = judge(problem, counts)
    stuck: set[int] = set()
    for _ in range(_STEPS):
        failing = [k for k in served if k not in stuck and not judged.of(names[k]).holds]
        if not failing:
            break
        k = failing[0]
        missing = judged.of(names[k]).expected_share
        best: tuple[float, Counts, Assessment] | None = None
        for option, step in _helpful(problem, counts, usable[:, k], judged.of(names[k]).expected_share):
            trial = {**counts, option.name: counts[option.name] + step}
            if not fits(problem, trial) or (budget is not None and usd_of(problem, trial) > budget + 1e-9):
                continue
            after = judge(problem, trial)
            gain = missing - after.of(names[k]).expected_share
            if gain > 1e-12:
                price = (usd_of(problem, trial) - usd_of(problem, counts) + 1e-9) / gain
                if best is None or price < best[0]:
                    best = (price, trial, after)
        if best is None:
            stuck.add(k)
        else:
            _, counts, judged = best
    return counts


def _helpful(
    problem: SizingProblem, counts: Counts, usable: NDArray[np.float64], missing: float
) -> Iterator[tuple[Option, int]]:
    """Options that serve a class, the cheapest per vCPU first, each with a big step (far off) and a step of one."""
    ranked = sorted(
        (o.usd_per_hour * (counts[o.name] >= o.committed) / u, i)
        for i, (o, u) in enumerate(zip(problem.options, usable, strict=True))
        if u > 0 and counts[o.name] < o.maximum
    )
    for _, i in ranked[:_TRIED]:
        option = problem.options[i]
        total = sum(counts[o.name] * u for o, u in zip(problem.options, usable, strict=True))
        far = int(0.5 * missing / max(1 - missing, 0.1) * max(total, 8.0) / usable[i])
        if far > 1:
            yield option, min(far, option.maximum - counts[option.name])
        yield option, 1


def less_idle_growth(problem: SizingProblem, counts: Counts) -> list[Counts]:
    """`counts`, then counts with less and less of the growth that is free and that no promise or floor of this plan needs.

    A start needs a reason, not only a free place. Options that take whole steps to boot keep their counts, because they may
    be needed before they could be ready.
    """
    found = [counts]
    for option in problem.options:
        while counts[option.name] > option.observed and problem.lead(option) == 0:
            fewer = {**counts, option.name: counts[option.name] - 1}
            spares = usd_of(problem, fewer) < usd_of(problem, counts) - 1e-9
            if spares or not fits(problem, fewer) or not _as_good(problem, fewer, counts):
                break
            counts = fewer
            found.append(counts)
    return found


def _as_good(problem: SizingProblem, fewer: Counts, counts: Counts) -> bool:
    """Whether every promise and the floor hold with `fewer`. Those that do not hold anyway must not get worse."""
    return all(no_worse(judge(problem, counts), judge(problem, fewer)) for judge in (promises, floor))


def no_worse(was: Assessment, now: Assessment, *, but: str = "") -> bool:
    """Whether every class except `but` holds or misses no more than before."""
    return all(
        c.name == but or c.holds or (not old.holds and c.expected_share <= old.expected_share + 1e-12)
        for old, c in zip(was.classes, now.classes, strict=True)
    )


def cheapest_neighbour(problem: SizingProblem, counts: Counts) -> Counts | None:
    """The cheapest plan near `counts` that costs less and holds exactly, or None.

    At most four options move, each by at most 2. Candidates are the options in use and the cheapest one of each tier.
    """
    used = [o for o in problem.options if counts[o.name] > 0]
    cheapest = [
        min(tier, key=lambda o: o.usd_per_hour / o.vcpu)
        for tier in ([o for o in problem.options if o.tier is t] for t in Tier)
        if tier
    ]
    moving = sorted({o.name: o for o in (*used, *cheapest)}.values(), key=lambda o: -o.usd_per_hour)[:4]
    now = usd_of(problem, counts)
    found = []
    for moves in itertools.product((-2, -1, 0, 1, 2), repeat=len(moving)):
        trial = {**counts, **{o.name: counts[o.name] + m for o, m in zip(moving, moves, strict=True)}}
        usd = usd_of(problem, trial)
        if usd < now - 1e-9 and fits(problem, trial):
            found.append((usd, sum(abs(m) for m in moves), tuple(trial.items())))
    for _, _, items in sorted(found)[:_NEIGHBOURS]:
        trial = dict(items)
        if promises(problem, trial).holds and floor(problem, trial).holds:
            return trial
    return None
