"""Sizes that a person has set: they decide before every guard, and no guard changes them. Pure.

A pinned tier gets its pinned number of instances, as far as its hosts carry them. During a freeze every other tier keeps the
instances that run. A pin outranks the freeze, because it names the tier and the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from reconciler.guards import reasons as because
from reconciler.guards.reasons import Reason
from stacks.contract import Hold, Pin, Pins, Tier


class Countable(Protocol):
    """One kind of instance: `before` runs, `wanted` is what the sizing wants, `least` and `most` bound its count."""

    @property
    def name(self) -> str: ...
    @property
    def before(self) -> int: ...
    @property
    def wanted(self) -> int: ...
    @property
    def least(self) -> int: ...
    @property
    def most(self) -> int: ...


def set_by_hand(
    counts: dict[str, int], by_tier: Mapping[Tier, Sequence[Countable]], pins: Pins
) -> tuple[frozenset[Tier], list[Reason]]:
    """Change `counts` (item name → count) to what people have set.

    Returns:
        The tiers that no guard may change, and one reason for each of them, also where its counts are the wanted ones.
    """
    reasons = []
    for tier, items in by_tier.items():
        if not items:
            continue
        before = {item.name: counts[item.name] for item in items}
        if (pin := pins.tiers.get(tier)) is not None:
            guard, text = "pin", _pinned(counts, items, pin)
        elif pins.freeze is not None:
            guard, text = "break-glass freeze", _frozen(counts, items, pins.freeze)
        else:
            continue
        changed = {name: (count, counts[name]) for name, count in before.items() if counts[name] != count}
        reasons.append(Reason(guard=guard, tier=tier, text=text, changed=changed))
    return frozenset(reason.tier for reason in reasons), reasons


def too_small(tier: Tier) -> Reason:
    """What people have set does not carry the measured load."""
    return Reason(guard="pin", tier=tier, text=because.set_too_small())


def _pinned(counts: dict[str, int], items: Sequence[Countable], pin: Pin) -> str:
    """Adjust the wanted counts to the pinned number: removals from the last kind, additions to the most numerous one."""
    over = sum(counts[item.name] for item in items) - pin.count
    for item in reversed(items):
        cut = min(max(over, 0), max(counts[item.name] - item.least, 0))
        counts[item.name] -= cut
        over -= cut
    for item in sorted(items, key=lambda item: (counts[item.name], item.before), reverse=True):
        added = min(max(-over, 0), max(item.most - counts[item.name], 0))
        counts[item.name] += added
        over += added
    return because.pinned(count=pin.count, placed=sum(counts[item.name] for item in items), hold=pin.describe())


def _frozen(counts: dict[str, int], items: Sequence[Countable], freeze: Hold) -> str:
    added = sum(max(counts[item.name] - item.before, 0) for item in items)
    removed = sum(max(item.before - counts[item.name], 0) for item in items)
    for item in items:
        counts[item.name] = item.before
    return because.frozen_by_hand(freeze.describe(), added=added, removed=removed)
