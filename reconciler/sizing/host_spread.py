"""Even spread of VMs over hosts: what placement aims at and what sizing counts on when a host is lost (N+1)."""

from __future__ import annotations

from collections.abc import Sequence


def even(count: int, room: Sequence[int]) -> list[int]:
    """VMs per host when `count` are spread as evenly as the hosts' room lets them; what finds no room is left out.

    `room` is most VMs per host; earlier hosts take the remainder.
    """
    filled = [0] * len(room)
    left = min(count, sum(room))
    while left:
        able = [i for i, r in enumerate(room) if filled[i] < r]
        lowest = min(filled[i] for i in able)
        step = [i for i in able if filled[i] == lowest]
        # A whole layer at once while there is enough, then one by one.
        layers = max(min((min(room[i] for i in step) - lowest), left // len(step)), 0)
        others = [filled[i] for i in able if filled[i] > lowest]
        layers = min(layers, min(others) - lowest) if others else layers
        if layers:
            for i in step:
                filled[i] += layers
            left -= layers * len(step)
        else:
            filled[step[0]] += 1
            left -= 1
    return filled


def lost_with(count: int, room: Sequence[int], spare: int) -> int:
    """VMs that go with the `spare` fullest hosts when `count` are spread evenly."""
    return sum(sorted(even(count, room), reverse=True)[:spare])
