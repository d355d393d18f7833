"""one-owner: every group's size has exactly one owner, which the configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from policies.groups import Group, movers_of
from policies.resources import SCHEDULE, UNKNOWN, Resource
from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.contract import Ownership, Tier

_SIZES = {"minSize", "maxSize", "desiredCapacity"}


def decide(facts: Facts, settings: RuleSettings) -> Iterator[Violation]:  # noqa: ARG001 (nothing to set)
    """One violation per group and per other owner of its size."""
    config = facts.require_config()
    owners = {Tier.WARM: config.warm.ownership, Tier.COLD: config.cold.ownership}
    movers = movers_of(facts.resources)
    for mover in movers.get("", ()):
        yield Violation(
            message=(
                f"{mover.name} changes the size of a group that it names by text, or that is not in this stack. Refer "
                "to the group's resource, or remove it."
            ),
            urn=mover.urn,
        )
    tracked = {
        tier: part.target_tracking is not None and part.ownership is Ownership.FLOOR
        for tier, part in ((Tier.WARM, config.warm), (Tier.COLD, config.cold))
    }
    for group in facts.estate.groups:
        wrong = list(_faults(group, owners.get(group.tier, Ownership.EXACT), _extra(group, movers, tracked)))
        for fault in wrong:
            yield Violation(message=f"{group.name}: {fault}", urn=group.resource.urn)


def _extra(group: Group, movers: Mapping[str, Sequence[Resource]], tracked: Mapping[Tier, bool]) -> list[str]:
    """Names of what moves the group, without the one policy that the configuration declares."""
    ours = f"{group.name}-cpu" if tracked.get(group.tier) else ""
    return sorted(m.name for m in movers.get(group.resource.urn, ()) if m.type == SCHEDULE or m.name != ours)


def _faults(group: Group, owner: Ownership, movers: list[str]) -> Iterator[str]:
    exact = group.minimum == group.maximum == group.desired
    if owner is Ownership.EXACT and not exact:
        yield (
            f"its ownership is exact, but its counts differ (min {group.minimum}, desired {group.desired}, max "
            f"{group.maximum}). Restore the program, or set the tier's ownership to floor in fleet.yaml."
        )
    if owner is Ownership.EXACT and movers:
        yield (
            f"its ownership is exact, but {', '.join(movers)} would also change its size. Remove it, or set the "
            "tier's ownership to floor in fleet.yaml."
        )
    if owner is Ownership.FLOOR and movers:
        yield (
            f"its ownership is floor, but {', '.join(movers)} would also change its size and the configuration does not declare "
            "it. Remove it, or use target_tracking in fleet.yaml."
        )
    if owner is Ownership.FLOOR and group.desired is not None and "desiredCapacity" not in group.resource.ignored:
        yield (
            f"its ownership is floor, but the program sets its desired count to {group.desired} and would overwrite the "
            "scaling policy. Remove the desired count, or set the tier's ownership to exact in fleet.yaml."
        )
    if owner is Ownership.EXTERNAL and not group.resource.ignored >= _SIZES:
        missing = ", ".join(sorted(_SIZES - group.resource.ignored))
        yield (
            f"its ownership is external, but the program would still set {missing}. Ignore their changes, or set the tier's "
            "ownership to floor or exact in fleet.yaml."
        )
    if group.pool is not None and group.pool.prepared is None:
        yield (
            "its ready pool has no bound and grows to the group's maximum. Set maxGroupPreparedCapacity "
            "(tiers.warm.ready_pool in fleet.yaml)."
        )
    version = group.resource.inputs.get("launchTemplate", {})
    if version is not UNKNOWN and version.get("version") in ("$Latest", "$Default"):
        yield "its launch template has no fixed version, so a preview can't show a new version. Set a version number."


RULE = Rule(
    name="one-owner",
    description="Every group has one owner of its size, a bounded ready pool and a fixed template version.",
    severity="high",
    remedy="Set the intended ownership of the tier in fleet.yaml, and plan again.",
    settings=RuleSettings,
    decide=decide,
)
