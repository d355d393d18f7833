"""The capacity that a stack declares, counted from its resources: VMs, groups with their bounds, reservations, balancers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.groups import Group, group_of, movers_of
from policies.resources import (
    BALANCERS,
    COUNTED,
    DOMAIN,
    FREE,
    GROUP,
    RESERVATION,
    TEMPLATE,
    TEMPLATE_INPUTS,
    Resource,
    Undecidable,
)
from stacks.contract_base import Tier


@dataclass(frozen=True, kw_only=True)
class VirtualMachine:
    """A VM on owned hardware; `host` is the hypervisor's name."""

    resource: Resource
    host: str
    vcpu: int
    memory_mib: int

    @property
    def tier(self) -> Tier:
        """Its tier. A VM that the program assigns to no tier counts as hot, because it runs on owned hardware."""
        return self.resource.tier or Tier.HOT


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """A capacity reservation."""

    resource: Resource
    instance_type: str
    zone: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Estate:
    """The counted stack.

    strangers: resources that can't be counted or priced.
    uncounted: launch templates, with those of their inputs whose cost is not counted.
    """

    machines: tuple[VirtualMachine, ...]
    groups: tuple[Group, ...]
    reservations: tuple[Reserved, ...]
    balancers: tuple[Resource, ...]
    strangers: tuple[Resource, ...]
    uncounted: tuple[tuple[Resource, tuple[str, ...]], ...] = ()


def survey(resources: Sequence[Resource]) -> Estate:
    """Count a stack.

    Raises:
        Undecidable: a count, a size or an instance type is not known before the update.
    """
    by_urn = {resource.urn: resource for resource in resources}
    movers = movers_of(resources)
    managed = [resource for resource in resources if resource.managed]
    return Estate(
        # A domain that is declared as stopped serves no requests.
        machines=tuple(_machine(r) for r in managed if r.type == DOMAIN and r.get("running", True)),
        groups=tuple(group_of(r, by_urn, movers.get(r.urn, ())) for r in managed if r.type == GROUP),
        reservations=tuple(_reserved(r) for r in managed if r.type == RESERVATION),
        balancers=tuple(r for r in managed if r.type in BALANCERS),
        strangers=tuple(r for r in managed if r.type not in COUNTED and r.type not in FREE),
        uncounted=tuple((r, odd) for r in managed if r.type == TEMPLATE and (odd := _uncounted(r))),
    )


def _uncounted(template: Resource) -> tuple[str, ...]:
    """Inputs of a launch template that may cost something that no policy counts (dedicated hosts, burst credits, …)."""
    return tuple(sorted(key for key, value in template.inputs.items() if value and key not in TEMPLATE_INPUTS))


def _machine(resource: Resource) -> VirtualMachine:
    host = resource.provider_name
    if resource.tier is not None:
        host = host.removeprefix(f"{resource.tier.value}-")
    # The provider's defaults apply where the program sets no value.
    return VirtualMachine(
        resource=resource, host=host, vcpu=resource.whole("vcpu", 1), memory_mib=resource.whole("memory", 512)
    )


def _reserved(resource: Resource) -> Reserved:
    kind = resource.get("instanceType")
    if not kind:
        raise Undecidable(resource, "instanceType")
    return Reserved(
        resource=resource,
        instance_type=str(kind),
        zone=str(resource.get("availabilityZone", "")),
        count=resource.whole("instanceCount", 0),
    )
