"""The reason of each guard that binds: one function per sentence, with the wanted and the allowed change. Pure.

A plan shows each as `tier: sentence [guard]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.fleet.types import spoken
from stacks.contract import Tier


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A guard that bound: its name, tier and sentence.

    changed: item name → its count before and after this guard, for items that the guard changed.
    """

    guard: str
    tier: Tier
    text: str
    changed: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """The sentence as a note of the plan."""
        return f"{self.tier.value}: {self.text} [{self.guard}]"

    def of_total(self, total: int) -> str:
        """The sentence as the reason of a tier that has `total` instances after the guard."""
        return f"{total} by the guard '{self.guard}': {self.text}"


def pinned(*, count: int, placed: int, hold: str) -> str:
    """A person pinned the tier at `count`; `placed` is what that comes to. `hold` says until when, by whom and why."""
    differs = ""
    if placed < count:
        differs = f" Only {placed} of them find room on the hosts that answer."
    elif placed > count:
        differs = f" {placed} stay: adopted VMs are never removed."
    return f"pinned at {count} {hold}.{differs}"


def frozen_by_hand(hold: str, *, added: int, removed: int) -> str:
    """A person froze the sizes. `hold` says until when, by whom and why."""
    postponed = f" +{added} and -{removed} instances are postponed." if added or removed else ""
    return f"frozen {hold}.{postponed}"


def set_too_small() -> str:
    """What people have set carries less than the measured load."""
    return "the measured load needs more instances than the sizes set by hand: raise or remove them (`tiercast unpin`)."


def frozen(window: str, *, added: int, removed: int) -> str:
    """A freeze is active. `window` describes it."""
    return f"frozen {window}: +{added} and -{removed} instances are postponed."


def not_shrinking(why: str, *, removed: int) -> str:
    """Nothing is scaled down. `why` names the cause: a fallback forecast or lost data."""
    return f"{why}: nothing is scaled down, {removed} instances stay."


def grew_recently(*, added: int, wait: timedelta, ago: timedelta) -> str:
    """The cooldown after growth."""
    return f"{added} additions wait {spoken(wait)}: the tier grew {spoken(ago)} ago (cooldown up)."


def changed_recently(*, removed: int, wait: timedelta, ago: timedelta) -> str:
    """The cooldown after any change."""
    return f"{removed} removals wait {spoken(wait)}: the tier changed {spoken(ago)} ago (cooldown down)."


def churn(*, removed: int, allowed: int, share: float, size: int, window: timedelta, done: int) -> str:
    """The churn window: `share` of `size` instances may be removed per window, and `done` already were."""
    return (
        f"{allowed} of {removed} removals are allowed: at most {100 * share:g} % of {size} may be removed per "
        f"{spoken(window)}, and {done} already were."
    )


def step_limit(*, added: int, removed: int, limit: int) -> str:
    """The step limit: one plan changes at most `limit` instances of a tier."""
    return f"+{added} and -{removed} instances exceed the step limit of {limit}; the rest follows in the next plan."


def safety_floor(*, raised: int) -> str:
    """The safety floor: guards never take the capacity that the measured load needs."""
    return f"{raised} instances more than the guards allow: the measured load needs them."


def below_minimum(*, total: int, minimum: int) -> str:
    """The declared minimum of the tier."""
    return f"{total} are wanted, but the declared minimum is {minimum}."


def above_maximum(*, total: int, maximum: int) -> str:
    """The declared maximum of the tier."""
    return f"{total} are wanted, but the declared maximum is {maximum}. Raise it, or other tiers serve the rest."
