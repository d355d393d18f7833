"""Sizes that a person sets decide before every guard, until they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.fleet.freezes import Once
from reconciler.guards.guarded import guarded
from reconciler.guards.order import Guarded, GuardRules, Item, PastChange, guard
from reconciler.sizing import size
from stacks.contract import Hold, Pin, Pins, Tier
from tests.reconciler.sizing.sizing_cases import option, problem

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def pin(count: int) -> Pin:
    return Pin(count=count, until=NOW + HOUR, reason="launch day", set_by="ann@desk")


FROZEN = Pins(freeze=Hold(until=NOW + HOUR, reason="database moves"))


def item(tier: Tier, before: int, wanted: int, name: str = "a", most: int = 100) -> Item:
    return Item(name=name, tier=tier, before=before, wanted=wanted, most=most)


def names(found: Guarded) -> list[tuple[str, Tier]]:
    return [(reason.guard, reason.tier) for reason in found.reasons]


@pytest.mark.parametrize("count", [0, 1, 20])
def test_no_guard_changes_a_pinned_tier(count: int) -> None:
    rules = GuardRules(
        step_limit=1,
        churn_share=0.0,
        cooldown_up=HOUR,
        cooldown_down=HOUR,
        freezes=(Once(start=NOW - HOUR, end=NOW + HOUR, why="weekend"),),
        bounds={Tier.WARM: (3, 9)},
        pins=Pins(tiers={Tier.WARM: pin(count)}),
    )
    past = [PastChange(at=NOW, tier=Tier.WARM, added=1, removed=1)]
    found = guard(
        [item(Tier.WARM, 5, 6)], rules, now=NOW, past=past, blocked={Tier.WARM: "stale"}, enough=lambda counts: False
    )
    assert found.counts == {"a": count}
    assert names(found)[0] == ("pin", Tier.WARM)
    assert "until 2026-11-24T13:00+00:00 by ann@desk: launch day" in found.reasons[0].text


def test_a_pin_that_is_what_the_sizing_wants_is_named_too() -> None:
    found = guard([item(Tier.WARM, 5, 6)], GuardRules(pins=Pins(tiers={Tier.WARM: pin(6)})), now=NOW)
    assert [reason.changed for reason in found.reasons] == [{}]


def test_a_pin_fills_the_most_numerous_kind_first_and_empties_the_last() -> None:
    items = [item(Tier.WARM, 1, 3, "a", most=4), item(Tier.WARM, 1, 2, "b"), item(Tier.WARM, 1, 1, "c")]
    rules = [GuardRules(pins=Pins(tiers={Tier.WARM: pin(count)})) for count in (9, 4)]
    assert guard(items, rules[0], now=NOW).counts == {"a": 4, "b": 4, "c": 1}
    assert guard(items, rules[1], now=NOW).counts == {"a": 3, "b": 1, "c": 0}


def test_a_pin_beyond_what_the_hosts_carry_is_followed_as_far_as_they_do_and_says_so() -> None:
    found = guard([item(Tier.HOT, 2, 2, most=3)], GuardRules(pins=Pins(tiers={Tier.HOT: pin(5)})), now=NOW)
    assert found.counts == {"a": 3}
    assert "Only 3 of them find room" in found.reasons[0].text


def test_a_pin_never_removes_an_adopted_vm() -> None:
    kept = Item(name="a", tier=Tier.HOT, before=3, wanted=3, least=2)
    found = guard([kept], GuardRules(pins=Pins(tiers={Tier.HOT: pin(1)})), now=NOW)
    assert found.counts == {"a": 2}
    assert "2 stay: adopted VMs are never removed" in found.reasons[0].text


def test_a_freeze_keeps_what_runs_in_every_tier_but_a_pinned_one() -> None:
    items = [item(Tier.HOT, 2, 6, "h"), item(Tier.WARM, 4, 1, "w")]
    pins = Pins(tiers={Tier.HOT: pin(3)}, freeze=FROZEN.freeze)
    found = guard(items, GuardRules(pins=pins, bounds={Tier.WARM: (9, 9)}), now=NOW)
    assert found.counts == {"h": 3, "w": 4}
    assert names(found) == [("pin", Tier.HOT), ("break-glass freeze", Tier.WARM)]
    assert "+0 and -3 instances are postponed" in found.reasons[1].text


def test_what_is_set_by_hand_and_carries_less_than_the_load_says_so() -> None:
    found = guard([item(Tier.WARM, 2, 6)], GuardRules(pins=FROZEN), now=NOW, enough=lambda counts: counts["a"] >= 6)
    assert found.counts == {"a": 2}
    assert "the measured load needs more instances" in found.reasons[-1].text


def test_other_tiers_make_up_for_a_pin_in_the_safety_floor() -> None:
    items = [item(Tier.HOT, 2, 2, "h"), item(Tier.WARM, 1, 5, "w")]
    rules = GuardRules(pins=Pins(tiers={Tier.HOT: pin(2)}), step_limit=1)
    found = guard(items, rules, now=NOW, enough=lambda counts: counts["w"] >= 5)
    assert found.counts == {"h": 2, "w": 5}
    assert ("safety floor", Tier.WARM) in names(found)


def test_a_pinned_sizing_is_judged_and_billed_anew() -> None:
    asked = problem({"gold": 80.0}, [option(Tier.WARM)])
    held = guarded(asked, size(asked), GuardRules(pins=Pins(tiers={Tier.WARM: pin(0)})), now=NOW)
    assert held.sizing.of(Tier.WARM) == 0
    assert held.sizing.usd_after == 0
    assert not held.sizing.assessment.holds
    assert held.sizing.reasons[Tier.WARM].startswith("0 by the guard 'pin': pinned at 0")


def test_what_has_ended_is_left_out() -> None:
    pins = Pins(tiers={Tier.HOT: pin(3)}, freeze=FROZEN.freeze)
    assert pins.active(NOW + HOUR - timedelta(seconds=1)) == pins
    assert pins.active(NOW + HOUR).empty
