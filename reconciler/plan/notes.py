"""Sentences of a plan about what was measured, what the hosts cannot carry, and what found no room. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.fleet.file import Fleet
from reconciler.plan.placement import Placement
from reconciler.sizing import SizingProblem
from stacks.contract import Tier


def latency_notes(
    problem: SizingProblem, load_now: Mapping[str, float], latency_now_ms: Mapping[str, float]
) -> tuple[str, ...]:
    """One sentence per class whose measured latency is over its target: what the floor makes of it."""
    return tuple(
        f"{name}: {latency_now_ms[name]:.4g} ms measured at p{100 * wanted.percentile:g}, over its "
        f"{wanted.latency_ms:g} ms: the safety floor counts {problem.load_now[name]:.4g} requests/s for the "
        f"{load_now[name]:.4g} measured [latency]"
        for name, wanted in problem.demand.classes.items()
        if problem.load_now.get(name, 0.0) > load_now.get(name, 0.0)
    )


def minimum_notes(fleet: Fleet, problem: SizingProblem) -> tuple[str, ...]:
    """One sentence per tier whose declared minimum is more than its hosts can carry now."""
    tiers = fleet.tiers
    declared = {Tier.HOT: tiers.hot.min, Tier.WARM: tiers.warm.min, Tier.COLD: tiers.cold.min}
    return tuple(
        f"{tier.value}: the declared minimum of {declared[tier]} is more than its hosts can carry now: sized with at least "
        f"{low} [minimum]"
        for tier, (low, _) in problem.tier_bounds.items()
        if low < declared[tier]
    )


def placement_notes(places: Mapping[Tier, Placement]) -> list[str]:
    """What found no room, where the spare host is missing, and what moves."""
    notes = []
    for tier, found in places.items():
        notes += [
            f"{tier.value}: {count} {name} found no room on the hosts" for name, count in (found.unplaced or {}).items()
        ]
        if found.reason:
            notes.append(f"{tier.value}: {found.reason}")
        if found.moved:
            notes.append(f"{tier.value}: {len(found.moved)} VMs change hosts to make room")
    return notes


def unreachable_notes(unreachable: Mapping[str, str]) -> list[str]:
    """One sentence per hypervisor that does not answer."""
    return [
        f"hypervisor {name} does not answer ({words}): what runs there is left alone and not counted on"
        for name, words in sorted(unreachable.items())
    ]
