"""Drift, told apart: who or what made the difference between what the state records and what there is. Pure.

    person        somebody changed, stopped, removed or renamed a resource by other means than tiercast
    autoscaler    a scaling policy moved the desired size between minimum and maximum
    lost          an interruption, a crash, a failed health check, a shortage or a dead host
    noise         a provider reads back the same value in another form, or values that nobody declares
    half-created  a resource of the stack that no state holds, left by an update that was cut short

The evidence is what hypervisors and cloud say (`World`) and what a refresh found (`RefreshStep`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.observe.preview import RefreshStep, StateResource
from reconciler.observe.stack_state import DOMAIN, GROUP
from reconciler.observe.world import LiveDomain, LiveGroup, LiveInstance, LiveMember, World
from stacks.contract import NAMESPACE, Ownership, Tier


class DriftKind(StrEnum):
    """Who or what made the difference."""

    PERSON = "person"
    AUTOSCALER = "autoscaler"
    LOST = "lost"
    NOISE = "noise"
    HALF_CREATED = "half-created"


@dataclass(frozen=True, kw_only=True, order=True)
class Drift:
    """One difference: its kind, the resource's or instance's name, and what is different in words."""

    kind: DriftKind
    name: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known besides the world.

    Attributes:
        state: the stack's resources.
        ownership: owner of the size of a tier's groups.
        refreshed: differences that a refresh found.
    """

    state: tuple[StateResource, ...] = ()
    ownership: Mapping[Tier, Ownership] | None = None
    refreshed: tuple[RefreshStep, ...] = ()


#: libvirt's reasons (`state.reason`) why a domain is shut off or paused, that only a person's command gives.
_BY_HAND = {
    "shut off": {"shutdown", "destroyed", "migrated", "saved", "from snapshot"},
    "paused": {"user", "migration", "save", "dump", "from snapshot", "snapshot"},
}
#: EC2's reasons that a person's request gives, with or without the API's name before them.
_REQUESTED = "Client.UserInitiated"


def drift_of(world: World, evidence: Evidence) -> tuple[Drift, ...]:
    """Every difference, once per resource and kind, in the order of kinds and names."""
    state = {r.name: r for r in evidence.state}
    found = [d for i in world.instances if (d := _vm(i, world, state)) is not None]
    found += _resized(world, state)
    found += [d for group in world.groups for d in _group(group, state, evidence)]
    found += _groups_gone(world)
    named = {d.name for d in found}
    found += [d for step in evidence.refreshed if step.name not in named and (d := _refreshed(step, world)) is not None]
    return tuple(sorted(set(found)))


def ownership_in(config: Mapping[str, Any]) -> dict[Tier, Ownership]:
    """Owner of the size of each cloud tier's groups in a stack configuration (full key → value)."""
    parts = {tier: config.get(f"{NAMESPACE}:{tier.value}") or {} for tier in (Tier.WARM, Tier.COLD)}
    return {tier: Ownership(part.get("ownership", Ownership.FLOOR)) for tier, part in parts.items()}


def by_kind(found: Iterable[Drift]) -> dict[str, int]:
    """Differences by kind; every kind is there."""
    counts = Counter(d.kind for d in found)
    return {kind.value: counts[kind] for kind in DriftKind}


def _vm(seen: LiveInstance, world: World, state: Mapping[str, StateResource]) -> Drift | None:
    """A VM that is not as recorded. Instances of groups are judged with their group."""
    if seen.name not in state and seen.recorded:
        return None
    domain = next((d for d in world.domains if d.uuid == seen.uuid), None) if seen.uuid else None
    if not seen.recorded:
        return Drift(kind=DriftKind.HALF_CREATED, name=seen.name, what=f"it is on {seen.place} and in no state")
    if seen.running is None:
        silent = seen.place in world.silent
        return Drift(kind=DriftKind.LOST, name=seen.name, what=seen.why) if silent else None
    if domain is None:
        return Drift(kind=DriftKind.PERSON, name=seen.name, what=seen.why)
    if domain.name != seen.name:
        return Drift(kind=DriftKind.PERSON, name=seen.name, what=f"it was renamed to {domain.name}")
    if not seen.running:
        return Drift(kind=_stopped(domain), name=seen.name, what=_with_reason(domain))
    if seen.ready is False:
        return Drift(kind=DriftKind.LOST, name=seen.name, what=seen.why)
    return None


def _stopped(domain: LiveDomain) -> DriftKind:
    by_hand = domain.reason in _BY_HAND.get(domain.state, ())
    return DriftKind.PERSON if by_hand else DriftKind.LOST


def _with_reason(domain: LiveDomain) -> str:
    return f"it is {domain.state} ({domain.reason})" if domain.reason else f"it is {domain.state}"


def _resized(world: World, state: Mapping[str, StateResource]) -> list[Drift]:
    """VMs with another size than the one that is recorded."""
    found = []
    recorded = {r.id: r for r in state.values() if r.type == DOMAIN}
    for domain in world.domains:
        resource = recorded.get(domain.uuid)
        if resource is None:
            continue
        for key, now, unit in (("vcpu", domain.vcpu, "vCPU"), ("memory", domain.memory_mib, "MiB")):
            before = resource.inputs.get(key)
            if isinstance(before, int | float) and now and int(before) != now:
                what = f"it has {now} {unit}, recorded are {int(before)}"
                found.append(Drift(kind=DriftKind.PERSON, name=resource.name, what=what))
    return found


def _group(group: LiveGroup, state: Mapping[str, StateResource], evidence: Evidence) -> list[Drift]:
    name = f"{group.tier.value}-{group.name}"
    resource = state.get(name)
    if resource is None or resource.id != group.group:
        return [Drift(kind=DriftKind.HALF_CREATED, name=group.group, what="it has the stack's tags and is in no state")]
    found = [_sized(name, group, resource, evidence), *(_member(name, one) for one in group.members)]
    if group.suspended:
        what = f"its processes {', '.join(group.suspended)} are suspended"
        found.append(Drift(kind=DriftKind.PERSON, name=name, what=what))
    missing = group.desired - sum(m.lifecycle in ("Pending", "InService") for m in group.members)
    if missing > 0:
        what = f"{missing} of {group.desired} instances are missing"
        found.append(Drift(kind=DriftKind.LOST, name=name, what=what))
    return [d for d in found if d is not None]


def _sized(name: str, group: LiveGroup, resource: StateResource, evidence: Evidence) -> Drift | None:
    """Bounds that differ are a person's; a desired size between them is the scaling policy's, unless a cause names a user."""
    ownership = (evidence.ownership or {}).get(group.tier, Ownership.FLOOR)
    bounds = [(k, _number(resource, k), now) for k, now in (("minSize", group.min), ("maxSize", group.max))]
    moved = [f"its {key} is {now}, recorded is {before}" for key, before, now in bounds if before not in (None, now)]
    desired = _number(resource, "desiredCapacity")
    if ownership is Ownership.EXTERNAL:
        return None
    if moved:
        return Drift(kind=DriftKind.PERSON, name=name, what="; ".join(moved))
    if desired in (None, group.desired):
        return None
    what = f"its desired size is {group.desired}, recorded is {desired}"
    causes = " ".join(group.causes[:3]).lower()
    by_user = "user request" in causes and "policy" not in causes
    kind = DriftKind.PERSON if ownership is Ownership.EXACT or by_user else DriftKind.AUTOSCALER
    return Drift(kind=kind, name=name, what=what)


def _number(resource: StateResource, key: str) -> int | None:
    value = resource.outputs.get(key, resource.inputs.get(key))
    return int(value) if isinstance(value, int | float) else None


def _member(name: str, one: LiveMember) -> Drift | None:
    """An instance that EC2 has stopped or ended, or that fails its checks, while its group still counts it."""
    if one.lifecycle != "InService":
        return None
    if one.state not in ("running", "pending"):
        kind = DriftKind.PERSON if one.reason.startswith(_REQUESTED) else DriftKind.LOST
        why = f" ({one.reason})" if one.reason else ""
        return Drift(kind=kind, name=f"{name}/{one.id}", what=f"EC2 reports it as {one.state or 'unknown'}{why}")
    bad = sorted({state for state in one.targets.values() if state == "unhealthy"})
    if not one.healthy or bad:
        return Drift(kind=DriftKind.LOST, name=f"{name}/{one.id}", what="it fails its health checks")
    return None


def _groups_gone(world: World) -> list[Drift]:
    """Recorded groups that the cloud, which answered, does not have."""
    if not any(r.source.startswith("aws") and not r.error for r in world.readings):
        return []
    return [
        Drift(kind=DriftKind.PERSON, name=f"{tier.value}-{name}", what="the group does not exist")
        for tier, name in world.recorded.groups
        if world.group(tier, name) is None
    ]


def _refreshed(step: RefreshStep, world: World) -> Drift | None:
    """What only a refresh shows: resources beside VMs and groups, and properties of both that are not sizes."""
    if step.gone:
        return Drift(kind=DriftKind.PERSON, name=step.name, what="it does not exist")
    keys = step.keys
    if step.type == DOMAIN:
        keys = tuple(k for k in keys if k != "running")
    if step.type == GROUP and world.groups:
        keys = tuple(k for k in keys if k not in ("minSize", "maxSize", "desiredCapacity"))
    if keys:
        return Drift(kind=DriftKind.PERSON, name=step.name, what=f"its {', '.join(keys)} changed")
    if step.noise:
        return Drift(kind=DriftKind.NOISE, name=step.name, what=f"its {', '.join(step.noise)} read back differently")
    return None
