"""Which instances of a group go first, and which are of an older launch template. Pure."""

from __future__ import annotations

import math

from reconciler.observe.world import LiveGroup, LiveMember

#: Instances that a roll launches at once, as a share of the group.
_SURGE = 0.1


def outdated(group: LiveGroup) -> tuple[LiveMember, ...]:
    """Instances in service that were launched from another version of the launch template than the group's own."""
    if not group.template:
        return ()
    return tuple(m for m in group.members if m.template and m.template != group.template and m.lifecycle == "InService")


def surge_of(group: LiveGroup) -> int:
    """Instances that a round of a roll launches before it ends as many: a tenth of the group, at least one."""
    return max(math.ceil(group.desired * _SURGE), 1)


def first_to_go(group: LiveGroup, count: int) -> tuple[LiveMember, ...]:
    """The instances that leave a group which shrinks by `count`.

    Those that do not serve go first, then those of an older launch template, then spot before on-demand.
    """
    free = [m for m in group.members if not m.protected]

    def order(member: LiveMember) -> tuple[bool, bool, bool, str]:
        serves = member.lifecycle == "InService" and member.healthy
        current = not member.template or member.template == group.template
        return serves, current, not member.spot, member.id

    return tuple(sorted(free, key=order)[: max(count, 0)])
