"""The highest possible cost of a stack per hour, from its resource inputs. The bill has the same lines as the plan's.

A group counts at its maximum plus the overshoot of a rebalance or refresh, at the on-demand price of its most expensive
allowed type. The reasons: spot capacity may run out, the cloud chooses the type, and a scaling policy may reach the maximum.
"""

from __future__ import annotations

from typing import Literal, cast

from pydantic import Field

from policies.estate import Estate
from policies.groups import COMMON, Group, Volume
from policies.rule import PriceSettings
from reconciler.prices.bill import Bill, Line, hourly
from reconciler.prices.billed_fleet import BilledFleet, Prepared, Running
from reconciler.prices.catalogue import Catalogue
from reconciler.slo.interruptions import HOURS_PER_MONTH
from stacks.contract import Commitment, Reservation


class BillSettings(PriceSettings):
    """Settings of a policy that needs the stack's bill."""

    commitments: tuple[Commitment, ...] = Field(
        default=(),
        description="Price commitments that exist; the stack's own list is not used. Empty: on-demand prices.",
    )


def dearest(group: Group, catalogue: Catalogue) -> str:
    """The most expensive type that the group may start, by on-demand price."""
    return _dearest(group, "on_demand", catalogue)


def _dearest(group: Group, market: Literal["on_demand", "spot"], catalogue: Catalogue) -> str:
    return max(group.types, key=lambda name: (catalogue.price(name, market), name))


def most(estate: Estate, catalogue: Catalogue, commitments: tuple[Commitment, ...] = ()) -> Bill:
    """The highest possible cost of the stack, USD/hour by line.

    Raises:
        PriceMissing, UnknownType: the catalogue has no price for a type.
    """
    running, pools = [], []
    for group in estate.groups:
        kind = dearest(group, catalogue)
        running.append(
            Running(
                tier=group.tier,
                group=group.name,
                instance_type=kind,
                market="on_demand",
                count=group.maximum + group.overshoot,
                root_gib=group.root_gib,
            )
        )
        # A running instance costs at least as much as a prepared one, so the cost is highest at the maximum.
        pools.append(_pool(group, kind, group.maximum))
    return _bill(estate, catalogue, commitments, running, pools)


def planned(estate: Estate, catalogue: Catalogue, commitments: tuple[Commitment, ...] = ()) -> Bill:
    """The cost of the stack at its guaranteed counts, with spot at the spot price of the most expensive type.

    Raises:
        PriceMissing, UnknownType: the catalogue has no price for a type.
    """
    running = []
    for group in estate.groups:
        spot = group.spot_at(group.guaranteed)
        split: tuple[tuple[Literal["on_demand", "spot"], int], ...] = (
            ("on_demand", group.guaranteed - spot),
            ("spot", spot),
        )
        for market, count in split:
            if count:
                running.append(
                    Running(
                        tier=group.tier,
                        group=group.name,
                        instance_type=_dearest(group, market, catalogue),
                        market=market,
                        count=count,
                        root_gib=group.root_gib,
                    )
                )
    pools = [_pool(group, dearest(group, catalogue), group.guaranteed) for group in estate.groups]
    return _bill(estate, catalogue, commitments, running, pools)


def _pool(group: Group, kind: str, running: int) -> Prepared | None:
    if group.pool is None:
        return None
    prepared = group.maximum if group.pool.prepared is None else group.pool.prepared
    return Prepared(
        tier=group.tier,
        group=group.name,
        instance_type=kind,
        state=cast("Literal['Stopped', 'Running', 'Hibernated']", group.pool.state),
        count=max(prepared - running, group.pool.minimum, 0),
        root_gib=group.root_gib,
    )


def _bill(
    estate: Estate,
    catalogue: Catalogue,
    commitments: tuple[Commitment, ...],
    running: list[Running],
    pools: list[Prepared | None],
) -> Bill:
    bill = hourly(
        BilledFleet(
            running=tuple(running),
            prepared=tuple(pool for pool in pools if pool is not None),
            reservations=tuple(
                Reservation(instance_type=r.instance_type, zone=r.zone or "any", count=r.count)
                for r in estate.reservations
                if r.count > 0
            ),
            commitments=commitments,
            hypervisors=tuple(sorted({(machine.tier, machine.host) for machine in estate.machines})),
            load_balancers=len(estate.balancers),
        ),
        catalogue,
    )
    counts = {group.name: 0 for group in estate.groups}
    for one in running:
        counts[one.group] += one.count
    for pool in pools:
        if pool is not None:
            counts[pool.group] += pool.count
    return Bill(lines=(*bill.lines, *_more_of_volumes(estate, catalogue, counts)))


def _more_of_volumes(estate: Estate, catalogue: Catalogue, counts: dict[str, int]) -> list[Line]:
    """Lines for what volumes cost beyond GiB of the common type: other types, provisioned IOPS and throughput."""
    found = []
    for group in estate.groups:
        for volume in group.volumes:
            usd = _more_usd(volume, catalogue)
            if usd and counts[group.name]:
                item = f"{group.name} {volume.kind} volumes"
                found.append(Line(tier=group.tier, item=item, count=counts[group.name], unit_usd=usd, note="storage"))
    return found


def _more_usd(volume: Volume, catalogue: Catalogue) -> float:
    if volume.kind == COMMON and volume.iops is None and volume.mibps is None:
        return 0.0
    month = catalogue.volume_usd_per_month(volume.kind, iops=volume.iops, mibps=volume.mibps)
    gib = 0.0 if volume.kind == COMMON else catalogue.volume(volume.kind).usd_per_gib_month * volume.gib
    return (gib + month) / HOURS_PER_MONTH
