"""What is not ready yet of the instances that have to serve before others may go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.observe.world import World
from stacks.contract import Tier


def not_ready(world: World, *, vms: Iterable[str], groups: Mapping[tuple[Tier, str], int]) -> tuple[str, ...]:
    """One sentence part per VM that is not ready, and per group with fewer ready instances than given. Unknown is not ready."""
    found = []
    for name in sorted(vms):
        seen = world.instance(name)
        if seen is None:
            found.append(f"{name} does not exist")
        elif not seen.ready:
            found.append(f"{name}: {seen.why or 'unknown'}")
    for (tier, label), wanted in sorted(groups.items()):
        ready = world.tally(tier, label).ready
        if ready is None:
            found.append(f"{tier.value}-{label} could not be read")
        elif ready < wanted:
            found.append(f"{tier.value}-{label} has {ready} of {wanted} instances ready")
    return tuple(found)
