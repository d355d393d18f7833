"""The maximum cost of a class. It is kept at the expense of that class's own promise, never of another class's.

The cost of a class is its share of the instances in use. Only the exact assessment knows this share, so the ceiling is not a
row of the program. Instances are removed from the exact plan, those first that save most per missed request, while the
safety floor holds and no other class misses more.
"""

from __future__ import annotations

from reconciler.sizing.problem import SizingProblem
from reconciler.sizing.repair import Counts, fits, floor, no_worse, promises
from reconciler.slo.assess import Assessment
from stacks.contract import Tier


def class_usd(problem: SizingProblem, counts: Counts, judged: Assessment) -> dict[str, float]:
    """USD/hour of each class: its share of the instances in use of every tier, of what that tier costs beyond sunk."""
    usd = {tier: sum(o.usd(counts[o.name]) for o in problem.options if o.tier is tier) for tier in Tier}
    in_use = {tier: sum(c.used.get(tier, 0.0) for c in judged.classes) for tier in Tier}
    return {
        c.name: sum(usd[tier] * share / in_use[tier] for tier, share in c.used.items() if in_use[tier] > 0)
        for c in judged.classes
    }


def over_ceiling(problem: SizingProblem, counts: Counts) -> dict[str, float]:
    """Class → USD/hour that it takes, for those above their ceiling."""
    if not problem.class_usd_per_hour:
        return {}
    found = class_usd(problem, counts, promises(problem, counts))
    return {n: found[n] for n, most in problem.class_usd_per_hour.items() if found.get(n, 0.0) > most + 1e-9}


def within_ceilings(problem: SizingProblem, counts: Counts) -> Counts:
    """The counts with instances taken until every class is within its ceiling, or no more may be taken from the rest."""
    stuck: set[str] = set()
    while True:
        dear = {n: usd for n, usd in over_ceiling(problem, counts).items() if n not in stuck}
        if not dear:
            return counts
        # The lowest class gives way first.
        name = max(dear, key=list(problem.demand.classes).index)
        best: tuple[float, Counts] | None = None
        was = promises(problem, counts)
        for option in problem.options:
            if option.tier not in problem.demand.classes[name].tiers or counts[option.name] <= option.committed:
                continue
            fewer = {**counts, option.name: counts[option.name] - 1}
            if not fits(problem, fewer) or not floor(problem, fewer).holds:
                continue
            now = promises(problem, fewer)
            spared = dear[name] - class_usd(problem, fewer, now)[name]
            if spared > 1e-9 and no_worse(was, now, but=name):
                price = max(now.of(name).expected_share - was.of(name).expected_share, 0.0) / spared
                if best is None or price < best[0]:
                    best = (price, fewer)
        if best is None:
            stuck.add(name)
        else:
            counts = best[1]
