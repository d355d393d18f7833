"""The VMs that are made otherwise than the fleet file now wants them: they get a new slot, and go when that serves. Pure.

The state holds a digest of what each VM is made of (`Metal.build`). A VM without one, because its settings hold a secret or an
older version made it, is left alone: the preview shows whether the engine would replace it in place.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.fleet.file import Fleet
from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import MACHINE, observe
from reconciler.plan.compose import metal_of


def outdated(fleet: Fleet, state: Iterable[StateResource]) -> frozenset[str]:
    """Names of the VMs of another build. Hosts and flavours that the fleet file no longer has are the placement's matter."""
    held = list(state)
    builds = {r.name: r.outputs.get("build") for r in held if r.type == MACHINE}
    found = set()
    for tier, slots in observe(held, fleet.metal_flavours).slots.items():
        metal = metal_of(fleet, tier)
        if metal is None:
            continue
        hosts, kinds = {h.name for h in metal.hypervisors}, {f.name for f in metal.flavours}
        for slot in slots:
            build = builds.get(slot.name(tier.value))
            if isinstance(build, str) and slot.hypervisor in hosts and slot.flavour in kinds:
                found |= {slot.name(tier.value)} if build != metal.build(slot) else set()
    return frozenset(found)


def outdated_notes(names: Iterable[str]) -> tuple[str, ...]:
    """The sentence of a plan that replaces VMs of another build; none where there are none."""
    listed = sorted(names)
    if not listed:
        return ()
    return (
        f"{', '.join(listed)}: the fleet file changed what VMs are made of (overlay, boot, flavour, interfaces), so each is "
        "replaced under another number [build]",
    )
