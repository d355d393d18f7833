"""The cost of a fleet per hour: a bill of lines, each from a catalogue price.

Rules of the bill:

- Commitments are paid whether used or not. They cover running on-demand instances of their type.
- An unused capacity reservation is billed at the on-demand price.
- A stopped ready pool costs its volumes. A running one costs its instances.
- Load balancers and root volumes are billed.
- The cost of our own hosts is sunk. Their line shows the catalogue's running cost, or notes that the catalogue has none.
- An unknown price raises `PriceMissing`. Nothing is free by omission.

Plans and stack configurations use this bill, and the policies compute it from resource inputs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.prices.billed_fleet import BilledFleet, PoolState, Prepared, Running
from reconciler.prices.catalogue import Catalogue
from reconciler.slo.interruptions import HOURS_PER_MONTH
from stacks.contract import Commitment, Tier


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
    """The lines in a stable order, and their sums in USD/hour."""

    lines: tuple[Line, ...] = field(default=())

    @property
    def usd_per_hour(self) -> float:
        """Sum of all lines."""
        return math.fsum(line.usd for line in self.lines)

    def of(self, tier: Tier) -> float:
        """Sum of a tier's lines."""
        return math.fsum(line.usd for line in self.lines if line.tier is tier)


def hourly(fleet: BilledFleet, catalogue: Catalogue) -> Bill:
    """The fleet's bill per hour.

    Raises:
        PriceMissing, UnknownType: the catalogue lacks a price that the fleet needs.
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


def _instances(fleet: BilledFleet, catalogue: Catalogue) -> list[Line]:
    """Spot instances at the spot price, and on-demand instances that no commitment covers at the on-demand price."""
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


def _reservations(fleet: BilledFleet, catalogue: Catalogue) -> list[Line]:
    """Unused reservations. A commitment that running instances do not use covers them, as AWS bills it."""
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
    """USD/hour of one pooled instance without its volume: its price if running, its stored memory if hibernated, else 0."""
    if state == "Running":
        return catalogue.price(instance_type, "on_demand")
    return catalogue.type(instance_type).memory_mib / 1024 * _gib_hour(catalogue) if state == "Hibernated" else 0.0


def root_volume_usd(root_gib: int, catalogue: Catalogue) -> float:
    """USD/hour of one instance's root volume; 0 GiB means the image's own size."""
    return (root_gib or catalogue.default_root_gib) * _gib_hour(catalogue)


def _volumes(fleet: BilledFleet, catalogue: Catalogue) -> list[Line]:
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
