"""The fleet that a plan may use while the cloud is short of capacity, and the sentences that say so. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.fleet.file import Fleet
from reconciler.observe.scarcity import ScarceGroup, spot_shares
from stacks.contract import Tier


def around(fleet: Fleet, short: Iterable[ScarceGroup]) -> Fleet:
    """The fleet whose cold tier buys on demand what the spot market does not give now."""
    share = spot_shares(short).get(Tier.COLD)
    cold = fleet.tiers.cold
    if share is None or share >= cold.spot_share:
        return fleet
    tiers = fleet.tiers.model_copy(update={"cold": cold.model_copy(update={"spot_share": share})})
    return fleet.model_copy(update={"tiers": tiers})


def shortage_notes(fleet: Fleet, short: Iterable[ScarceGroup]) -> tuple[str, ...]:
    """One sentence per shortage: what the group has, and where the next instances come from."""
    return tuple(_note(fleet, one) for one in short)


def _note(fleet: Fleet, one: ScarceGroup) -> str:
    has = f"{one.tier.value}/{one.name} has {one.held} of {one.desired} instances since {one.since:%H:%M} UTC"
    if one.spot:
        share = min(spot_shares([one])[one.tier], fleet.tiers.cold.spot_share)
        return (
            f"{has}: the spot market has none of its types in any of its zones; the share of spot instances is {share:.0%} "
            f"instead of {fleet.tiers.cold.spot_share:.0%}, and the rest is bought on demand [shortage]"
        )
    return (
        f"{has}: the cloud has no capacity for its types in any of its zones; the plan counts on {one.held}, and the rest goes to "
        "other groups and tiers [shortage]"
    )
