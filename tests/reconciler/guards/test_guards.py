"""Guards bound a change in a documented order, and each that binds says so."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ContradictoryGuards, UserError
from reconciler.fleet.freezes import Once, Weekly
from reconciler.guards.order import GuardRules, Item, PastChange, guard
from stacks.contract import Tier

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def warm(before: int, wanted: int, name: str = "a") -> Item:
    return Item(name=name, tier=Tier.WARM, before=before, wanted=wanted)


def guards_of(result: object) -> list[str]:
    return [r.guard for r in result.reasons]  # type: ignore[attr-defined]


def test_without_a_binding_guard_the_wanted_counts_pass_without_a_reason() -> None:
    result = guard([warm(3, 5)], GuardRules(), now=NOW)
    assert result.counts == {"a": 5}
    assert result.reasons == ()


def test_a_freeze_puts_everything_off_and_says_until_when_and_why() -> None:
    rules = GuardRules(freezes=(Once(start=NOW - MINUTE, end=NOW + MINUTE, why="release night"),))
    result = guard([warm(3, 5), warm(4, 1, "b")], rules, now=NOW)
    assert result.counts == {"a": 3, "b": 4}
    assert "release night" in result.reasons[0].text


@pytest.mark.parametrize(
    ("when", "frozen"),
    [
        (datetime(2026, 11, 27, 15, 30, tzinfo=UTC), True),  # Friday 16:30 in Berlin (winter: UTC+1)
        (datetime(2026, 11, 27, 14, 30, tzinfo=UTC), False),  # Friday 15:30 in Berlin
        (datetime(2026, 7, 24, 14, 30, tzinfo=UTC), True),  # Friday 16:30 in Berlin (summer: UTC+2)
        (datetime(2026, 11, 29, 12, 0, tzinfo=UTC), True),  # Sunday
        (datetime(2026, 11, 30, 6, 30, tzinfo=UTC), True),  # Monday 07:30
        (datetime(2026, 11, 30, 7, 0, tzinfo=UTC), False),  # Monday 08:00: the end is open
    ],
)
def test_a_weekly_freeze_follows_the_wall_clock_of_its_zone_over_the_turn_of_the_week(
    when: datetime, frozen: bool
) -> None:
    weekend = Weekly(
        start_day=4, start=time(16), end_day=0, end=time(8), timezone="Europe/Berlin", why="no one on call"
    )
    assert weekend.covers(when) is frozen


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(UserError, match="IANA"):
        Weekly(start_day=0, start=time(0), end_day=1, end=time(0), timezone="Berlin", why="x")


def test_a_fallback_forecast_scales_up_and_never_down() -> None:
    result = guard([warm(5, 2), warm(1, 4, "b")], GuardRules(), now=NOW, blocked={Tier.WARM: "coverage failed"})
    assert result.counts == {"a": 5, "b": 4}
    assert "coverage failed" in result.reasons[0].text


def test_cooldowns_are_asymmetric() -> None:
    rules = GuardRules(cooldown_up=2 * MINUTE, cooldown_down=30 * MINUTE)
    past = [PastChange(at=NOW - 10 * MINUTE, tier=Tier.WARM, added=3)]
    assert guard([warm(5, 8)], rules, now=NOW, past=past).counts == {"a": 8}
    held = guard([warm(5, 2)], rules, now=NOW, past=past)
    assert held.counts == {"a": 5}
    assert "20 min" in held.reasons[0].text
    soon = [PastChange(at=NOW - MINUTE, tier=Tier.WARM, added=3)]
    assert guard([warm(5, 8)], rules, now=NOW, past=soon).counts == {"a": 5}


def test_a_cooldown_of_one_tier_does_not_hold_another() -> None:
    past = [PastChange(at=NOW - MINUTE, tier=Tier.COLD, added=3)]
    assert guard([warm(5, 2)], GuardRules(), now=NOW, past=past).counts == {"a": 2}


def test_the_churn_window_counts_what_it_already_removed() -> None:
    rules = GuardRules(churn_share=0.2, cooldown_down=timedelta(0))
    past = [PastChange(at=NOW - 30 * MINUTE, tier=Tier.WARM, removed=1)]
    result = guard([warm(19, 10)], rules, now=NOW, past=past)
    # 20 % of the 20 at the window's start are 4; one went.
    assert result.counts == {"a": 16}
    assert guard([warm(19, 10)], rules, now=NOW).counts == {"a": 16}
    assert guard([warm(3, 1)], rules, now=NOW).counts == {"a": 2}


def test_the_step_limit_cuts_removals_before_additions() -> None:
    rules = GuardRules(step_limit=4, cooldown_down=timedelta(0))
    assert guard([warm(0, 3), warm(5, 0, "b")], rules, now=NOW).counts == {"a": 3, "b": 4}
    assert guard([warm(0, 9), warm(5, 0, "b")], rules, now=NOW).counts == {"a": 4, "b": 5}


def test_the_safety_floor_passes_a_freeze_and_says_so() -> None:
    rules = GuardRules(freezes=(Once(start=NOW - MINUTE, end=NOW + MINUTE, why="release night"),))
    result = guard([warm(3, 6)], rules, now=NOW, enough=lambda c: c["a"] >= 5)
    assert result.counts == {"a": 6}
    assert guards_of(result) == ["freeze", "safety floor"]


def test_declared_bounds_have_the_last_word() -> None:
    rules = GuardRules(bounds={Tier.WARM: (2, 4)})
    result = guard([warm(3, 9)], rules, now=NOW, enough=lambda c: c["a"] >= 9)
    assert result.counts == {"a": 4}
    assert guards_of(result) == ["bounds"]
    assert guard([warm(3, 0)], rules, now=NOW).counts == {"a": 2}


def test_every_guard_that_binds_leaves_its_reason_in_the_documented_order() -> None:
    rules = GuardRules(
        step_limit=2,
        churn_share=0.5,
        cooldown_down=timedelta(0),
        cooldown_up=5 * MINUTE,
        bounds={Tier.WARM: (0, 9)},
    )
    past = [PastChange(at=NOW - MINUTE, tier=Tier.WARM, added=1)]
    result = guard([warm(2, 6), warm(10, 0, "b")], rules, now=NOW, past=past)
    assert guards_of(result) == ["cooldown", "churn window", "step limit", "bounds"]


def test_demotion_comes_before_the_step_limit_and_floor_and_bounds_come_last() -> None:
    rules = GuardRules(step_limit=3, bounds={Tier.WARM: (0, 12)})
    kinds = [warm(2, 9), warm(5, 0, "b")]
    result = guard(kinds, rules, now=NOW, blocked={Tier.WARM: "stale"}, enough=lambda c: c["a"] >= 8)
    # Nothing goes; three come; the load needs what the sizing wants; no more than twelve may be.
    assert guards_of(result) == ["demotion", "step limit", "safety floor", "bounds"]
    assert result.counts == {"a": 9, "b": 3}


def test_growth_that_a_cooldown_puts_off_takes_nothing_of_the_step_limit() -> None:
    rules = GuardRules(step_limit=3, cooldown_up=5 * MINUTE, cooldown_down=timedelta(0))
    past = [PastChange(at=NOW - MINUTE, tier=Tier.WARM, added=1)]
    result = guard([warm(2, 6), warm(5, 2, "b")], rules, now=NOW, past=past)
    assert guards_of(result) == ["cooldown"]
    assert result.counts == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    "rules",
    [
        {"bounds": {Tier.WARM: (5, 2)}},
        {"step_limit": 0},
        {"churn_share": 1.5},
    ],
)
def test_contradictory_guards_are_one_clear_sentence(rules: dict[str, object]) -> None:
    with pytest.raises(ContradictoryGuards, match=r"\.$"):
        GuardRules(**rules)  # type: ignore[arg-type]


@given(
    items=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=4),
    step=st.one_of(st.none(), st.integers(1, 10)),
    churn=st.one_of(st.none(), st.floats(0, 1)),
    demoted=st.sampled_from(["", "stale data"]),
)
def test_guarded_counts_lie_between_what_runs_and_what_is_wanted(
    items: list[tuple[int, int]], step: int | None, churn: float | None, demoted: str
) -> None:
    kinds = [warm(before, wanted, f"k{i}") for i, (before, wanted) in enumerate(items)]
    result = guard(kinds, GuardRules(step_limit=step, churn_share=churn), now=NOW, blocked=dict.fromkeys(Tier, demoted))
    for kind in kinds:
        assert min(kind.before, kind.wanted) <= result.counts[kind.name] <= max(kind.before, kind.wanted)
    changed = sum(abs(result.counts[k.name] - k.before) for k in kinds)
    assert step is None or changed <= step
    assert bool(result.reasons) == any(result.counts[k.name] != k.wanted for k in kinds)
