"""A clock that can't be trusted ends no cooldown and revives no envelope, and the plan says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.guards.clock import guard_time
from reconciler.guards.order import GuardRules, Item, PastChange, guard
from stacks.contract import Tier

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_sound_clock_is_taken_as_it_is() -> None:
    found = guard_time(NOW, newest_entry=NOW - HOUR, data_end=NOW - timedelta(minutes=5), max_age=3 * HOUR)
    assert (found.cooldown, found.expiry, found.notes) == (NOW, NOW, ())


def test_after_a_jump_back_approvals_are_judged_by_the_newest_entry() -> None:
    found = guard_time(NOW, newest_entry=NOW + 5 * HOUR, data_end=NOW, max_age=3 * HOUR)
    assert found.expiry == NOW + 5 * HOUR
    assert "set the clock of this machine" in found.notes[0]


def test_a_clock_ahead_of_the_data_counts_cooldowns_from_the_end_of_the_data() -> None:
    found = guard_time(NOW + 48 * HOUR, newest_entry=NOW, data_end=NOW, max_age=3 * HOUR)
    assert found.cooldown == NOW + 3 * HOUR
    assert "2 days ahead of the newest data" in found.notes[0]


def test_data_from_the_future_is_reported() -> None:
    found = guard_time(NOW, newest_entry=None, data_end=NOW + HOUR, max_age=3 * HOUR)
    assert "ends 60 minutes after the clock's time" in found.notes[0]


@given(minutes=st.integers(-10_000, 10_000))
def test_a_change_in_the_clocks_future_still_holds_the_cooldown(minutes: int) -> None:
    rules = GuardRules(cooldown_down=HOUR)
    past = [PastChange(at=NOW + timedelta(minutes=minutes), tier=Tier.WARM, added=1)]
    kinds = [Item(name="a", tier=Tier.WARM, before=5, wanted=3)]
    held = guard(kinds, rules, now=NOW, past=past).counts["a"]
    assert held == (5 if minutes > -60 else 3)
