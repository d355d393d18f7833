"""Auto scaling groups, as their inputs and what moves them allow them to become."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.resources import (
    GROUP,
    GROUP_POLICY,
    SCHEDULE,
    TEMPLATE,
    UNKNOWN,
    Resource,
    Undecidable,
    tag_values,
)
from stacks.contract_base import Tier

#: AWS may go a tenth over the desired count while it replaces spot instances at risk (capacity rebalancing).
REBALANCE_OVERSHOOT = 0.10


#: The volume type of root volumes, whose GiB the bill counts.
COMMON = "gp3"


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Ready pool: `prepared` counts running instances too; None means up to the group's maximum."""

    state: str
    minimum: int
    prepared: int | None


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume that every instance of a group gets; 0 GiB: the image's own size. None: the type's default."""

    gib: int
    kind: str
    iops: int | None
    mibps: int | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """An auto scaling group, as its inputs allow it to become.

    template: its launch template. version: the version of it that the group starts; "" where only the update knows it.
    types: every type that it may start. on_demand_share: above the base. mixed: bought by a mixed-instances policy.
    overshoot: instances that it may run beyond its maximum for a while.
    """

    resource: Resource
    template: Resource
    version: str
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
    volumes: tuple[Volume, ...]
    places: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        """Resource name."""
        return self.resource.name

    @property
    def tier(self) -> Tier:
        """Its tier; outside of the tiers by what it is."""
        return self.resource.tier or (Tier.COLD if self.spot_possible else Tier.WARM)

    @property
    def guaranteed(self) -> int:
        """Instances that run at least, once it has settled."""
        return self.minimum if self.desired is None else max(self.minimum, min(self.desired, self.maximum))

    @property
    def root_gib(self) -> int:
        """GiB of each instance's volumes of the common type; 0: the image's own root volume."""
        return sum(volume.gib for volume in self.volumes if volume.kind == COMMON)

    @property
    def spot_at_most(self) -> int:
        """Instances that may be spot at the maximum."""
        return self.spot_at(self.maximum)

    def spot_at(self, count: int) -> int:
        """Instances of `count` that are spot; AWS rounds the on-demand share up."""
        if not self.spot_possible:
            return 0
        above = max(count - self.on_demand_base, 0)
        return above - math.ceil(above * self.on_demand_share - 1e-9)


def group_of(resource: Resource, by_urn: Mapping[str, Resource], movers: Sequence[Resource] = ()) -> Group:
    """Count a group.

    Args:
        resource: the group.
        by_urn: all resources of the stack.
        movers: scaling policies and schedules that move it.

    Raises:
        Undecidable: a size, a type or its launch template is not known.
    """
    template = _template(resource, by_urn)
    schedules = [mover for mover in movers if mover.type == SCHEDULE]
    for mover in movers:
        if mover.get("predictiveScalingConfiguration.maxCapacityBreachBehavior") == "IncreaseMaxCapacity":
            raise Undecidable(mover, "how far it raises its group's maximum (maxCapacityBreachBehavior)")
    mixed = resource.get("mixedInstancesPolicy")
    distribution = "mixedInstancesPolicy.instancesDistribution"
    base = resource.whole(f"{distribution}.onDemandBaseCapacity", 0)
    # AWS's own default: all on demand.
    percent = resource.whole(f"{distribution}.onDemandPercentageAboveBaseCapacity", 100)
    market = template.get("instanceMarketOptions.marketType")
    spot = (percent < 100) if mixed else market == "spot"
    desired = resource.get("desiredCapacity")
    sizes = (*(one.whole(key, 0) for one in schedules for key in ("minSize", "maxSize", "desiredCapacity")),)
    maximum = max(resource.whole("maxSize", 0), resource.whole("desiredCapacity", 0), *sizes, 0)
    least = min([resource.whole("minSize", 0), *(_lowest(one) for one in schedules)])
    return Group(
        resource=resource,
        template=template,
        version=_version(resource),
        types=_types(resource, template),
        minimum=least,
        maximum=maximum,
        # A schedule may lower the desired count to its own minimum.
        desired=None if desired is None or schedules else resource.whole("desiredCapacity", 0),
        mixed=bool(mixed),
        spot_possible=spot,
        on_demand_base=base if mixed else 0,
        on_demand_share=percent / 100 if mixed else float(not spot),
        overshoot=_overshoot(resource, maximum, spot=spot),
        pool=_pool(resource),
        volumes=_volumes(template),
        places=tuple(
            str(place)
            for place in resource.get("vpcZoneIdentifiers", ()) or resource.get("availabilityZones", ())
            if place is not UNKNOWN
        ),
        tags=tag_values(resource.inputs.get("tags")),
    )


def movers_of(resources: Sequence[Resource]) -> dict[str, tuple[Resource, ...]]:
    """URN of a group → scaling policies and schedules that move it; under "" those whose group is not in this stack."""
    groups = {r.urn for r in resources if r.type == GROUP}
    found: dict[str, tuple[Resource, ...]] = {}
    for resource in resources:
        if resource.type in (GROUP_POLICY, SCHEDULE):
            mine = [urn for urn in resource.depends.get("autoscalingGroupName", ()) if urn in groups]
            for urn in mine or [""]:
                found[urn] = (*found.get(urn, ()), resource)
    return found


def _lowest(schedule: Resource) -> int:
    """The least that a schedule leaves of a group: 0 where it says nothing, and -1 stands for no change."""
    sizes = [schedule.whole(key, 0) for key in ("minSize", "desiredCapacity")]
    known = [size for size in sizes if size >= 0]
    return min(known) if known else 10**9


def _template(resource: Resource, by_urn: Mapping[str, Resource]) -> Resource:
    """The launch template that the group depends on; its id is unknown in the preview that creates it.

    One that the stack does not declare could hold any type, volume and market, so it can't be judged.
    """
    key = "mixedInstancesPolicy" if resource.get("mixedInstancesPolicy") else "launchTemplate"
    given = _specification(resource)
    found = [by_urn[urn] for urn in resource.depends.get(key, ()) if urn in by_urn and by_urn[urn].type == TEMPLATE]
    if len(found) != 1:
        raise Undecidable(resource, f"which launch template of this stack it starts ({key} names {len(found)})")
    named = given.get("id", given.get("launchTemplateId"))
    own = found[0].inputs.get("name")
    if isinstance(named, str) and named.startswith("lt-") and found[0].physical and named != found[0].physical:
        raise Undecidable(resource, f"what the launch template {named} of another stack holds")
    if given.get("name", given.get("launchTemplateName")) not in (None, UNKNOWN, own):
        raise Undecidable(resource, "what a launch template that is named by text holds")
    return found[0]


def _specification(resource: Resource) -> Mapping[str, Any]:
    """The part of a group's inputs that names its launch template and version; empty where it is unknown."""
    mixed = resource.get("mixedInstancesPolicy")
    path = ("mixedInstancesPolicy", "launchTemplate", "launchTemplateSpecification") if mixed else ("launchTemplate",)
    given: Any = resource.inputs
    for part in path:
        given = given.get(part) if isinstance(given, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def _version(resource: Resource) -> str:
    version = _specification(resource).get("version")
    return "" if version is UNKNOWN else str(version or "$Default")


def _types(resource: Resource, template: Resource) -> tuple[str, ...]:
    found: list[str] = []
    overrides = resource.get("mixedInstancesPolicy.launchTemplate.overrides", ())
    for number, override in enumerate(overrides):
        kind = override.get("instanceType") if isinstance(override, Mapping) else None
        # A choice by attributes could become any type at all.
        if kind is None or kind is UNKNOWN:
            raise Undecidable(resource, f"mixedInstancesPolicy.launchTemplate.overrides[{number}].instanceType")
        if override.get("launchTemplateSpecification") is not None:
            raise Undecidable(resource, "the launch template of an override")
        if override.get("weightedCapacity") is not None:
            raise Undecidable(resource, "how many instances its weighted capacity stands for")
        found.append(str(kind))
    if found:
        return tuple(found)
    kind = template.get("instanceType")
    if not kind:
        raise Undecidable(resource, "the instance type of its launch template")
    return (str(kind),)


def _overshoot(resource: Resource, maximum: int, *, spot: bool) -> int:
    shares = [0.0]
    if spot and resource.get("capacityRebalance", False):
        shares.append(REBALANCE_OVERSHOOT)
    # Both replace instances launch-first, up to a share above; -1 unsets a maintenance policy.
    ceilings = ("instanceRefresh.preferences.maxHealthyPercentage", "instanceMaintenancePolicy.maxHealthyPercentage")
    shares += [max(resource.whole(key, 100) - 100, 0) / 100 for key in ceilings]
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


def _volumes(template: Resource) -> tuple[Volume, ...]:
    """Volumes of each instance; where none is given, the image's own root volume."""
    found = []
    for mapping in template.get("blockDeviceMappings", ()):
        ebs = mapping.get("ebs") if isinstance(mapping, Mapping) else UNKNOWN
        if ebs is None:  # an instance store, or a device that is left out
            continue
        if not isinstance(ebs, Mapping) or UNKNOWN in (ebs.get("volumeSize"), ebs.get("iops"), ebs.get("throughput")):
            raise Undecidable(template, "blockDeviceMappings")
        if not ebs.get("volumeSize"):
            raise Undecidable(template, "the size of a volume (blockDeviceMappings.ebs.volumeSize)")
        found.append(
            Volume(
                gib=int(ebs["volumeSize"]),
                # AWS starts with gp2 where no type is given.
                kind=str(ebs.get("volumeType") or "gp2"),
                iops=_count(template, ebs.get("iops")),
                mibps=_count(template, ebs.get("throughput")),
            )
        )
    return tuple(found)


def _count(template: Resource, value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        raise Undecidable(template, "blockDeviceMappings") from None
