"""The capacity of own hosts, and the capacity that remains when the spare ones are lost (N+1).

N+1 means that every promise holds if any one host fails. VMs are spread evenly over all hosts, and only the VMs that remain
after losing the fullest hosts count as capacity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.sizing.host_spread import lost_with
from reconciler.sizing.problem import Option, SizingProblem
from stacks.contract import Tier


@dataclass(frozen=True, kw_only=True)
class HostLimits:
    """cores and memory_mib of a tier's hosts together; rooms: per option the VMs that each host could carry alone."""

    cores: int
    memory_mib: int
    rooms: Mapping[str, tuple[int, ...]]

    def slots(self, option: str) -> int:
        """Most VMs of an option alone."""
        return sum(self.rooms[option])


def host_limits(problem: SizingProblem, tier: Tier) -> HostLimits | None:
    """Limits of a tier on own hosts, or None for other tiers. A host smaller than a flavour carries none of it."""
    hosts = sorted((h for h in problem.hosts if h.tier is tier), key=lambda h: (-h.cores, -h.memory_mib, h.name))
    if not hosts:
        return None
    rooms = {
        o.name: tuple(min(int(h.cores // o.vcpu), int(h.memory_mib // o.memory_mib)) for h in hosts)
        for o in problem.options
        if o.tier is tier
    }
    return HostLimits(cores=sum(h.cores for h in hosts), memory_mib=sum(h.memory_mib for h in hosts), rooms=rooms)


def without_spare_hosts(problem: SizingProblem, counts: Mapping[str, int]) -> dict[str, int] | None:
    """Counts that remain when the fullest hosts, as many as `spare_hosts`, are lost; None without spare hosts."""
    limits = host_limits(problem, Tier.HOT) if problem.spare_hosts else None
    if limits is None:
        return None
    return {
        name: count - lost_with(count, limits.rooms[name], problem.spare_hosts) if name in limits.rooms else count
        for name, count in counts.items()
    }


def counted_share(problem: SizingProblem, option: Option) -> float:
    """Share of an option's capacity that the promises may count on: what an even spread keeps without spare hosts.

    Not less than any count keeps, so that the program's bound stays one; `repair` counts whole VMs.
    """
    limits = host_limits(problem, Tier.HOT) if problem.spare_hosts else None
    if limits is None or option.name not in limits.rooms:
        return 1.0
    usable = sum(r > 0 for r in limits.rooms[option.name])
    return max(1 - problem.spare_hosts / usable, 0.0) if usable else 0.0
