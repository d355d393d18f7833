"""The most that a stack can cost per hour, from its resource inputs: the same bill as the plan's, at the upper bound.

Groups count at their maximum plus the overshoot of a rebalance or refresh, at the on-demand price of their dearest
allowed type: spot may run out, the cloud chooses the type, and a reactive policy may go up to the maximum.
"""

from __future__ import annotations

from typing import Literal, cast

from pydantic import Field

from policies.estate import Estate, Group
from policies.rule import PriceSettings
from reconciler.catalogue import Catalogue
from reconciler.cost import Bill, Fleet, Prepared, Running, hourly
from stacks.contract import Commitment, Reservation


class BillSettings(PriceSettings):
    """Settings of a policy that needs the stack's bill."""

    commitments: tuple[Commitment, ...] = Field(
        default=(),
        description="Price commitments that were made; the stack's own list is not believed. None: on-demand prices.",
    )


def dearest(group: Group, catalogue: Catalogue) -> str:
    """The dearest type that the group may start, by on-demand price."""
    return max(group.types, key=lambda name: (catalogue.price(name, "on_demand"), name))


def most(estate: Estate, catalogue: Catalogue, commitments: tuple[Commitment, ...] = ()) -> Bill:
    """The upper bound of the stack's cost, USD/hour by line.

    Raises:
        PriceMissing, UnknownType: the catalogue lacks a price.
    """
    running, prepared = [], []
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
        if group.pool is not None:
            prepared.append(
                Prepared(
                    tier=group.tier,
                    group=group.name,
                    instance_type=kind,
                    state=cast("Literal['Stopped', 'Running', 'Hibernated']", group.pool.state),
                    count=pooled(group),
                    root_gib=group.root_gib,
                )
            )
    return hourly(
        Fleet(
            running=tuple(running),
            prepared=tuple(prepared),
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


def pooled(group: Group) -> int:
    """Instances in the ready pool beside a group that runs at its maximum, where its cost is largest.

    An instance costs at least as much as its place in the pool, so cost never falls while instances leave it to run.
    """
    if group.pool is None:
        return 0
    prepared = group.maximum if group.pool.prepared is None else group.pool.prepared
    return max(prepared - group.maximum, group.pool.minimum, 0)
