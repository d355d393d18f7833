"""The capacity that a stack declares, counted from its resources: VMs, groups with their bounds, reservations, balancers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.resources import (
    BALANCERS,
    COUNTED,
    DOMAIN,
    FREE,
    GROUP,
    RESERVATION,
    TEMPLATE,
    UNKNOWN,
    Resource,
    Undecidable,
)
from stacks.contract_base import Tier

#: AWS may go a tenth over the desired count while it replaces spot instances at risk (capacity rebalancing).
REBALANCE_OVERSHOOT = 0.10


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
class Pool:
    """Ready pool: `prepared` counts running instances too; None means up to the group's maximum."""

    state: str
    minimum: int
    prepared: int | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """An auto scaling group with the bounds that its inputs set.

    types: every instance type that it may start.
    on_demand_share: share of on-demand instances above `on_demand_base`, 0 to 1.
    mixed: whether it uses a mixed-instances policy.
    overshoot: instances that it may run above its maximum for a short time.
    """

    resource: Resource
    types: tuple[str, ...]
    minimum: int
    maximum: int
    desired: int | None
    mixed: bool
    spot_possible: bool
    on_demand_base: int
    on_demand_share: float
    overshoot: int
    pool: Pool | None
    root_gib: int
    places: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        """Resource name."""
        return self.resource.name

    @property
    def tier(self) -> Tier:
        """Its tier. A group outside the tiers counts as cold if it may run spot instances, else as warm."""
        return self.resource.tier or (Tier.COLD if self.spot_possible else Tier.WARM)

    @property
    def guaranteed(self) -> int:
        """The least number of instances that run once the group has settled."""
        return self.minimum if self.desired is None else max(self.minimum, min(self.desired, self.maximum))

    @property
    def spot_at_most(self) -> int:
        """The number of spot instances when the group runs at its maximum."""
        return self.spot_at(self.maximum)

    def spot_at(self, count: int) -> int:
        """The number of spot instances among `count`. AWS rounds the on-demand share up."""
        if not self.spot_possible:
            return 0
        above = max(count - self.on_demand_base, 0)
        return above - math.ceil(above * self.on_demand_share - 1e-9)


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """A capacity reservation."""

    resource: Resource
    instance_type: str
    zone: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Estate:
    """The counted stack. `strangers` are resources that can't be counted or priced."""

    machines: tuple[VirtualMachine, ...]
    groups: tuple[Group, ...]
    reservations: tuple[Reserved, ...]
    balancers: tuple[Resource, ...]
    strangers: tuple[Resource, ...]


def survey(resources: Sequence[Resource]) -> Estate:
    """Count a stack.

    Raises:
        Undecidable: a count, a size or an instance type is not known before the update.
    """
    by_urn = {resource.urn: resource for resource in resources}
    managed = [resource for resource in resources if resource.managed]
    return Estate(
        # A domain that is declared as stopped serves no requests.
        machines=tuple(_machine(r) for r in managed if r.type == DOMAIN and r.get("running", True)),
        groups=tuple(_group(r, by_urn) for r in managed if r.type == GROUP),
        reservations=tuple(_reserved(r) for r in managed if r.type == RESERVATION),
        balancers=tuple(r for r in managed if r.type in BALANCERS),
        strangers=tuple(r for r in managed if r.type not in COUNTED and r.type not in FREE),
    )


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


def _group(resource: Resource, by_urn: Mapping[str, Resource]) -> Group:
    template = _template(resource, by_urn)
    mixed = resource.get("mixedInstancesPolicy")
    distribution = "mixedInstancesPolicy.instancesDistribution"
    base = resource.whole(f"{distribution}.onDemandBaseCapacity", 0)
    # AWS's own default: all on demand.
    percent = resource.whole(f"{distribution}.onDemandPercentageAboveBaseCapacity", 100)
    market = template.get("instanceMarketOptions.marketType") if template is not None else None
    spot = (percent < 100) if mixed else market == "spot"
    desired = resource.get("desiredCapacity")
    maximum = max(resource.whole("maxSize", 0), 0 if desired is None else resource.whole("desiredCapacity", 0))
    return Group(
        resource=resource,
        types=_types(resource, template),
        minimum=resource.whole("minSize", 0),
        maximum=maximum,
        desired=None if desired is None else resource.whole("desiredCapacity", 0),
        mixed=bool(mixed),
        spot_possible=spot,
        on_demand_base=base if mixed else 0,
        on_demand_share=percent / 100 if mixed else float(not spot),
        overshoot=_overshoot(resource, maximum, spot=spot),
        pool=_pool(resource),
        root_gib=_root_gib(template),
        places=tuple(
            str(place)
            for place in resource.get("vpcZoneIdentifiers", ()) or resource.get("availabilityZones", ())
            if place is not UNKNOWN
        ),
        tags=_tags(resource),
    )


def _template(resource: Resource, by_urn: Mapping[str, Resource]) -> Resource | None:
    """The launch template that the group depends on; its id is unknown in the preview that creates it."""
    for key in ("mixedInstancesPolicy", "launchTemplate"):
        if key in resource.inputs:
            for urn in resource.depends.get(key, ()):
                if urn in by_urn and by_urn[urn].type == TEMPLATE:
                    return by_urn[urn]
    return None


def _types(resource: Resource, template: Resource | None) -> tuple[str, ...]:
    found: list[str] = []
    overrides = resource.get("mixedInstancesPolicy.launchTemplate.overrides", ())
    for number, override in enumerate(overrides):
        kind = override.get("instanceType") if isinstance(override, Mapping) else None
        # A selection by attributes could start any type.
        if kind is None or kind is UNKNOWN:
            raise Undecidable(resource, f"mixedInstancesPolicy.launchTemplate.overrides[{number}].instanceType")
        if override.get("weightedCapacity") is not None:
            raise Undecidable(resource, "the number of instances that its weighted capacity means")
        found.append(str(kind))
    if found:
        return tuple(found)
    kind = template.get("instanceType") if template is not None else None
    if not kind:
        raise Undecidable(resource, "the instance type of its launch template")
    return (str(kind),)


def _overshoot(resource: Resource, maximum: int, *, spot: bool) -> int:
    shares = [0.0]
    if spot and resource.get("capacityRebalance", False):
        shares.append(REBALANCE_OVERSHOOT)
    refresh = resource.whole("instanceRefresh.preferences.maxHealthyPercentage", 100)
    shares.append(max(refresh - 100, 0) / 100)
    return math.ceil(maximum * max(shares) - 1e-9)


def _pool(resource: Resource) -> Pool | None:
    if resource.get("warmPool") is None:
        return None
    prepared = resource.whole("warmPool.maxGroupPreparedCapacity", -1)
    return Pool(
        state=str(resource.get("warmPool.poolState", "Stopped")),
        minimum=resource.whole("warmPool.minSize", 0),
        prepared=None if prepared < 0 else prepared,
    )


def _root_gib(template: Resource | None) -> int:
    if template is None:
        return 0
    total = 0
    for mapping in template.get("blockDeviceMappings", ()):
        size = mapping.get("ebs", {}).get("volumeSize") if isinstance(mapping, Mapping) else None
        if size is UNKNOWN:
            raise Undecidable(template, "blockDeviceMappings")
        total += int(size or 0)
    return total


def _tags(resource: Resource) -> dict[str, str]:
    return tag_values(resource.inputs.get("tags"))


def tag_values(tags: Any) -> dict[str, str]:
    """Known tags of a resource, from the list of a group or the map of any other resource."""
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items() if value is not UNKNOWN}
    if isinstance(tags, Sequence) and not isinstance(tags, str):
        return {
            str(tag["key"]): str(tag.get("value", ""))
            for tag in tags
            if isinstance(tag, Mapping) and tag.get("key") is not None and tag.get("value") is not UNKNOWN
        }
    return {}
