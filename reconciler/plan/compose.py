"""From decided counts to the stack configuration: slots, groups, pools, provenance. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError

from reconciler.errors import InputError
from reconciler.fleet.file import Fleet
from reconciler.fleet.tiers import ColdSection, HotSection, WarmSection
from reconciler.sizing.options import COLD_GROUP, label
from stacks.contract import (
    Cold,
    ColdGroup,
    Demand,
    Hypervisor,
    Metal,
    Ownership,
    Plan,
    ReadyPool,
    Size,
    Slot,
    StackConfig,
    Tier,
    Warm,
    WarmGroup,
)


def compose(
    fleet: Fleet,
    *,
    counts: Mapping[str, int],
    slots: Mapping[Tier, tuple[Slot, ...]],
    demand: Demand,
    plan: Plan,
    pinned: Collection[Tier] = (),
) -> StackConfig:
    """The whole configuration.

    Args:
        fleet: what does not change from plan to plan.
        counts: option name (`warm/m6i.large`, `cold/burst`) → instances.
        slots: places of the VMs on own hosts, by tier.
        demand, plan: the demand that the sizes serve, and the provenance of the plan.
        pinned: tiers at a size that a person has set. No scaling policy may move them.

    Raises:
        InputError: the fleet file lacks or contradicts what the stack needs. The message names its part.
    """
    with _said_of("tiers.hot"):
        hot = _metal(fleet.tiers.hot, fleet.tiers.hot.hypervisors, slots.get(Tier.HOT, ()))
    with _said_of("tiers.warm"):
        warm = _warm(fleet.tiers.warm, counts, pinned=Tier.WARM in pinned)
    with _said_of("tiers.cold"):
        cold = _cold(fleet.tiers.cold, counts, slots.get(Tier.COLD, ()), pinned=Tier.COLD in pinned)
    with _said_of("tags and tiers"):
        return StackConfig(
            plan=plan, demand=demand, hot=hot, warm=warm, cold=cold, routing=fleet.routing, tags=fleet.tags
        )


@contextmanager
def _said_of(part: str) -> Iterator[None]:
    """Report a value that the contract refuses as a mistake in `part` of the fleet file."""
    try:
        yield
    except ValidationError as error:
        said = "; ".join(dict.fromkeys(one["msg"].removeprefix("Value error, ") for one in error.errors()))
        raise InputError(f"fleet.yaml, {part}", f"{said}.", "Fix it and plan again.") from None


def bounds(count: int, ownership: Ownership, headroom: float, limit: int, *, pinned: bool = False) -> Size:
    """Minimum, desired and maximum of a group planned at `count`.

    With ownership `floor` the maximum leaves headroom for the reactive policy, at least one instance if any runs. A pinned
    group has none.
    """
    if pinned or ownership is Ownership.EXACT:
        return Size(min=count, desired=count, max=count)
    roof = max(math.ceil(count * headroom), count + 1) if count else 0
    return Size(min=count, desired=count, max=max(min(roof, limit), count))


def _metal(tier: HotSection | ColdSection, hypervisors: tuple[Hypervisor, ...], slots: tuple[Slot, ...]) -> Metal:
    return Metal(
        hypervisors=hypervisors,
        flavours=tier.flavours,
        slots=slots,
        boot=tier.boot,
        interfaces=tier.interfaces,
        domain_type=tier.domain_type,
        machine=tier.machine,
        overlay=tier.overlay,
        health=tier.health,
    )


def metal_of(fleet: Fleet, tier: Tier) -> Metal | None:
    """The own hosts of a tier and what VMs are made of there, without slots; None for a tier without own hosts.

    Raises:
        InputError: as `compose`.
    """
    section = fleet.tiers.of(tier)
    if not isinstance(section, HotSection | ColdSection) or not section.own_hosts:
        return None
    with _said_of(f"tiers.{tier.value}"):
        return _metal(section, section.own_hosts, ())


def _warm(warm: WarmSection, counts: Mapping[str, int], *, pinned: bool) -> Warm:
    groups = []
    for name in warm.instance_types:
        count = counts.get(f"warm/{name}", 0)
        size = bounds(count, warm.ownership, warm.headroom, warm.max, pinned=pinned)
        rule = warm.ready_pool
        pool = None
        if rule is not None:
            ready = math.ceil(rule.share * count)
            pool = ReadyPool(
                state=rule.state,
                min_size=rule.min_size,
                max_group_prepared_capacity=max(count + max(ready, rule.min_size), size.min),
            )
        groups.append(WarmGroup(name=label(name), instance_type=name, size=size, pool=pool))
    return Warm(
        ownership=warm.ownership,
        launch=warm.launch,
        groups=tuple(groups),
        reservations=warm.reservations,
        commitments=warm.commitments,
        target_tracking=warm.target_tracking,
    )


def _cold(cold: ColdSection, counts: Mapping[str, int], slots: tuple[Slot, ...], *, pinned: bool) -> Cold:
    groups: tuple[ColdGroup, ...] = ()
    if cold.instance_types:
        count = counts.get(f"cold/{COLD_GROUP}", 0)
        size = bounds(count, cold.ownership, cold.headroom, cold.max, pinned=pinned)
        groups = (
            ColdGroup(
                name=COLD_GROUP,
                instance_types=cold.instance_types,
                size=size,
                on_demand_base=cold.on_demand_base,
                on_demand_share_above_base=round(1 - cold.spot_share, 6),
            ),
        )
    metal = _metal(cold, cold.hosts, slots) if cold.hosts else None
    return Cold(
        ownership=cold.ownership,
        launch=cold.launch,
        groups=groups,
        metal=metal,
        target_tracking=cold.target_tracking,
    )
