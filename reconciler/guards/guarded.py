"""Guards around a sizing: declared rules and past changes in, the sizing that may be rendered out."""

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
from stacks.contract import Tier


@dataclass(frozen=True, kw_only=True)
class GuardedSizing:
    """The sizing with guarded counts, judged anew, and the guards that bound, in the order of application.

    wanted: option → count before the guards; empty where none were applied.
    """

    sizing: Sizing
    bound: tuple[Reason, ...]
    wanted: Mapping[str, int] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence per guard that bound, for the plan."""
        return tuple(reason.note for reason in self.bound)


def rules_of(fleet: Fleet) -> GuardRules:
    """The guards that a fleet file declares, with its tiers' bounds."""
    declared = fleet.guards
    return GuardRules(
        step_limit=declared.step_limit,
        churn_share=declared.churn_share,
        churn_window=declared.churn_window,
        cooldown_up=declared.cooldown_up,
        cooldown_down=declared.cooldown_down,
        freezes=tuple(f.window() for f in declared.freeze),
        bounds={tier: (fleet.tiers.of(tier).min, fleet.tiers.of(tier).max) for tier in Tier},
    )


def remembered(fleet: Fleet) -> timedelta:
    """How far back applied changes count; a plan is as old as its validity when it is applied."""
    declared = fleet.guards
    return max(declared.cooldown_up, declared.cooldown_down, declared.churn_window) + fleet.validity


def _bounds(problem: SizingProblem, rules: GuardRules) -> dict[Tier, tuple[int, int]]:
    """The declared bounds as the sizing has them: what may not shrink stays above a maximum, and no minimum is above what
    can be had."""
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
    """Apply the guards to a sizing of `problem`; arguments as `guards.guard`.

    Returns:
        The same sizing where nothing binds; else with the guarded counts, their cost and judgement, and per tier that a
        guard holds its sentence as the reason.
    """
    items = [Item(name=c.option, tier=c.tier, before=c.before, wanted=c.after) for c in sizing.counts]
    rules = replace(rules, bounds=_bounds(problem, rules))
    # What even the sizing's counts cannot carry is no reason to pass a guard.
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
