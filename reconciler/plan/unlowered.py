"""Groups that a smaller plan does not shrink, because nothing lowers their desired size. Pure.

Under ownership `floor` the plan writes minimum and maximum, and a scaling policy moves the desired size between them. Without a
policy that scales in, AWS keeps the desired size, at most at the new maximum. Such a plan saves nothing.
"""

from __future__ import annotations

from reconciler.fleet.file import Fleet
from reconciler.fleet.tiers import ColdSection, WarmSection
from reconciler.plan.compose import bounds
from reconciler.sizing import Sizing
from stacks.contract import Ownership, Tier


def staying(fleet: Fleet, sizing: Sizing) -> dict[str, int]:
    """Option → instances that keep running although fewer are planned, for the options that nothing lowers."""
    found = {}
    for tier in (Tier.WARM, Tier.COLD):
        section = fleet.tiers.of(tier)
        if not isinstance(section, WarmSection | ColdSection) or not _stays(section):
            continue
        for count in sizing.counts:
            if count.tier is tier and count.instance_type not in {f.name for f in section.own_flavours}:
                most = bounds(count.after, section.ownership, section.headroom, section.max).max
                if count.after < min(count.before, most):
                    found[count.option] = min(count.before, most)
    return found


def staying_notes(sizing: Sizing, stays: dict[str, int]) -> list[str]:
    """One sentence per group that keeps its size, with what would lower it."""
    return [
        f"{count.option}: nothing lowers its desired size from {stays[count.option]} to {count.after}, so that no saving is "
        f"counted: set tiers.{count.tier.value}.target_tracking (without disable_scale_in), or ownership: exact [ownership]"
        for count in sizing.counts
        if count.option in stays
    ]


def _stays(section: WarmSection | ColdSection) -> bool:
    """Whether a tier has no scaling policy that scales in, and tiercast does not set the size either."""
    tracking = section.target_tracking
    return section.ownership is Ownership.FLOOR and (tracking is None or tracking.disable_scale_in)
