"""one-owner: the size of every group has exactly one owner, the one that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from policies.groups import Group, movers_of
from policies.resources import SCHEDULE, UNKNOWN, Resource
from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.contract import Ownership, Tier

_SIZES = {"minSize", "maxSize", "desiredCapacity"}


def decide(facts: Facts, settings: RuleSettings) -> Iterator[Violation]:  # noqa: ARG001 (nothing to set)
    """One violation per group and way in which somebody else moves its size."""
    config = facts.require_config()
    owners = {Tier.WARM: config.warm.ownership, Tier.COLD: config.cold.ownership}
    movers = movers_of(facts.resources)
    for mover in movers.get("", ()):
        yield Violation(
            message=(
                f"{mover.name} moves a group that it names by text, or that is not in this stack. Refer to the group's "
                "resource, or remove it."
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
            f"owned exactly, but its counts differ (min {group.minimum}, desired {group.desired}, max "
            f"{group.maximum}). Restore the program, or set the tier's ownership to floor in fleet.yaml."
        )
    if owner is Ownership.EXACT and movers:
        yield (
            f"owned exactly, but {', '.join(movers)} would move it too. Remove the scaling policy, or set the "
            "tier's ownership to floor in fleet.yaml."
        )
    if owner is Ownership.FLOOR and movers:
        yield (
            f"owned as a floor, but {', '.join(movers)} would move it, which the configuration does not declare. Remove it, "
            "or use target_tracking in fleet.yaml."
        )
    if owner is Ownership.FLOOR and group.desired is not None and "desiredCapacity" not in group.resource.ignored:
        yield (
            f"owned as a floor, but the program sets its desired count to {group.desired} and would undo what the "
            "reactive policy did. Leave it out, or set the tier's ownership to exact in fleet.yaml."
        )
    if owner is Ownership.EXTERNAL and not group.resource.ignored >= _SIZES:
        missing = ", ".join(sorted(_SIZES - group.resource.ignored))
        yield (
            f"owned elsewhere, but the program would still set {missing}. Ignore their changes, or set the tier's "
            "ownership to floor or exact in fleet.yaml."
        )
    if group.pool is not None and group.pool.prepared is None:
        yield (
            "its ready pool has no bound and fills up to the group's maximum. Set maxGroupPreparedCapacity "
            "(tiers.warm.ready_pool in fleet.yaml)."
        )
    version = group.resource.inputs.get("launchTemplate", {})
    if version is not UNKNOWN and version.get("version") in ("$Latest", "$Default"):
        yield "names its launch template as $Latest, which no preview shows as a change. Give the version's number."


RULE = Rule(
    name="one-owner",
    description="Every group's size has one owner, its ready pool a bound and its template a version.",
    severity="high",
    remedy="Set the tier's ownership in fleet.yaml to what is meant, and plan again.",
    settings=RuleSettings,
    decide=decide,
)
