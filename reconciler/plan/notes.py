"""The notes of a plan about commitments, measured latency, minimums, and VMs without room. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.fleet.file import Fleet
from reconciler.plan.placement import Placement
from reconciler.sizing import SizingProblem
from stacks.contract import Tier


def latency_notes(
    problem: SizingProblem, load_now: Mapping[str, float], latency_now_ms: Mapping[str, float]
) -> tuple[str, ...]:
    """One sentence per class whose measured latency is over its target, with the load that the safety floor uses."""
    return tuple(
        f"{name}: the measured latency of {latency_now_ms[name]:.4g} ms at p{100 * wanted.percentile:g} is over the target of "
        f"{wanted.latency_ms:g} ms: the safety floor uses {problem.load_now[name]:.4g} requests/s instead of the measured "
        f"{load_now[name]:.4g} [latency]"
        for name, wanted in problem.demand.classes.items()
        if problem.load_now.get(name, 0.0) > load_now.get(name, 0.0)
    )


def minimum_notes(fleet: Fleet, problem: SizingProblem, *, pinned: frozenset[Tier] = frozenset()) -> tuple[str, ...]:
    """One sentence per tier whose declared minimum is more than its hosts can carry now. Pinned tiers have no minimum."""
    return tuple(
        f"{tier.value}: the declared minimum of {fleet.tiers.of(tier).min} is more than it can have now: sized with "
        f"at least {low} [minimum]"
        for tier, (low, _) in problem.tier_bounds.items()
        if low < fleet.tiers.of(tier).min and tier not in pinned
    )


def placement_notes(places: Mapping[Tier, Placement]) -> list[str]:
    """VMs without room, missing spare capacity, and VMs that move."""
    notes = []
    for tier, found in places.items():
        notes += [
            f"{tier.value}: {count} {name} do not fit on the hosts" for name, count in (found.unplaced or {}).items()
        ]
        if found.excess:
            notes.append(
                f"{tier.value}: {found.fullest} runs more VMs than an even spread: if it fails, {found.excess} VMs more are "
                f"lost than planned for (N+{found.spare})."
            )
        if found.moved:
            notes.append(f"{tier.value}: {len(found.moved)} VMs move to other hosts to make room")
    return notes


def unreachable_notes(unreachable: Mapping[str, str]) -> list[str]:
    """One sentence per hypervisor that does not answer."""
    return [
        f"hypervisor {name} does not answer ({words}): its VMs are not touched and not counted as capacity"
        for name, words in sorted(unreachable.items())
    ]


def commitment_notes(fleet: Fleet) -> tuple[str, ...]:
    """One sentence per commitment or reservation that is paid for but unused, or that is declared to cost nothing."""
    warm, cold = fleet.tiers.warm, fleet.tiers.cold
    notes = []
    for what, name, count in (
        *(("commitments", c.instance_type, c.count) for c in warm.commitments),
        *(("reservations", r.instance_type, r.count) for r in warm.reservations),
    ):
        if name in warm.instance_types:
            continue
        used = (
            "only the cold tier's on-demand part can use them" if name in cold.instance_types else "no group uses them"
        )
        notes.append(
            f"tiers.warm.{what}: {count} × {name} are paid whether used or not, but {name} is not among "
            f"tiers.warm.instance_types, so {used}: add the type there, or remove them"
        )
    notes += [
        f"tiers.warm.commitments: {c.count} × {c.instance_type} count as paid in advance, at 0 USD/hour: correct "
        "`usd_per_hour` if they cost anything"
        for c in warm.commitments
        if c.usd_per_hour == 0
    ]
    return tuple(dict.fromkeys(notes))
