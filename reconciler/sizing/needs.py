"""Demand in the program's unit (vCPU of a class's best tier), and which classes compete for which tiers.

- A class with demand d needs slots(d) / concurrency vCPU. Slots are linear between whole ones: with rounding up, a load just
  above one instance would count as one slot short, and the smallest fleets would double.
- An option provides `usable` vCPU per instance: its slots for the class (the scarcest of vCPU, memory and network) /
  concurrency, scaled by how well the option's tier serves the class (a longer round trip leaves less of the target).
- Routed demand fits if Hall's condition holds: for every set A of tiers, the classes that may only use A fit into A's
  capacity. With priorities prefixes are enough: one `Competitors` per class k and set A ⊇ its tiers, with the classes up to
  k whose tiers are in A.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reconciler.sizing.problem import SizingProblem
from reconciler.slo.assess import slots_per_instance
from reconciler.slo.latency import SafeLoads, latency_percentile, reachable
from stacks.contract import Tier

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Competitors:
    """Classes `members` (indices, the last is the one that runs short) that compete for the tiers `tiers`."""

    tiers: frozenset[Tier]
    members: tuple[int, ...]

    @property
    def last(self) -> int:
        """The class of least priority, which has the shortage."""
        return self.members[-1]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The problem in vCPU.

    usable: (options, classes) vCPU per instance, 0 where the class may not use the option; allowed: 1 where it may use
    the option's tier. window: (scenarios, classes)
    needs of the demand section with `mass` and `rates` in requests/s. paths: (paths, classes, horizon) needs. now:
    (classes,) needs of the load measured now. served: classes that some option can serve at all.
    """

    usable: Floats
    allowed: Floats
    rates: Floats
    mass: Floats
    window: Floats
    paths: Floats
    now: Floats
    groups: tuple[Competitors, ...]
    served: tuple[int, ...]

    def weights(self, group: Competitors) -> Floats:
        """(options,) usable vCPU for a group: the mean over those members who may use it, by their mean need."""
        members = list(group.members)
        mean = np.maximum(self.mass @ self.window, 1e-12)[members]
        users = self.allowed[:, members] @ mean
        weights: Floats = np.divide(self.usable[:, members] @ mean, users, out=np.zeros(len(users)), where=users > 0)
        return weights


@dataclass(frozen=True, kw_only=True)
class Unkept:
    """A class whose promise holds on no tier. best_ms: what the best tier takes alone, sized_ms: the target sized for.

    tier is None where none of the class's tiers has instances; it is then not sized.
    """

    name: str
    target_ms: float
    percentile: float
    tiers: tuple[Tier, ...]
    tier: Tier | None = None
    best_ms: float = 0.0
    sized_ms: float = 0.0


def relax_unreachable(problem: SizingProblem) -> tuple[SizingProblem, list[Unkept]]:
    """Relax promises that hold on no tier to the nearest one that does, and return their classes.

    The plan then still carries their load. The policy judges these classes by the declared promise.
    """
    demand, unkept = problem.demand, []
    classes = dict(demand.classes)
    for name, wanted in demand.classes.items():
        service = problem.service(name)
        used = [t for t in wanted.tiers if any(o.tier is t for o in problem.options)]
        one = Unkept(name=name, target_ms=wanted.latency_ms, percentile=wanted.percentile, tiers=wanted.tiers)
        if not used:
            unkept.append(one)
            continue
        trips = {t: wanted.round_trip_ms.get(t, 0.0) for t in used}
        if not any(reachable(service, wanted.latency_ms, wanted.percentile, trip) for trip in trips.values()):
            best = min(trips, key=lambda t: trips[t])
            idle = latency_percentile(1e6, 1e-9, service, wanted.percentile, trips[best])
            unkept.append(replace(one, tier=best, best_ms=idle, sized_ms=1.25 * idle))
            classes[name] = wanted.model_copy(update={"latency_ms": 1.25 * idle})
    return replace(problem, demand=demand.model_copy(update={"classes": classes})), unkept


def needs_of(problem: SizingProblem, rates: Floats, mass: Floats) -> Needs:
    """Translate a problem whose promises are reachable; `rates`, `mass` are the demand section's scenarios."""
    names = list(problem.demand.classes)
    usable = np.zeros((len(problem.options), len(names)))
    allowed = np.array([[float(o.tier in c.tiers) for c in problem.demand.classes.values()] for o in problem.options])
    window, paths, now = np.zeros_like(rates), np.zeros_like(problem.paths), np.zeros(len(names))
    for k, name in enumerate(names):
        wanted, service = problem.demand.classes[name], problem.service(name)
        tables = {
            t: SafeLoads(
                service=service,
                target_ms=wanted.latency_ms,
                percentile=wanted.percentile,
                round_trip_ms=wanted.round_trip_ms.get(t, 0.0),
            )
            for t in wanted.tiers
        }
        best = max(tables, key=lambda t: float(tables[t].load(64)))
        typical = max(float(mass @ rates[:, k]), 1e-9)
        slots = {t: float(table.slots(typical)) for t, table in tables.items()}
        for i, option in enumerate(problem.options):
            if option.tier in tables and np.isfinite(slots[option.tier]):
                each = slots_per_instance(option.supply(1), service)
                usable[i, k] = each / service.concurrency_per_vcpu * slots[best] / slots[option.tier]
        if np.isfinite(slots[best]) and usable[:, k].max(initial=0) > 0:
            window[:, k] = tables[best].needed(rates[:, k]) / service.concurrency_per_vcpu
            paths[:, k] = tables[best].needed(problem.paths[:, k]) / service.concurrency_per_vcpu
            now[k] = float(tables[best].needed(problem.load_now.get(name, 0.0))) / service.concurrency_per_vcpu
    served = tuple(k for k in range(len(names)) if usable[:, k].max(initial=0) > 0)
    return Needs(
        usable=usable,
        allowed=allowed,
        rates=rates,
        mass=mass,
        window=window,
        paths=paths,
        now=now,
        groups=_groups(problem, served),
        served=served,
    )


def _groups(problem: SizingProblem, served: tuple[int, ...]) -> tuple[Competitors, ...]:
    """Prefix groups in order of class; of two with the same members the one with fewer tiers says more."""
    tiers = [frozenset(c.tiers) for c in problem.demand.classes.values()]
    unions = {tiers[k] for k in served}
    for _ in range(2):
        unions |= {a | b for a in unions for b in unions}
    found: dict[tuple[int, ...], frozenset[Tier]] = {}
    for k in served:
        for union in sorted(unions, key=lambda u: (len(u), sorted(u))):
            if tiers[k] <= union:
                members = tuple(j for j in served if j <= k and tiers[j] <= union)
                found.setdefault(members, union)
    return tuple(Competitors(tiers=union, members=members) for members, union in found.items())


def shortage_prices(problem: SizingProblem, needs: Needs) -> tuple[Floats, Floats]:
    """Price of a shortage per class and the tail probability that it implies: the newsvendor's answer for the volume.

    Where steps do not couple, the cheapest capacity with Σ_h E[(d_h − s_h)⁺] = ε Σ_h E[d_h] has s_h at one and the same
    quantile 1 − q of every step's need, with q = c / λ: c is the price of one more vCPU, λ that of one short.

    Returns:
        λ in USD/hour per vCPU short (classes,), and q (classes,).
    """
    count = len(problem.demand.classes)
    prices, tails = np.zeros(count), np.full(count, 1.0)
    dearest = max((o.usd_per_hour for o in problem.options), default=1.0) or 1.0
    for k, name in enumerate(problem.demand.classes):
        if k not in needs.served:
            continue
        usable = needs.usable[:, k]
        each = [
            o.usd_per_hour / u for o, u in zip(problem.options, usable, strict=True) if u > 0 and o.usd_per_hour > 0
        ]
        slope = min(each, default=dearest / usable.max())
        share = problem.share_ahead(name)
        tails[k] = _tail_for_volume(needs.paths[:, k], share)
        prices[k] = slope / tails[k]
    return prices, tails


def _tail_for_volume(need: Floats, share: float) -> float:
    """q such that the shortage over the (1 − q) quantile of every step is `share` of the volume."""
    total = need.mean(axis=0).sum()
    if total <= 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        q = (low + high) / 2
        level = np.quantile(need, 1 - q, axis=0)
        short = np.maximum(need - level, 0).mean(axis=0).sum()
        low, high = (q, high) if short <= share * total else (low, q)
    # One path in P is the finest tail that P paths can show.
    return max(low, 0.5 / len(need))
