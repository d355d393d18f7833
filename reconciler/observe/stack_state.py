"""The instances that a stack's state records, per tier and kind, read from the resources. Pure.

The source is the state of the last update or refresh, not the configuration. Each run starts from what exists, not from
what was planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.observe.preview import StateResource
from stacks.contract import Flavour, Slot, Tier

DOMAIN = "libvirt:index/domain:Domain"
MACHINE = "tiercast:stacks:Machine"
GROUP = "aws:autoscaling/group:Group"


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Observed instances.

    Attributes:
        slots: occupied slots on own hosts, by tier. A VM that does not run keeps its slot.
        groups: (tier, group name) → (instance types, desired capacity).
        idle: VM in a slot that is known not to serve → why.
        replaced: VMs that get a new slot: some of `idle`, and those that are made otherwise than the plan wants them.
        taken: names of slots that a domain of somebody else holds, so that no VM can be made there.
        held: names of slots and groups (`cold-burst`) that the update leaves as they are.
        ready: (tier, group name) → instances that serve. Absent if that is unknown: all desired ones count then.
        most: (tier, group name) → instances that the cloud can give it. Absent if nothing is known to be short.
    """

    slots: Mapping[Tier, tuple[Slot, ...]] = field(default_factory=dict)
    groups: Mapping[tuple[Tier, str], tuple[tuple[str, ...], int]] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    ready: Mapping[tuple[Tier, str], int] = field(default_factory=dict)
    most: Mapping[tuple[Tier, str], int] = field(default_factory=dict)

    @property
    def first_run(self) -> bool:
        """Whether the stack has no instance yet."""
        return not self.groups and not any(self.slots.values())

    def desired(self, tier: Tier, group: str) -> int:
        """Desired capacity of a group; 0 if the group does not exist."""
        return self.groups.get((tier, group), ((), 0))[1]

    def total(self, tier: Tier) -> int:
        """Instances of a tier."""
        return len(self.slots.get(tier, ())) + sum(n for (t, _), (_, n) in self.groups.items() if t is tier)

    def serving(self, tier: Tier) -> int:
        """Instances of a tier that serve. What is unknown counts as serving."""
        return len(self.serving_slots(tier)) + sum(self.in_service(t, name) for t, name in self.groups if t is tier)

    def serving_slots(self, tier: Tier) -> tuple[Slot, ...]:
        """Slots of a tier whose VM is not known to be out of service."""
        return tuple(slot for slot in self.slots.get(tier, ()) if slot.name(tier.value) not in self.idle)

    def in_service(self, tier: Tier, group: str) -> int:
        """Instances of a group that serve; its desired capacity if that is unknown."""
        return self.ready.get((tier, group), self.desired(tier, group))


def observe(resources: Iterable[StateResource], flavours: Iterable[Flavour]) -> Observed:
    """Read a stack's resources. A VM whose size is not a known flavour is listed as `vcpu x MiB`."""
    named = {(f.vcpu, f.memory_mib): f.name for f in flavours}
    slots: dict[Tier, list[Slot]] = {}
    groups: dict[tuple[Tier, str], tuple[tuple[str, ...], int]] = {}
    for resource in resources:
        tier, _, rest = resource.name.partition("-")
        if tier not in Tier.__members__.values():
            continue
        if resource.type == DOMAIN:
            host, _, number = rest.rpartition("-")
            # Inputs of an imported VM lack what equals the provider's defaults.
            known = {**resource.outputs, **resource.inputs}
            size = (_whole(known.get("vcpu")), _whole(known.get("memory")))
            flavour = named.get(size, f"{size[0]}x{size[1]}")
            slots.setdefault(Tier(tier), []).append(Slot(hypervisor=host, number=int(number), flavour=flavour))
        elif resource.type == GROUP:
            desired = resource.outputs.get("desiredCapacity", resource.inputs.get("minSize", 0))
            groups[Tier(tier), rest] = (_types(resource), _whole(desired))
    return Observed(slots={tier: tuple(sorted(found, key=_order)) for tier, found in slots.items()}, groups=groups)


def _order(slot: Slot) -> tuple[str, int]:
    return slot.hypervisor, slot.number


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _types(resource: StateResource) -> tuple[str, ...]:
    """Instance types of a mixed group; empty for a group whose launch template holds the type."""
    policy = resource.inputs.get("mixedInstancesPolicy") or {}
    overrides = (policy.get("launchTemplate") or {}).get("overrides") or ()
    return tuple(o["instanceType"] for o in overrides if "instanceType" in o)
