"""What killed and failed updates left behind: operations that never ended, and resources of this stack that no state holds. Pure.

adopt     the resource is ours: it is written into the state as it was declared, and the next refresh reads what it is
remove    ours, but not usable: a disk that may be half filled, a domain that does not run or that nothing declares
clear     nothing was created, or the next refresh reads the resource anyway: the pending operation is dropped
leave     ours and running, but nothing says how to record it: a person decides
foreign   it has a name of ours but is not ours: it is never touched
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.observe.stack_state import DOMAIN, GROUP
from reconciler.observe.world import LiveDomain, Site
from stacks.contract import StackConfig, Tier

VOLUME = "libvirt:index/volume:Volume"
SEED = "libvirt:index/cloudInitDisk:CloudInitDisk"
#: Resource types that are looked up for a pending creation → their name in text.
KINDS = {
    DOMAIN: "domain",
    VOLUME: "volume",
    SEED: "cloud-init disk",
    GROUP: "auto scaling group",
    "aws:ec2/launchTemplate:LaunchTemplate": "launch template",
    "aws:ec2/capacityReservation:CapacityReservation": "capacity reservation",
    "aws:lb/loadBalancer:LoadBalancer": "load balancer",
    "aws:lb/targetGroup:TargetGroup": "target group",
}

Action = Literal["adopt", "remove", "clear", "leave", "foreign"]


@dataclass(frozen=True, kw_only=True)
class PendingOperation:
    """An operation that the state holds as begun. `resource` is the state's entry as far as it is known."""

    op: str
    resource: Mapping[str, Any]

    @property
    def urn(self) -> str:
        """The resource's URN."""
        return str(self.resource["urn"])

    @property
    def type(self) -> str:
        """The resource's type."""
        return str(self.resource["type"])

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What the program declared."""
        inputs: Mapping[str, Any] = self.resource.get("inputs") or {}
        return inputs

    @property
    def creates(self) -> bool:
        """Whether the operation may have left a resource that the state does not hold."""
        return self.op == "creating" and self.type in KINDS


@dataclass(frozen=True, kw_only=True)
class FoundResource:
    """A resource in the world under the name of a pending creation. `ours`: its tags or description name this stack."""

    id: str
    ours: bool
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What is done about one leftover, and why. `resource`: the state's entry to adopt; `place`: hypervisor or region."""

    action: Action
    kind: str
    name: str
    why: str
    id: str = ""
    place: str = ""
    resource: Mapping[str, Any] | None = None

    def describe(self) -> str:
        """For people, in one sentence without its full stop."""
        where = f" on {self.place}" if self.place else ""
        done = {
            "adopt": "was adopted",
            "remove": "was removed",
            "clear": "has no pending operation any more",
            "leave": "was left alone",
            "foreign": "is not of this stack and was not touched",
        }
        return f"{self.kind} {self.name}{where} {done[self.action]}: {self.why}"


def pending_operations(deployment: Mapping[str, Any]) -> tuple[PendingOperation, ...]:
    """The operations of an exported deployment that began and never ended."""
    return tuple(
        PendingOperation(op=str(one["type"]), resource=one["resource"])
        for one in deployment.get("pending_operations") or ()
    )


def recorded_ids(deployment: Mapping[str, Any]) -> frozenset[str]:
    """IDs of all resources that a deployment holds."""
    return frozenset(str(r["id"]) for r in deployment.get("resources") or () if r.get("id"))


def of_pending(
    pending: Iterable[PendingOperation], found: Mapping[str, FoundResource], recorded: frozenset[str]
) -> list[Settlement]:
    """What to do about pending operations.

    Args:
        pending: the operations.
        found: URN → what the world holds under the name that was to be created.
        recorded: IDs that the state holds.
    """
    settled = []
    for one in pending:
        there = found.get(one.urn) if one.creates else None
        action, why = _judged(one, there, recorded)
        settled.append(
            Settlement(
                action=action,
                kind=KINDS.get(one.type, one.type.rsplit(":", 1)[-1]),
                name=one.urn.rsplit("::", 1)[-1],
                why=why,
                id=there.id if there else "",
                place=there.place if there else "",
                resource=one.resource if action == "adopt" else None,
            )
        )
    return settled


def of_silent(pending: Iterable[PendingOperation]) -> list[Settlement]:
    """What to do about pending operations on hypervisors that do not answer. A domain is found by its description later."""
    return [
        Settlement(
            action="clear",
            kind=KINDS.get(one.type, one.type.rsplit(":", 1)[-1]),
            name=one.urn.rsplit("::", 1)[-1],
            why="its hypervisor does not answer; a later run finds what is there",
        )
        for one in pending
    ]


def _judged(one: PendingOperation, there: FoundResource | None, recorded: frozenset[str]) -> tuple[Action, str]:
    if one.op != "creating":
        return "clear", f"an earlier update stopped while {one.op} it; the refresh reads what it is now"
    if there is None:
        return "clear", "an earlier update stopped before it was created"
    if there.id in recorded:
        return "clear", "the state holds it already"
    if not there.ours:
        return "foreign", "it has the name that an earlier update was to create"
    if one.type in (VOLUME, SEED):
        return "remove", "an earlier update stopped while it was filled"
    return "adopt", "an earlier update created it and stopped before it was recorded"


@dataclass(frozen=True, kw_only=True)
class DeclaredVm:
    """A VM that the stack configuration declares: its hypervisor and size."""

    host: str
    vcpu: int
    memory_mib: int


def declared_vms(config: StackConfig) -> dict[str, DeclaredVm]:
    """Name → the VM, for every slot of a stack configuration."""
    found = {}
    for tier, metal in ((Tier.HOT, config.hot), (Tier.COLD, config.cold.metal)):
        sizes = {f.name: f for f in metal.flavours} if metal else {}
        for slot in metal.slots if metal else ():
            size = sizes[slot.flavour]
            found[slot.name(tier.value)] = DeclaredVm(host=slot.hypervisor, vcpu=size.vcpu, memory_mib=size.memory_mib)
    return found


def of_domains(
    site: Site,
    domains: Iterable[LiveDomain],
    *,
    declared: Mapping[str, DeclaredVm],
    known: frozenset[str],
    recorded: bool,
) -> list[Settlement]:
    """What to do about domains that no state holds.

    Args:
        site: project and stack.
        domains: every domain of the hypervisors that answered.
        declared: VMs of the stack configuration by name.
        known: UUIDs that the state holds, or will hold after pending operations are settled.
        recorded: whether the state holds any domain. One that holds none may be the wrong state: what runs is left alone.
    """
    settled = []
    for one in domains:
        wanted = declared.get(one.name)
        if one.uuid in known or (wanted is None and not site.owns(one.description)):
            continue
        if not site.owns(one.description):
            if wanted is not None and wanted.host == one.host:
                settled.append(_domain("foreign", one, "it has the name of a VM that the stack configuration declares"))
            continue
        settled.append(_leftover(one, wanted, recorded=recorded))
    return settled


def _leftover(one: LiveDomain, wanted: DeclaredVm | None, *, recorded: bool) -> Settlement:
    """A domain of ours that no state holds."""
    matches = wanted is not None and (wanted.host, wanted.vcpu, wanted.memory_mib) == (
        one.host,
        one.vcpu,
        one.memory_mib,
    )
    if not one.running:
        return _domain("remove", one, "it is defined but does not run, and no state holds it")
    if matches:
        return _domain("adopt", one, "it runs as declared, but no state holds it")
    if not recorded:
        return _domain(
            "leave", one, "it runs and is not declared, but the state holds no domain and may be the wrong one"
        )
    return _domain("remove", one, "no state holds it, and the stack configuration does not declare it so")


def _domain(action: Action, one: LiveDomain, why: str) -> Settlement:
    return Settlement(action=action, kind="domain", name=one.name, why=why, id=one.uuid, place=one.host)


def with_settled(deployment: Mapping[str, Any], settled: Iterable[Settlement]) -> dict[str, Any]:
    """The deployment with what is adopted and without pending operations.

    Where the state still holds the resource that an adopted one was to replace, that one is marked for deletion, as the engine
    marks it.
    """
    resources = [dict(r) for r in deployment.get("resources") or ()]
    for one in settled:
        if one.action != "adopt" or one.resource is None:
            continue
        for before in resources:
            if before["urn"] == one.resource["urn"]:
                before["delete"] = True
        inputs = one.resource.get("inputs") or {}
        resources.append({**one.resource, "id": one.id, "inputs": inputs, "outputs": inputs})
    return {**{k: v for k, v in deployment.items() if k != "pending_operations"}, "resources": resources}
