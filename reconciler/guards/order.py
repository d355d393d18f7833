"""Guards: limits on the change from the observed to the wanted sizes. Each one that binds adds a reason.

They apply per tier in this order (documented in docs/sizing.md and tested). A later guard sees the result of the earlier
ones, and the last two override the others:

    1. freeze        nothing changes in a declared window
    2. demotion      on a fallback forecast, or without current data, nothing is scaled down
    3. cooldown      no growth soon after growth, no shrinking soon after any change (two durations)
    4. churn window  at most a share of the tier is removed per window
    5. step limit    one plan changes at most this many instances; removals are cut before additions
    6. safety floor  never below what the measured load needs, whatever the guards above decide
    7. bounds        declared minimum and maximum of the tier

Before all of them comes what a person has set with `tiercast pin` or `tiercast freeze` (`pins`): no guard changes such a tier.
Every guard cuts removals before additions. A swap that may only half happen therefore adds first and removes later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from reconciler.errors import ContradictoryGuards
from reconciler.fleet.freezes import FreezeWindow
from reconciler.guards import reasons as because
from reconciler.guards.pins import set_by_hand, too_small
from reconciler.guards.reasons import Reason
from stacks.contract import Pins, Tier

Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One kind of instance in a tier: `before` runs, `wanted` is what the sizing wants, `least` and `most` bound its count."""

    name: str
    tier: Tier
    before: int
    wanted: int
    least: int = 0
    most: int = 10_000


@dataclass(frozen=True, kw_only=True)
class GuardRules:
    """The declared guards.

    Attributes:
        step_limit: most instances of a tier that one plan changes.
        churn_share: largest share of a tier that may be removed per `churn_window`; at least one instance, so that small
            fleets can shrink. 0 forbids removals.
        cooldown_up: time after growth before the next growth.
        cooldown_down: time after any change before the tier may shrink.
        bounds: minimum and maximum per tier.
        pins: sizes that a person has set and that have not ended.
    """

    step_limit: int | None = None
    churn_share: float | None = None
    churn_window: timedelta = timedelta(hours=1)
    cooldown_up: timedelta = timedelta(0)
    cooldown_down: timedelta = timedelta(minutes=10)
    freezes: tuple[FreezeWindow, ...] = ()
    bounds: Mapping[Tier, tuple[int, int]] = field(default_factory=dict)
    pins: Pins = field(default_factory=Pins)

    def __post_init__(self) -> None:
        """Refuse rules that contradict each other."""
        for tier, (low, high) in self.bounds.items():
            if low > high:
                raise ContradictoryGuards(
                    f"tier {tier.value}: the minimum of {low} is above the maximum of {high}.",
                    remedy="Lower the minimum or raise the maximum.",
                )
        if self.step_limit is not None and self.step_limit < 1:
            raise ContradictoryGuards(
                f"a step limit of {self.step_limit} forbids every change.",
                remedy="Use a freeze, or a limit of at least 1.",
            )
        if self.churn_share is not None and not 0 <= self.churn_share <= 1:
            raise ContradictoryGuards(
                f"the churn share is {self.churn_share}; expected a share from 0 to 1.", remedy="Correct it."
            )


@dataclass(frozen=True, kw_only=True)
class PastChange:
    """An applied change of a tier: instances added and removed, and its time (aware)."""

    at: datetime
    tier: Tier
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """Counts by item name after all guards, and the reasons of the guards that bound, in the order of application."""

    counts: dict[str, int]
    reasons: tuple[Reason, ...]


def guard(
    items: Sequence[Item],
    rules: GuardRules,
    *,
    now: datetime,
    past: Sequence[PastChange] = (),
    blocked: Mapping[Tier, str] | None = None,
    enough: Callable[[Counts], bool] | None = None,
) -> Guarded:
    """Apply all guards in order.

    Args:
        items: every kind of every tier.
        rules: the declared guards.
        now: time of the plan (aware).
        past: changes applied before, for cooldowns and the churn window.
        blocked: tier → why nothing in it is scaled down: a fallback forecast, or a class without current data.
        enough: the safety floor: whether counts (by item name) carry the measured load. The counts of the sizing always
            do, and adding instances never makes it worse.

    Returns:
        Guarded counts with reasons.
    """
    counts = {i.name: i.wanted for i in items}
    by_tier = {tier: [i for i in items if i.tier is tier] for tier in Tier}
    by_hand, reasons = set_by_hand(counts, by_tier, rules.pins)
    by_tier = {tier: mine for tier, mine in by_tier.items() if tier not in by_hand}
    for tier, mine in by_tier.items():
        if not mine:
            continue
        # A change that the clock puts in the future happened all the same: it counts as one of this moment.
        recent = [replace(p, at=min(p.at, now)) for p in past if p.tier is tier]
        # One after the other: each changes the counts that the next one sees.
        reasons += _applied("freeze", tier, counts, partial(_freeze, counts, mine, rules, now))
        reasons += _applied("demotion", tier, counts, partial(_demotion, counts, mine, (blocked or {}).get(tier, "")))
        reasons += _applied("cooldown", tier, counts, partial(_cooldown, counts, mine, rules, now, recent))
        reasons += _applied("churn window", tier, counts, partial(_churn, counts, mine, rules, now, recent))
        reasons += _applied("step limit", tier, counts, partial(_step, counts, mine, rules))
    reasons += _floor(counts, [i for i in items if i.tier not in by_hand], enough)
    if by_hand and enough is not None and not enough(counts):
        reasons.append(too_small(min(by_hand, key=list(Tier).index)))
    for tier, mine in by_tier.items():
        if mine:
            reasons += _applied("bounds", tier, counts, partial(_bounds, counts, mine, rules.bounds.get(tier)))
    return Guarded(counts=counts, reasons=tuple(reasons))


def _applied(name: str, tier: Tier, counts: Counts, step: Callable[[], str]) -> list[Reason]:
    """The reason of a guard, which changes `counts` when it is called; empty if it does not bind."""
    before = dict(counts)
    text = step()
    return [Reason(guard=name, tier=tier, text=text, changed=_changed(before, counts))] if text else []


def _changed(before: Counts, after: Counts) -> dict[str, tuple[int, int]]:
    return {name: (count, after[name]) for name, count in before.items() if after[name] != count}


def _totals(counts: Counts, items: Sequence[Item]) -> tuple[int, int]:
    """Instances added and removed."""
    added = sum(max(counts[i.name] - i.before, 0) for i in items)
    return added, sum(max(i.before - counts[i.name], 0) for i in items)


def _cut_removals(counts: dict[str, int], items: Sequence[Item], most: int) -> None:
    """Keep at most `most` removals. The last items are restored first."""
    _, removed = _totals(counts, items)
    for item in reversed(items):
        back = min(max(item.before - counts[item.name], 0), max(removed - most, 0))
        counts[item.name] += back
        removed -= back


def _cut_additions(counts: dict[str, int], items: Sequence[Item], most: int) -> None:
    """Keep at most `most` additions. The last items are cut first."""
    added, _ = _totals(counts, items)
    for item in reversed(items):
        back = min(max(counts[item.name] - item.before, 0), max(added - most, 0))
        counts[item.name] -= back
        added -= back


def _freeze(counts: dict[str, int], items: Sequence[Item], rules: GuardRules, now: datetime) -> str:
    window = next((f for f in rules.freezes if f.covers(now)), None)
    added, removed = _totals(counts, items)
    if window is None or added + removed == 0:
        return ""
    for item in items:
        counts[item.name] = item.before
    return because.frozen(window.describe(), added=added, removed=removed)


def _demotion(counts: dict[str, int], items: Sequence[Item], why: str) -> str:
    _, removed = _totals(counts, items)
    if not why or removed == 0:
        return ""
    _cut_removals(counts, items, 0)
    return because.not_shrinking(why, removed=removed)


def _cooldown(
    counts: dict[str, int], items: Sequence[Item], rules: GuardRules, now: datetime, past: Sequence[PastChange]
) -> str:
    texts = []
    added, removed = _totals(counts, items)
    grown = max((p.at for p in past if p.added), default=None)
    if added and grown is not None and now - grown < rules.cooldown_up:
        _cut_additions(counts, items, 0)
        texts.append(because.grew_recently(added=added, wait=grown + rules.cooldown_up - now, ago=now - grown))
    changed = max((p.at for p in past if p.added or p.removed), default=None)
    if removed and changed is not None and now - changed < rules.cooldown_down:
        _cut_removals(counts, items, 0)
        wait = changed + rules.cooldown_down - now
        texts.append(because.changed_recently(removed=removed, wait=wait, ago=now - changed))
    return " ".join(texts)


def _churn(
    counts: dict[str, int], items: Sequence[Item], rules: GuardRules, now: datetime, past: Sequence[PastChange]
) -> str:
    _, removed = _totals(counts, items)
    if rules.churn_share is None or removed == 0:
        return ""
    done = sum(p.removed for p in past if now - p.at < rules.churn_window)
    # Size at the start of the window: running instances plus those already removed in the window.
    size = sum(i.before for i in items) + done
    most = max(math.floor(size * rules.churn_share + 1e-9), 1 if rules.churn_share > 0 else 0)
    allowed = max(most - done, 0)
    if removed <= allowed:
        return ""
    _cut_removals(counts, items, allowed)
    return because.churn(
        removed=removed, allowed=allowed, share=rules.churn_share, size=size, window=rules.churn_window, done=done
    )


def _step(counts: dict[str, int], items: Sequence[Item], rules: GuardRules) -> str:
    added, removed = _totals(counts, items)
    if rules.step_limit is None or added + removed <= rules.step_limit:
        return ""
    _cut_removals(counts, items, max(rules.step_limit - added, 0))
    _cut_additions(counts, items, rules.step_limit)
    return because.step_limit(added=added, removed=removed, limit=rules.step_limit)


def _floor(counts: dict[str, int], items: Sequence[Item], enough: Callable[[Counts], bool] | None) -> list[Reason]:
    """Raise the counts to the wanted ones tier by tier, then to the running ones, until they carry the measured load."""
    if enough is None or enough(counts):
        return []
    reasons = []
    for source in ("wanted", "before"):
        for tier in Tier:
            mine = [i for i in items if i.tier is tier]
            raised = sum(max(getattr(i, source) - counts[i.name], 0) for i in mine)
            if not raised:
                continue
            before = dict(counts)
            for item in mine:
                counts[item.name] = max(counts[item.name], getattr(item, source))
            reasons.append(
                Reason(
                    guard="safety floor",
                    tier=tier,
                    text=because.safety_floor(raised=raised),
                    changed=_changed(before, counts),
                )
            )
            if enough(counts):
                return reasons
    return reasons


def _bounds(counts: dict[str, int], items: Sequence[Item], bounds: tuple[int, int] | None) -> str:
    if bounds is None:
        return ""
    low, high = bounds
    total = sum(counts[i.name] for i in items)
    if total < low:
        largest = max(items, key=lambda i: (counts[i.name], i.before))
        counts[largest.name] += low - total
        return because.below_minimum(total=total, minimum=low)
    if total > high:
        over = total - high
        for item in reversed(items):
            back = min(counts[item.name], over)
            counts[item.name] -= back
            over -= back
        return because.above_maximum(total=total, maximum=high)
    return ""
