"""What a fleet costs per hour: a bill of lines, each from a catalogue price.

Rules that make the bill honest:
- commitments are paid whether used or not, and cover running on-demand instances of their type;
- a capacity reservation is billed at the on-demand price where no instance runs in it;
- a stopped ready pool costs its volumes, a running one costs instances; load balancers and root volumes count;
- our own hosts are sunk: their line shows the catalogue's running cost, or says that none was given;
- a price that is not known raises `PriceMissing`: nothing is silently free.

The same bill is computed from a plan, from a stack configuration and, by the policies, from resource inputs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from reconciler.prices.catalogue import Catalogue, Market
from reconciler.slo.interruptions import HOURS_PER_MONTH
from stacks.contract import ColdGroup, Commitment, Metal, ReadyPool, Reservation, StackConfig, Tier

SizeOf = Literal["min", "desired", "max"]
PoolState = Literal["Stopped", "Running", "Hibernated"]


@dataclass(frozen=True, kw_only=True)
class Running:
    """Instances of one group that run. `root_gib` 0 means the image's own volume (the catalogue's default size)."""

    tier: Tier
    group: str
    instance_type: str
    market: Literal["on_demand", "spot"]
    count: int
    root_gib: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Instances of a ready pool, beside those that run."""

    tier: Tier
    group: str
    instance_type: str
    state: PoolState
    count: int
    root_gib: int = 0


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Everything that is billed. `hypervisors` are names of our own hosts by tier."""

    running: tuple[Running, ...] = ()
    prepared: tuple[Prepared, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    hypervisors: tuple[tuple[Tier, str], ...] = ()
    load_balancers: int = 0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the bill: `count` × `unit_usd` = `usd` per hour."""

    tier: Tier | None
    item: str
    count: float
    unit_usd: float
    note: str = ""

    @property
    def usd(self) -> float:
        """USD/hour of the line."""
        return self.count * self.unit_usd


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Lines in a stable order with their sums, USD/hour."""

    lines: tuple[Line, ...] = field(default=())

    @property
    def usd_per_hour(self) -> float:
        """Sum of all lines."""
        return math.fsum(line.usd for line in self.lines)

    def of(self, tier: Tier) -> float:
        """Sum of a tier's lines."""
        return math.fsum(line.usd for line in self.lines if line.tier is tier)


def hourly(fleet: Fleet, catalogue: Catalogue) -> Bill:
    """The fleet's bill per hour.

    Raises:
        PriceMissing, UnknownType: where the catalogue lacks a price that the fleet needs.
    """
    lines = [
        *_hosts(fleet.hypervisors, catalogue),
        *_commitments(fleet.commitments),
        *_instances(fleet, catalogue),
        *_reservations(fleet, catalogue),
        *_pools(fleet.prepared, catalogue),
        *_volumes(fleet, catalogue),
    ]
    if fleet.load_balancers:
        price = catalogue.load_balancer_usd_per_hour
        lines.append(Line(tier=None, item="load balancer", count=fleet.load_balancers, unit_usd=price))
    return Bill(lines=tuple(lines))


def _hosts(hosts: Iterable[tuple[Tier, str]], catalogue: Catalogue) -> list[Line]:
    known = catalogue.hypervisor_usd_per_hour
    return [
        Line(
            tier=tier,
            item=f"host {name}",
            count=1,
            unit_usd=known.get(name, 0.0),
            note="owned, sunk" if name in known else "owned, sunk; no running cost in the catalogue",
        )
        for tier, name in sorted(set(hosts))
    ]


def _commitments(commitments: Iterable[Commitment]) -> list[Line]:
    return [
        Line(
            tier=Tier.WARM,
            item=f"commitment {c.instance_type}",
            count=c.count,
            unit_usd=c.usd_per_hour,
            note="paid whether used or not",
        )
        for c in commitments
    ]


def _instances(fleet: Fleet, catalogue: Catalogue) -> list[Line]:
    """Spot at the spot price; on-demand at its price for what the commitments of the type do not cover."""
    left: dict[str, int] = defaultdict(int)
    for commitment in fleet.commitments:
        left[commitment.instance_type] += commitment.count
    lines = []
    for r in fleet.running:
        if r.count == 0:
            continue
        if r.market == "spot":
            lines.append(_line(r, r.count, catalogue.price(r.instance_type, "spot"), "spot"))
            continue
        covered = min(left[r.instance_type], r.count)
        left[r.instance_type] -= covered
        if covered:
            lines.append(_line(r, covered, 0.0, "covered by a commitment"))
        if r.count > covered:
            lines.append(_line(r, r.count - covered, catalogue.price(r.instance_type, "on_demand"), "on-demand"))
    return lines


def _line(r: Running, count: int, price: float, note: str) -> Line:
    return Line(tier=r.tier, item=f"{r.group} {r.instance_type}", count=count, unit_usd=price, note=note)


def _reservations(fleet: Fleet, catalogue: Catalogue) -> list[Line]:
    """What is reserved and not run in; a commitment that running instances leave free covers it, as AWS bills it."""
    reserved: dict[str, int] = defaultdict(int)
    for reservation in fleet.reservations:
        reserved[reservation.instance_type] += reservation.count
    lines = []
    for name in sorted(reserved):
        running = sum(r.count for r in fleet.running if r.instance_type == name and r.market == "on_demand")
        committed = sum(c.count for c in fleet.commitments if c.instance_type == name)
        unused = max(reserved[name] - running, 0)
        covered = min(unused, max(committed - running, 0))
        item = f"reservation {name}, unused"
        if covered:
            note = "covered by a commitment"
            lines.append(Line(tier=Tier.WARM, item=item, count=covered, unit_usd=0.0, note=note))
        if unused > covered:
            price = catalogue.price(name, "on_demand")
            lines.append(
                Line(tier=Tier.WARM, item=item, count=unused - covered, unit_usd=price, note="billed when unused")
            )
    return lines


def _pools(pools: Iterable[Prepared], catalogue: Catalogue) -> list[Line]:
    return [
        Line(
            tier=p.tier,
            item=f"{p.group} pool {p.instance_type}",
            count=p.count,
            unit_usd=waiting_usd(p.instance_type, p.state, catalogue),
            note="running pool" if p.state == "Running" else "hibernated memory",
        )
        for p in pools
        if p.count and p.state != "Stopped"
    ]


def waiting_usd(instance_type: str, state: PoolState, catalogue: Catalogue) -> float:
    """USD/hour of one pooled instance without its volume: the price of a running one, a hibernated one's memory."""
    if state == "Running":
        return catalogue.price(instance_type, "on_demand")
    return catalogue.type(instance_type).memory_mib / 1024 * _gib_hour(catalogue) if state == "Hibernated" else 0.0


def root_volume_usd(root_gib: int, catalogue: Catalogue) -> float:
    """USD/hour of one instance's root volume; 0 GiB: the image's own."""
    return (root_gib or catalogue.default_root_gib) * _gib_hour(catalogue)


def _volumes(fleet: Fleet, catalogue: Catalogue) -> list[Line]:
    """Root volumes of running and pooled instances, by tier."""
    gib: dict[Tier, int] = defaultdict(int)
    parts: tuple[Running | Prepared, ...] = (*fleet.running, *fleet.prepared)
    for part in parts:
        gib[part.tier] += part.count * (part.root_gib or catalogue.default_root_gib)
    return [
        Line(tier=tier, item="root volumes, GiB", count=gib[tier], unit_usd=_gib_hour(catalogue), note="storage")
        for tier in sorted(gib)
        if gib[tier]
    ]


def _gib_hour(catalogue: Catalogue) -> float:
    return catalogue.storage_usd_per_gib_month / HOURS_PER_MONTH


def fleet_of(config: StackConfig, catalogue: Catalogue, size: SizeOf = "desired") -> Fleet:
    """The fleet that a stack configuration asks for, groups at their minimum, desired or maximum count.

    A mixed group is priced at its dearest type, because the cloud chooses among them: the bill is an upper bound.
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
    return Fleet(
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
    """Instances that AWS keeps in the pool: prepared capacity less what runs, at least the pool's minimum."""
    return max(pool.max_group_prepared_capacity - running, pool.min_size, 0)


def on_demand_part(count: int, base: int, share: float) -> int:
    """How many of a mixed group's instances are on demand: the base, and its share above, which AWS rounds up."""
    sure = min(base, count)
    return sure + math.ceil((count - sure) * share - 1e-9)


def mixed(group: ColdGroup, count: int, catalogue: Catalogue, root_gib: int = 0) -> list[Running]:
    """A mixed group's instances by market, each at its dearest type."""
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
