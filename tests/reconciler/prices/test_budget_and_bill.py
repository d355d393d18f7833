"""The budget is judged by what the bill will say: two markets, volumes, pools and hosts, in whole instances."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from reconciler.explain.whatif import what_if
from reconciler.plan.decide import decide
from reconciler.plan.draft import plan_of
from reconciler.plan.problem import problem_of
from reconciler.sizing import SizingProblem, size
from reconciler.sizing.option_cost import Mixed
from reconciler.sizing.repair import fits, floor, promises
from reconciler.sizing.result import usd_of
from stacks.contract import Tier
from tests.reconciler.cli.test_bad_input import refits
from tests.reconciler.plan.test_planning import make_snapshot
from tests.reconciler.sizing.sizing_cases import option, problem

COLD_ONLY = {"qos__gold__tiers": ("cold",)}


@pytest.mark.parametrize("rate", [0.0, 20.0, 200.0])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        COLD_ONLY,
        {"tiers__cold__on_demand_base": 2, **COLD_ONLY},
        {"tiers__warm__ready_pool": {"share": 0.3, "min_size": 1, "state": "Running"}},
        {"tiers__warm__ready_pool": {"share": 0.3, "state": "Hibernated"}, "qos__gold__tiers": ("warm",)},
        {"tiers__warm__commitments": ({"instance_type": "m5.large", "count": 3, "usd_per_hour": 0.06},)},
    ],
)
def test_the_sizing_and_the_bill_agree_to_the_last_volume(rate: float, changes: dict[str, Any]) -> None:
    snapshot = refits(make_snapshot(rate, 2), **changes)
    asked = problem_of(snapshot)
    answer = size(asked)
    plan = plan_of(snapshot, asked, answer)
    assert answer.usd_after == pytest.approx(plan.usd_per_hour_after, abs=1e-9)
    assert answer.usd_before == pytest.approx(plan.usd_per_hour_before, abs=1e-9)


def test_one_spot_instance_whose_share_rounds_to_on_demand_does_not_pass_a_budget_for_spot() -> None:
    snapshot = replace(refits(make_snapshot(20.0, running=0), **COLD_ONLY), load_now={})
    free = decide(snapshot).plan
    assert free.usd_per_hour_after > 0.08  # c5.large: 0.085 on demand, about 0.04 at the mean of both markets
    tight = decide(refits(snapshot, guards__usd_per_hour=0.06)).plan
    assert tight.usd_per_hour_after <= 0.06
    assert any("because of the budget of 0.06 USD/h: raising it by" in r for r in tight.reasons)


def cheapest(asked: SizingProblem, most: int) -> float:
    best = float("inf")
    for counts in itertools.product(range(most + 1), repeat=len(asked.options)):
        trial = {o.name: n for o, n in zip(asked.options, counts, strict=True)}
        if fits(asked, trial) and promises(asked, trial).holds and floor(asked, trial).holds:
            best = min(best, usd_of(asked, trial))
    return best


@pytest.mark.parametrize("rate", [10.0, 20.0, 30.0])
def test_a_load_a_little_above_an_instance_takes_one_where_the_share_allows(rate: float) -> None:
    # 2 slots carry 26 requests/s: above them 0.3 % of 20 ± 15 % would be late, of 30 a sixth.
    asked = problem({"gold": rate}, [option(Tier.WARM)])
    answer = size(asked, gap=1e-6)
    assert answer.usd_after == pytest.approx(cheapest(asked, 12), abs=1e-9)


@pytest.mark.parametrize("base", [0, 3])
@pytest.mark.parametrize("rate", [20.0, 60.0, 150.0])
def test_a_mixed_group_beside_warm_is_sized_as_full_enumeration_does(base: int, rate: float) -> None:
    mixed = Mixed(base=base, on_demand_share=0.25, on_demand_usd_per_hour=0.12, spot_usd_per_hour=0.04)
    cold = option(Tier.COLD, mixed=mixed, usd_per_hour=mixed.mean_usd)
    asked = problem({"gold": rate}, [option(Tier.WARM), cold])
    answer = size(asked, gap=1e-6)
    assert answer.usd_after == pytest.approx(cheapest(asked, 12), abs=1e-9)


def test_dearer_spot_raises_only_the_spot_part() -> None:
    mixed = Mixed(base=0, on_demand_share=0.5, on_demand_usd_per_hour=0.10, spot_usd_per_hour=0.04)
    cold = option(Tier.COLD, mixed=mixed, usd_per_hour=mixed.mean_usd, spot=True, minimum=4, maximum=4)
    asked = problem({"gold": 10.0}, [cold])
    planned, dearer, all_dearer = what_if(asked, ["price.spot=2", "price=2"])
    assert planned.usd_per_hour == pytest.approx(2 * 0.10 + 2 * 0.04)
    assert dearer.usd_difference == pytest.approx(2 * 0.04)
    assert all_dearer.usd_difference == pytest.approx(planned.usd_per_hour)
