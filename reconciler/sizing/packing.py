"""What own hosts can carry when the spare ones are lost (N+1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.sizing.problem import SizingProblem
from stacks.contract import Tier


@dataclass(frozen=True, kw_only=True)
class HostLimits:
    """cores and memory_mib of the hosts that remain when the `spare_hosts` largest fail; slots: per option alone."""

    cores: int
    memory_mib: int
    slots: Mapping[str, int]


def host_limits(problem: SizingProblem, tier: Tier) -> HostLimits | None:
    """Limits of a tier on own hosts, or None where it is not. A host smaller than a flavour carries none of it."""
    hosts = sorted((h for h in problem.hosts if h.tier is tier), key=lambda h: (-h.cores, -h.memory_mib, h.name))
    if not hosts:
        return None
    spare = problem.spare_hosts if tier is Tier.HOT else 0
    left = hosts[spare:]
    slots = {
        o.name: sum(min(int(h.cores // o.vcpu), int(h.memory_mib // o.memory_mib)) for h in left)
        for o in problem.options
        if o.tier is tier
    }
    return HostLimits(cores=sum(h.cores for h in left), memory_mib=sum(h.memory_mib for h in left), slots=slots)
