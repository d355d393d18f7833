"""What the sizing cannot keep or will not take is named: budgets, ceilings, maxima, promises out of reach, bad problems."""

from __future__ import annotations

import numpy as np
import pytest

from reconciler.errors import ContradictoryBounds
from reconciler.sizing import size
from reconciler.sizing.repair import floor
from reconciler.slo.latency import ServiceTime
from tests.reconciler.sizing.sizing_cases import ALL, count_of, option, problem

HOT, WARM, COLD = ALL


def test_an_out_of_reach_promise_is_named_with_a_target_that_can_be_kept() -> None:
    answer = size(problem({"gold": 50.0}, [option(WARM)], latency_ms=60))
    assert answer.status == "infeasible"
    assert "out of reach" in answer.problems[0]
    assert answer.of(WARM) > 0


def test_a_budget_in_the_way_is_named_with_what_lifting_it_costs() -> None:
    free = size(problem({"gold": 100.0}, [option(WARM)]))
    answer = size(problem({"gold": 100.0}, [option(WARM)], budget_usd_per_hour=0.35))
    assert answer.usd_after <= 0.35
    assert answer.status == "infeasible"
    assert f"to {free.usd_after:.4g} would keep the promise" in answer.problems[0]


def test_a_class_keeps_its_ceiling_at_the_expense_of_its_own_promise_and_lifting_is_priced() -> None:
    kinds, tiers = [option(WARM), option(COLD)], {"gold": (WARM,), "bronze": (COLD,)}
    rates = {"gold": 60.0, "bronze": 60.0}
    free = size(problem(rates, kinds, tiers=tiers))
    asked = problem(rates, kinds, tiers=tiers, class_usd_per_hour={"bronze": 0.09})
    answer = size(asked)
    assert count_of(answer, "warm/m") == count_of(free, "warm/m")
    assert answer.assessment.of("gold").holds
    assert count_of(answer, "cold/m") * 0.04 <= 0.09
    (sentence,) = answer.problems
    assert f"to {count_of(free, 'cold/m') * 0.04:.4g} would keep the promise" in sentence
    assert "its ceiling of 0.09" in sentence


def test_a_ceiling_takes_nothing_from_other_classes_nor_from_the_load_now() -> None:
    shared = problem({"gold": 60.0, "bronze": 60.0}, [option(WARM)], class_usd_per_hour={"gold": 0.1, "bronze": 9.0})
    (sentence,) = size(shared).problems
    assert "gold takes" in sentence
    assert "another class's promise first" in sentence
    busy = problem({"gold": 60.0}, [option(WARM)], class_usd_per_hour={"gold": 0.05}, load_now={"gold": 55.0})
    answer = size(busy)
    assert floor(busy, {c.option: c.after for c in answer.counts}).holds
    assert any("over its ceiling of 0.05" in p for p in answer.problems)


def test_the_floor_passes_the_budget() -> None:
    asked = problem({"gold": 100.0}, [option(WARM)], budget_usd_per_hour=0.15, load_now={"gold": 90.0})
    answer = size(asked)
    counts = {c.option: c.after for c in answer.counts}
    assert floor(asked, counts).holds
    assert any("over the budget" in p for p in answer.problems)


def test_demand_a_thousand_times_the_fleet_is_carried_or_its_maximum_named() -> None:
    answer = size(problem({"gold": 100_000.0}, [option(HOT, maximum=2), option(WARM, maximum=50)]))
    assert answer.of(WARM) == 50
    assert "Raise the maximum" in answer.problems[0]
    large = size(problem({"gold": 100_000.0}, [option(WARM, maximum=10_000)]))
    assert large.assessment.holds


def test_contradictory_bounds_are_refused_in_a_sentence() -> None:
    with pytest.raises(ContradictoryBounds, match="minimum of 5 is above the maximum of 2"):
        problem({"gold": 1.0}, [option(WARM, minimum=5, maximum=2)])


def test_an_unpriced_cloud_type_is_refused() -> None:
    with pytest.raises(ValueError, match="costs nothing"):
        problem({"gold": 1.0}, [option(WARM, usd_per_hour=0.0)])


def test_without_time_the_observed_fleet_is_raised_until_it_holds() -> None:
    asked = problem({"gold": 100.0}, [option(WARM, observed=1), option(COLD)], time_limit_s=0.0)
    answer = size(asked)
    assert answer.assessment.holds
    assert answer.problems == () or "no plan within" in answer.problems[0]


def test_a_class_that_no_type_can_hold_is_named() -> None:
    small = problem({"gold": 5.0}, [option(WARM)], service=ServiceTime(mean_s=0.05, memory_mib=99_999))
    answer = size(small)
    assert any("gold: no instance type can serve it" in p for p in answer.problems)
    assert answer.of(WARM) == 0


def test_paths_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="paths are"):
        problem({"gold": 1.0}, [option(WARM)], paths=np.ones((3, 1, 1)), window=1).__class__(
            demand=problem({"a": 1.0, "b": 1.0}, [option(WARM)]).demand, paths=np.ones((3, 1, 1)), options=()
        )
