"""one-owner: the size of every group has exactly one owner, the one that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator

from policies.estate import Group
from policies.resources import GROUP_POLICY, SCHEDULE, UNKNOWN
from policies.rule import Facts, Rule, RuleSettings, Violation
from stacks.contract import Ownership, Tier

_SIZES = {"minSize", "maxSize", "desiredCapacity"}


def decide(facts: Facts, settings: RuleSettings) -> Iterator[Violation]:  # noqa: ARG001 (nothing to set)
    """One violation per group and way in which somebody else moves its size."""
    config = facts.require_config()
    owners = {Tier.WARM: config.warm.ownership, Tier.COLD: config.cold.ownership}
    movers: dict[str, list[str]] = {}
    for resource in facts.resources:
        if resource.type in (GROUP_POLICY, SCHEDULE):
            for urn in resource.depends.get("autoscalingGroupName", ()):
                movers.setdefault(urn, []).append(resource.name)
    for group in facts.estate.groups:
        wrong = list(_faults(group, owners.get(group.tier, Ownership.EXACT), movers.get(group.resource.urn, [])))
        for fault in wrong:
            yield Violation(message=f"{group.name}: {fault}", urn=group.resource.urn)


def _faults(group: Group, owner: Ownership, movers: list[str]) -> Iterator[str]:
    exact = group.minimum == group.maximum == group.desired
    if owner is Ownership.EXACT and not exact:
        yield (
            f"owned exactly, but its counts differ (min {group.minimum}, desired {group.desired}, max "
            f"{group.maximum}). Restore the program, or set the tier's ownership to floor in fleet.yaml."
        )
    if owner is Ownership.EXACT and movers:
        yield (
            f"owned exactly, but {', '.join(sorted(movers))} would move it too. Remove the scaling policy, or set the "
            "tier's ownership to floor in fleet.yaml."
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
