"""`tiercast:adopted` in the text of a stack file, and what of the world may be adopted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from reconciler.errors import InputError
from reconciler.fleet.file import Fleet
from reconciler.observe.world import LiveDomain, slot_of
from reconciler.plan.render import render
from reconciler.sizing.options import COLD_GROUP, label
from stacks.contract import Adopted, AdoptedGroup, AdoptedMachine, Hypervisor, Tier

KEY = "tiercast:adopted"


@dataclass(frozen=True, kw_only=True)
class FoundGroup:
    """An auto scaling group as the cloud has it, with its launch template ("" if it has none of its own).

    instance_type: of the launch template; instance_types: of a mixed group.
    """

    name: str
    desired: int
    tags: Mapping[str, str]
    template: str = ""
    template_id: str = ""
    instance_type: str = ""
    instance_types: tuple[str, ...] = ()


def adopted_in(config: Mapping[str, Any], location: str) -> Adopted:
    """What was adopted, in the `config` of a stack file.

    Raises:
        InputError: the key does not hold what the contract defines. The message names the part.
    """
    try:
        return Adopted.model_validate(config.get(KEY) or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([KEY, *(str(part) for part in first["loc"])])
        raise InputError(
            f"{location}, {where}", f"{first['msg'].removeprefix('Value error, ')}.", "Correct it, or adopt it again."
        ) from None


def with_adopted_key(text: str, adopted: Adopted, location: str) -> str:
    """The stack file's text with `adopted` in place of the old value. Errors as `render`."""
    value = adopted.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return render(text, {KEY: value} if value else {}, own=frozenset({KEY}), location=location)


def group_names(fleet: Fleet) -> dict[str, str]:
    """Resource name of each group that a fleet declares → the instance type that it stands for ("" for a mixed group)."""
    names = {f"warm-{label(kind)}": kind for kind in fleet.tiers.warm.instance_types}
    return {**names, f"cold-{COLD_GROUP}": ""} if fleet.tiers.cold.instance_types else names


def check_group(fleet: Fleet, name: str, found: FoundGroup, *, project: str, stack: str) -> AdoptedGroup:
    """The entry of a group that is adopted as the resource `name`.

    Raises:
        InputError: the fleet has no such group, it is of another type, it has no launch template, or another stack owns it.
    """
    place, names = f"the group {found.name}", group_names(fleet)
    if name not in names:
        known = ", ".join(names) or "none"
        raise InputError(
            "fleet.yaml", f"it declares no group '{name}'; it declares {known}.", "Name one of them, or add its type."
        )
    _check_owner(place, found.tags.get("project"), found.tags.get("stack"), project=project, stack=stack)
    if not found.template_id:
        raise InputError(
            place, "it has no launch template, only a launch configuration.", "Give it a launch template first."
        )
    if names[name] and found.instance_type != names[name]:
        raise InputError(
            place,
            f"it starts {found.instance_type or 'several types'}, but {name} stands for {names[name]}.",
            "Adopt it under the name of its type.",
        )
    return AdoptedGroup(
        group=found.name,
        template=found.template,
        template_id=found.template_id,
        desired=found.desired,
        instance_types=found.instance_types,
    )


def host_of(fleet: Fleet, slot: str) -> Hypervisor:
    """The hypervisor of a slot's name.

    Raises:
        InputError: it is no name of a slot, or the fleet has no such hypervisor in the tier.
    """
    place = slot_of(slot)
    if place is None:
        raise InputError(
            f"--machine {slot}", "it is no name of a slot; expected TIER-HYPERVISOR-NNN.", "For example hot-rack1-001."
        )
    hosts = {host.name: host for host in fleet.tiers.of(place[0]).own_hosts}
    if place[1] not in hosts:
        known = ", ".join(hosts) or "none"
        raise InputError(
            "fleet.yaml",
            f"the {place[0].value} tier has no hypervisor '{place[1]}'; it has {known}.",
            "Correct the name.",
        )
    return hosts[place[1]]


def check_machine(fleet: Fleet, slot: str, found: LiveDomain, *, project: str, stack: str) -> AdoptedMachine:
    """The entry of a domain that is adopted in a slot.

    Raises:
        InputError: it does not run, no flavour of the tier has its size, or another stack owns it.
    """
    place = f"the domain {found.name} on {found.host}"
    owner = dict(part.split("=", 1) for part in found.description.split() if "=" in part)
    if found.description.startswith("tiercast "):
        _check_owner(place, owner.get("project"), owner.get("stack"), project=project, stack=stack)
    if not found.running:
        raise InputError(place, f"it is {found.state}; only a running VM can be adopted.", "Start it first.")
    named = slot_of(slot)
    flavours = fleet.tiers.of(named[0] if named is not None else Tier.HOT).own_flavours
    if (found.vcpu, found.memory_mib) not in {(f.vcpu, f.memory_mib) for f in flavours}:
        sizes = ", ".join(f"{f.name} ({f.vcpu} vCPU, {f.memory_mib} MiB)" for f in flavours)
        raise InputError(
            place,
            f"it has {found.vcpu} vCPU and {found.memory_mib} MiB, and no flavour has that size; there is {sizes}.",
            "Add a flavour of that size to the tier.",
        )
    return AdoptedMachine(domain=found.name, uuid=found.uuid, vcpu=found.vcpu, memory_mib=found.memory_mib)


def _check_owner(place: str, owner: str | None, owner_stack: str | None, *, project: str, stack: str) -> None:
    if owner and owner_stack and (owner, owner_stack) != (project, stack):
        raise InputError(
            place, f"stack {owner_stack} of project {owner} owns it.", "Release it there first (`tiercast release`)."
        )
