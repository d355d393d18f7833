"""From what hypervisors, cloud and health checks said to the stack's instances: running or not, ready or not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import DOMAIN, GROUP, MACHINE, Observed
from reconciler.observe.world import (
    DeclaredTier,
    LiveDomain,
    LiveGroup,
    LiveInstance,
    LiveMember,
    Reading,
    Site,
    World,
    slot_of,
)
from stacks.contract import Slot, Tier

#: States of a target in which its balancer does not check it: they say nothing against the instance.
_UNCHECKED = frozenset({"unused", "unavailable"})


def world_of(
    site: Site,
    *,
    declared: Mapping[Tier, DeclaredTier],
    recorded: Observed,
    state: Iterable[StateResource],
    readings: Sequence[Reading],
    domains: Sequence[LiveDomain],
    groups: Sequence[LiveGroup],
    answers: Mapping[str, str],
) -> World:
    """The stack's instances.

    Args:
        site: where they are.
        declared, recorded: sizes in the stack configuration, and what the state holds.
        state: the stack's resources, for the domains' UUIDs.
        readings, domains, groups: what hypervisors and cloud said.
        answers: VM → "" where its health check answered 200, else what it said. VMs that were not asked are absent.
    """
    vms = _machines(site, recorded, list(state), readings, domains, answers)
    members = [_member(group, member) for group in groups for member in group.members]
    return World(
        declared=declared,
        recorded=recorded,
        instances=tuple(sorted([*vms, *members], key=lambda i: (list(Tier).index(i.tier), i.place, i.name))),
        readings=tuple(readings),
        domains=tuple(domains),
        groups=tuple(groups),
    )


def group_labels(state: Iterable[StateResource]) -> dict[str, tuple[Tier, str]]:
    """Name in the cloud → (tier, label) of the groups that the state holds."""
    found = {}
    for resource in state:
        tier, _, label = resource.name.partition("-")
        if resource.type == GROUP and tier in Tier.__members__.values():
            found[resource.id] = (Tier(tier), label)
    return found


def own_domains(site: Site, state: Iterable[StateResource], domains: Iterable[LiveDomain]) -> dict[str, LiveDomain]:
    """Domain by slot name: the recorded one by its UUID, otherwise one of the slot's name with the stack's description."""
    by_uuid = {d.uuid: d for d in domains}
    found = {r.name: by_uuid[r.id] for r in state if r.type == DOMAIN and r.id in by_uuid}
    for domain in by_uuid.values():
        slot = slot_of(domain.name)
        if slot is not None and slot[1] == domain.host and site.owns(domain.description):
            found.setdefault(domain.name, domain)
    return found


def endpoints(site: Site, state: Iterable[StateResource], names: Iterable[str]) -> dict[str, str]:
    """`http://ADDRESS:PORT/PATH` by VM, for VMs whose tier declares a check and whose address is known.

    A forwarded VM is asked at its hypervisor's port, any other at its own address as the state holds it.
    """
    outputs = {r.name: str(r.outputs.get("endpoint") or "") for r in state if r.type == MACHINE}
    found = {}
    for name in names:
        slot = slot_of(name)
        check = site.health.get(slot[0]) if slot else None
        if slot is None or check is None:
            continue
        tier, place, number = slot
        host = next((h for h in site.hypervisors.get(tier, ()) if h.name == place), None)
        if host is not None and host.base_port is not None:
            found[name] = f"http://{host.host or '127.0.0.1'}:{host.base_port + number}{check.path}"
        elif address := outputs.get(name, "").rpartition(":")[0]:
            found[name] = f"http://{address}:{check.port}{check.path}"
    return found


def _machines(
    site: Site,
    recorded: Observed,
    state: Sequence[StateResource],
    readings: Sequence[Reading],
    domains: Sequence[LiveDomain],
    answers: Mapping[str, str],
) -> list[LiveInstance]:
    """The VMs that the state holds, and those of the stack that it does not hold."""
    slots = {slot.name(tier.value): (tier, slot) for tier, mine in recorded.slots.items() for slot in mine}
    own = own_domains(site, state, domains)
    for name, domain in own.items():
        if name not in slots and (place := slot_of(name)) is not None:
            kind = f"{domain.vcpu}x{domain.memory_mib}"
            slots[name] = (place[0], Slot(hypervisor=place[1], number=place[2], flavour=kind))
    errors = {r.source: r.error for r in readings}
    named = {(d.host, d.name) for d in domains}
    held = {r.name for r in state if r.type == DOMAIN}
    found = []
    for name, (tier, slot) in slots.items():
        host = slot.hypervisor
        taken = (host, name) in named
        running, ready, why = _vm(own.get(name), host, errors.get(host, "it was not asked"), taken, answers.get(name))
        if ready and tier in site.health and name not in answers:
            ready, why = None, "its address is not known"
        found.append(
            LiveInstance(
                tier=tier,
                name=name,
                place=host,
                kind=slot.flavour,
                running=running,
                ready=ready,
                why=why,
                checked=tier in site.health,
                recorded=name in held,
                uuid=own[name].uuid if name in own else "",
            )
        )
    return found


def _vm(
    domain: LiveDomain | None, host: str, error: str, taken: bool, answer: str | None
) -> tuple[bool | None, bool | None, str]:
    """Running, ready, and why not ready."""
    if error:
        return None, None, f"{host} could not be read ({error})"
    if domain is None:
        return False, False, f"another domain on {host} has its name" if taken else f"it does not exist on {host}"
    if not domain.running:
        return False, False, f"it is {domain.state}"
    if answer:
        return True, False, f"its health check failed: {answer}"
    return True, True, ""


def _member(group: LiveGroup, member: LiveMember) -> LiveInstance:
    running = member.state == "running" or (member.state == "pending" and member.lifecycle == "InService")
    why = _unready(group, member, running)
    return LiveInstance(
        tier=group.tier,
        name=member.id,
        place=group.name,
        kind=member.instance_type,
        running=running,
        ready=not why,
        why=why,
        checked=bool(group.target_groups),
    )


def _unready(group: LiveGroup, member: LiveMember, running: bool) -> str:
    """Why an instance does not serve; "" if it does."""
    if member.lifecycle != "InService":
        return f"its lifecycle state is {member.lifecycle}"
    if not running:
        return f"EC2 reports it as {member.state}" if member.state else "EC2 does not know it"
    if not member.healthy:
        return "its group reports it as unhealthy"
    for arn in group.target_groups:
        seen = member.targets.get(arn, "not registered")
        if seen != "healthy" and seen not in _UNCHECKED:
            return f"its target group reports it as {seen}"
    return ""
