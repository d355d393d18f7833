"""Cloud groups that can't get what they want, because the cloud has no capacity; what of them a plan may count on. Pure.

An auto scaling group tries its other types and zones by itself. What remains short after that:

    spot        the next plan buys on demand what the spot market does not give
    on demand   the next plan counts on what the group has, and the rest goes to other groups and tiers
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.observe.stack_state import Observed
from reconciler.observe.world import LiveGroup, World
from stacks.contract import Tier

#: So long after the last failure a market counts as short, also for a group that has what it wants by now. Then it is tried again.
SHORT_FOR = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class ScarceGroup:
    """A group that the cloud can't fill.

    Attributes:
        spot: the spot market is short; else on-demand capacity is.
        desired, held: instances that it wants, and that it has, of which `held_spot` at the spot market.
        since: the newest failed launch.
    """

    tier: Tier
    name: str
    spot: bool
    desired: int
    held: int
    held_spot: int
    since: datetime


def scarce_groups(world: World, now: datetime) -> tuple[ScarceGroup, ...]:
    """The groups that are short, at most once for each market."""
    return tuple(
        found for group in world.groups for spot in (True, False) if (found := _short(group, spot=spot, now=now))
    )


def _short(group: LiveGroup, *, spot: bool, now: datetime) -> ScarceGroup | None:
    failed = [f for f in group.failures if f.spot is spot]
    held = [m for m in group.members if m.lifecycle in ("InService", "Pending")]
    if not failed:
        return None
    lacks = group.stuck and group.failures[0].spot is spot and len(held) < group.desired
    # On-demand capacity that a group has got is not looked at again; a spot market is, because the group would go back to it.
    recent = spot and now - failed[0].at < SHORT_FOR
    if not (lacks or recent):
        return None
    return ScarceGroup(
        tier=group.tier,
        name=group.name,
        spot=spot,
        desired=group.desired,
        held=len(held),
        held_spot=sum(m.spot for m in held),
        since=failed[0].at,
    )


def limited(observed: Observed, short: Iterable[ScarceGroup]) -> Observed:
    """The observed instances; a group that lacks on-demand capacity counts with what it has, and can't grow."""
    lacking = {(one.tier, one.name): one.held for one in short if not one.spot}
    groups: dict[tuple[Tier, str], tuple[tuple[str, ...], int]] = dict(observed.groups)
    for key, held in lacking.items():
        if key in groups:
            groups[key] = (groups[key][0], min(held, groups[key][1]))
    return replace(observed, groups=groups, most=lacking) if lacking else observed


def spot_shares(short: Iterable[ScarceGroup]) -> Mapping[Tier, float]:
    """Tier → the share of its instances that the spot market gives, in whole percent."""
    return {one.tier: int(100 * one.held_spot / max(one.desired, 1)) / 100 for one in short if one.spot}
