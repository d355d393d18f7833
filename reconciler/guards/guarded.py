"""Apply the guards to a sizing: declared rules and past changes in, the sizing to render out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.fleet.file import Fleet
from reconciler.guards.order import GuardRules, Item, PastChange, guard
from reconciler.guards.reasons import Reason
from reconciler.sizing import Sizing, SizingProblem
from reconciler.sizing.repair import floor
from reconciler.sizing.result import with_counts
from stacks.contract import Pins, Tier


@dataclass(frozen=True, kw_only=True)
class GuardedSizing:
    """The sizing with guarded counts and a new assessment, and the guards that bound, in the order of application.

    wanted: option → count before the guards; empty if no guard was applied.
    """

    sizing: Sizing
    bound: tuple[Reason, ...]
    wanted: Mapping[str, int] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """The plan's notes: one sentence per guard that bound."""
        return tuple(reason.note for reason in self.bound)


def rules_of(fleet: Fleet, pins: Pins) -> GuardRules:
    """The guards that a fleet file declares, with its tiers' bounds and the sizes that people have set."""
    declared = fleet.guards
    return GuardRules(
        step_limit=declared.step_limit,
        churn_share=declared.churn_share,
        churn_window=declared.churn_window,
        cooldown_up=declared.cooldown_up,
        cooldown_down=declared.cooldown_down,
        freezes=tuple(f.window() for f in declared.freeze),
        bounds={tier: (fleet.tiers.of(tier).min, fleet.tiers.of(tier).max) for tier in Tier},
        pins=pins,
    )


def remembered(fleet: Fleet) -> timedelta:
    """How far back applied changes count. A plan may be as old as its validity when it is applied."""
    declared = fleet.guards
    return max(declared.cooldown_up, declared.cooldown_down, declared.churn_window) + fleet.validity


def _bounds(problem: SizingProblem, rules: GuardRules) -> dict[Tier, tuple[int, int]]:
    """The declared bounds as sizing uses them: instances that may not shrink may exceed a maximum, and no minimum exceeds
    the available capacity."""
    found = {}
    for tier, (low, high) in rules.bounds.items():
        mine = [o for o in problem.options if o.tier is tier]
        if mine:
            least = min(low, problem.tier_bounds[tier][0]) if tier in problem.tier_bounds else low
            found[tier] = (least, max(high, sum(problem.floor_of(o) for o in mine)))
    return found


def guarded(
    problem: SizingProblem,
    sizing: Sizing,
    rules: GuardRules,
    *,
    now: datetime,
    past: Sequence[PastChange] = (),
    blocked: Mapping[Tier, str] | None = None,
) -> GuardedSizing:
    """Apply the guards to a sizing of `problem`. Arguments as for `guards.guard`.

    Returns:
        The same sizing if no guard binds. Otherwise the sizing with the guarded counts, their cost and assessment, and the
        guard's sentence as the reason of each tier that a guard changed.
    """
    offered = {o.name: o for o in problem.options}
    items = [
        Item(
            name=c.option,
            tier=c.tier,
            before=c.before,
            wanted=c.after,
            least=offered[c.option].minimum,
            most=offered[c.option].maximum,
        )
        for c in sizing.counts
    ]
    rules = replace(rules, bounds=_bounds(problem, rules))
    # If even the sizing's counts can't carry the load, the safety floor does not override the guards.
    reachable = floor(problem, {c.option: c.after for c in sizing.counts}).holds
    found = guard(
        items,
        rules,
        now=now,
        past=past,
        blocked=blocked,
        enough=(lambda counts: floor(problem, counts).holds) if reachable else None,
    )
    wanted = {c.option: c.after for c in sizing.counts}
    if not found.reasons:
        return GuardedSizing(sizing=sizing, bound=(), wanted=wanted)
    reasons = dict(sizing.reasons)
    for reason in found.reasons:
        total = sum(found.counts[i.name] for i in items if i.tier is reason.tier)
        reasons[reason.tier] = reason.of_total(total)
    changed = replace(with_counts(problem, sizing, found.counts), reasons=reasons)
    return GuardedSizing(sizing=changed, bound=found.reasons, wanted=wanted)
