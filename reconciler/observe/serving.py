"""What a plan starts from: the instances that are recorded, and which of them serve, as hypervisors and cloud say. Pure.

- A VM that does not serve keeps its slot. If it is off or gone, the next update starts or makes it there again. If it runs
  but fails its health check, it gets a new slot, one VM of a tier at a time.
- If all running VMs of a tier fail the check, the check is suspected and none is replaced.
- What could not be read counts as recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reconciler.observe.instances import own_domains
from reconciler.observe.stack_state import Observed
from reconciler.observe.world import LiveInstance, Site, World, slot_of
from stacks.contract import Tier


def observed_now(
    world: World,
    site: Site,
    *,
    booting: Collection[str] = (),
    held: frozenset[str] = frozenset(),
    dropped: frozenset[str] = frozenset(),
) -> Observed:
    """The recorded instances with what is known of them now.

    Args:
        world: what was read. site: whose instances they are.
        held: names of VMs and groups that are left as they are. dropped: VMs that give up their slots.
        booting: names of VMs that were made or started so recently that their health check may still fail.
    """
    recorded = world.recorded
    strangers = _strangers(world, site)
    slots = {
        tier: tuple(s for s in mine if s.name(tier.value) not in strangers | dropped)
        for tier, mine in recorded.slots.items()
    }
    kept = {slot.name(tier.value) for tier, mine in slots.items() for slot in mine}
    vms = [i for i in world.instances if i.name in kept]
    groups, ready = dict(recorded.groups), {}
    cloud_read = any(r.source.startswith("aws") and not r.error for r in world.readings)
    for key, (types, _) in recorded.groups.items():
        live = world.group(*key)
        if live is not None:
            groups[key] = (types, live.desired)
            ready[key] = min(world.tally(*key).ready or 0, live.desired)
        elif cloud_read:
            del groups[key]
    return replace(
        recorded,
        slots=slots,
        groups=groups,
        idle={i.name: i.why for i in vms if i.ready is False},
        replaced=frozenset(name for tier in Tier for name in _replaced(vms, tier, {*booting, *held})),
        held=held,
        taken=strangers,
        ready=ready,
    )


def _strangers(world: World, site: Site) -> frozenset[str]:
    """Slot names that a domain of somebody else has on the slot's hypervisor."""
    own = {domain.uuid for domain in own_domains(site, (), world.domains).values()}
    ours = own | {i.uuid for i in world.instances if i.uuid}
    return frozenset(
        d.name for d in world.domains if d.uuid not in ours and (slot := slot_of(d.name)) and slot[1] == d.host
    )


def _replaced(vms: Collection[LiveInstance], tier: Tier, booting: Collection[str]) -> list[str]:
    """The VM of a tier that is replaced: the last by name of those that run and fail their check."""
    running = [i for i in vms if i.tier is tier and i.running and i.checked]
    failing = [i for i in running if i.ready is False]
    if len(failing) == len(running):
        return []
    return sorted(i.name for i in failing if i.name not in booting)[-1:]
