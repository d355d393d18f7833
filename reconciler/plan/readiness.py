"""The notes of a plan about what serves, what does not and what could not be read. Pure."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.fleet.file import Fleet
from reconciler.observe.stack_state import Observed
from reconciler.observe.world import World
from stacks.contract import Tier


def readiness_notes(fleet: Fleet, world: World, seen: Observed, *, told: Collection[str] = ()) -> tuple[str, ...]:
    """One sentence per VM that does not serve, group with instances that do not serve, source that could not be read, and
    tier whose VMs are not checked. VMs whose drift was `told` are left out."""
    return (
        *(_vm(name, why, seen) for name, why in sorted(seen.idle.items()) if name not in told or name in seen.replaced),
        *(note for key in sorted(seen.ready) if (note := _group(world, seen, *key))),
        *_unread(fleet, world),
        *_unchecked(fleet, seen),
    )


def _vm(name: str, why: str, seen: Observed) -> str:
    if name in seen.replaced:
        done = "is replaced under another number"
    elif why.startswith("its health check failed"):
        done = "keeps its slot and does not count as capacity"
    else:
        done = "is started again in its slot, if the plan keeps it"
    return f"{name} is not ready ({why}): it {done} [ready]"


def _group(world: World, seen: Observed, tier: Tier, name: str) -> str:
    desired, ready = seen.desired(tier, name), seen.in_service(tier, name)
    if ready >= desired:
        return ""
    reasons = sorted({i.why for i in world.instances if i.tier is tier and i.place == name and i.ready is False})
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{tier.value}/{name}: {ready} of {desired} instances are ready{why} [ready]"


def _unread(fleet: Fleet, world: World) -> list[str]:
    """Hosts that do not answer have their own note; the others are hosts without a client to ask, and regions."""
    hosts = {host.name for host in fleet.tiers.own_hosts}
    notes = [
        f"{r.source} could not be read ({r.error}): its instances count as recorded [ready]"
        for r in world.readings
        if r.error and r.asked and r.source not in hosts
    ]
    unasked = [r for r in world.readings if r.error and not r.asked]
    if unasked:
        notes.append(f"No hypervisor was asked: {unasked[0].error}. The VMs count as recorded [ready]")
    return notes


def _unchecked(fleet: Fleet, seen: Observed) -> list[str]:
    return [
        f"{tier.value}: no health check is declared (tiers.{tier.value}.health), so a VM that runs counts as ready [ready]"
        for tier in Tier
        if seen.slots.get(tier) and fleet.tiers.of(tier).health_check is None
    ]
