"""The billed parts of a stack configuration: instances by market, pools, reservations, commitments, own hosts. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from reconciler.prices.catalogue import Catalogue, Market
from stacks.contract import ColdGroup, Commitment, Metal, ReadyPool, Reservation, StackConfig, Tier

SizeOf = Literal["min", "desired", "max"]
PoolState = Literal["Stopped", "Running", "Hibernated"]


@dataclass(frozen=True, kw_only=True)
class Running:
    """Running instances of one group. `root_gib` 0 means the image's own volume (the catalogue's default size)."""

    tier: Tier
    group: str
    instance_type: str
    market: Literal["on_demand", "spot"]
    count: int
    root_gib: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Instances that wait in a ready pool, without the running ones."""

    tier: Tier
    group: str
    instance_type: str
    state: PoolState
    count: int
    root_gib: int = 0


@dataclass(frozen=True, kw_only=True)
class BilledFleet:
    """Everything that is billed. `hypervisors` holds the names of our own hosts by tier."""

    running: tuple[Running, ...] = ()
    prepared: tuple[Prepared, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    hypervisors: tuple[tuple[Tier, str], ...] = ()
    load_balancers: int = 0


def fleet_of(config: StackConfig, catalogue: Catalogue, size: SizeOf = "desired") -> BilledFleet:
    """The fleet of a stack configuration, with groups at their minimum, desired or maximum count.

    A mixed group is priced at its most expensive type, because the cloud chooses the types. The bill is an upper bound.
    """
    root_warm = config.warm.launch.root_volume_gib if config.warm.launch else 0
    root_cold = config.cold.launch.root_volume_gib if config.cold.launch else 0
    running, prepared = [], []
    for group in config.warm.groups:
        count = getattr(group.size, size)
        running.append(
            Running(
                tier=Tier.WARM,
                group=group.name,
                instance_type=group.instance_type,
                market="on_demand",
                count=count,
                root_gib=root_warm,
            )
        )
        if group.pool is not None:
            prepared.append(
                Prepared(
                    tier=Tier.WARM,
                    group=group.name,
                    instance_type=group.instance_type,
                    state=group.pool.state,
                    count=pool_count(group.pool, count),
                    root_gib=root_warm,
                )
            )
    for cold in config.cold.groups:
        running.extend(mixed(cold, getattr(cold.size, size), catalogue, root_cold))
    return BilledFleet(
        running=tuple(running),
        prepared=tuple(prepared),
        reservations=config.warm.reservations,
        commitments=config.warm.commitments,
        hypervisors=(*_named(Tier.HOT, config.hot), *_named(Tier.COLD, config.cold.metal)),
        load_balancers=int(config.routing is not None and bool(config.routing.vpc)),
    )


def _named(tier: Tier, metal: Metal | None) -> list[tuple[Tier, str]]:
    return [(tier, h.name) for h in metal.hypervisors] if metal is not None else []


def pool_count(pool: ReadyPool, running: int) -> int:
    """Instances that AWS keeps in the pool: prepared capacity less running instances, at least the pool's minimum."""
    return max(pool.max_group_prepared_capacity - running, pool.min_size, 0)


def on_demand_part(count: int, base: int, share: float) -> int:
    """On-demand instances of a mixed group: the base, and the share of those above it, which AWS rounds up."""
    sure = min(base, count)
    return sure + math.ceil((count - sure) * share - 1e-9)


def mixed(group: ColdGroup, count: int, catalogue: Catalogue, root_gib: int = 0) -> list[Running]:
    """A mixed group's instances by market, each at its most expensive type."""
    on_demand = on_demand_part(count, group.on_demand_base, group.on_demand_share_above_base)
    parts: tuple[tuple[Literal["on_demand", "spot"], int], ...] = (
        ("on_demand", on_demand),
        ("spot", count - on_demand),
    )
    return [
        Running(
            tier=Tier.COLD,
            group=group.name,
            instance_type=_dearest(group, market, catalogue),
            market=market,
            count=number,
            root_gib=root_gib,
        )
        for market, number in parts
        if number
    ]


def _dearest(group: ColdGroup, market: Market, catalogue: Catalogue) -> str:
    return max(group.instance_types, key=lambda name: catalogue.price(name, market))
