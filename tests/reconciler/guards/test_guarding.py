"""Guards around a whole sizing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.fleet.freezes import Once
from reconciler.guards.guarded import guarded
from reconciler.guards.order import GuardRules
from reconciler.sizing import size
from stacks.contract import Tier
from tests.reconciler.sizing.sizing_cases import option, problem

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_sizing_that_no_guard_holds_passes_as_it_is() -> None:
    asked = problem({"gold": 80.0}, [option(Tier.WARM)])
    answer = size(asked)
    assert guarded(asked, answer, GuardRules(), now=NOW).sizing is answer


def test_a_held_sizing_is_judged_and_billed_anew() -> None:
    asked = problem({"gold": 120.0}, [option(Tier.WARM, observed=1)])
    answer = size(asked)
    held = guarded(asked, answer, GuardRules(step_limit=1), now=NOW)
    assert held.sizing.of(Tier.WARM) == 2
    assert held.sizing.usd_after == pytest.approx(0.2)
    assert not held.sizing.assessment.holds
    assert "step limit" in held.sizing.reasons[Tier.WARM]
    assert held.notes[0].startswith("warm: ")


def test_the_load_now_passes_a_freeze() -> None:
    asked = problem({"gold": 120.0}, [option(Tier.WARM, observed=1)], load_now={"gold": 100.0})
    rules = GuardRules(freezes=(Once(start=NOW, end=NOW + timedelta(hours=1), why="release"),))
    held = guarded(asked, size(asked), rules, now=NOW)
    assert held.sizing.of(Tier.WARM) > 1
    assert [r.guard for r in held.bound] == ["freeze", "safety floor"]


@pytest.mark.parametrize("held", [{"first_run": True}, {"keep_observed": frozenset({"warm"})}])
def test_a_maximum_below_what_runs_shrinks_nothing_that_must_not_shrink(held: dict[str, Any]) -> None:
    asked = problem({"gold": 20.0}, [option(Tier.WARM, observed=9)], tier_bounds={Tier.WARM: (0, 5)}, **held)
    answer = size(asked)
    rules = GuardRules(bounds={Tier.WARM: (0, 5)})
    assert guarded(asked, answer, rules, now=NOW).sizing.of(Tier.WARM) == answer.of(Tier.WARM) == 9


def test_each_guard_says_which_counts_it_changed() -> None:
    asked = problem({"gold": 120.0}, [option(Tier.WARM, observed=1)])
    answer = size(asked)
    wanted = answer.of(Tier.WARM)
    held = guarded(asked, answer, GuardRules(step_limit=1, bounds={Tier.WARM: (3, 9)}), now=NOW)
    assert held.wanted == {"warm/m": wanted}
    assert [(r.guard, r.changed) for r in held.bound] == [
        ("step limit", {"warm/m": (wanted, 2)}),
        ("bounds", {"warm/m": (2, 3)}),
    ]
