"""From a forecast and what runs to a plan: sizing, guards and places in one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from forecaster.demand import LEVELS, DemandForecast
from reconciler.catalogue import builtin
from reconciler.fleet import Fleet, parse_fleet
from reconciler.grouping import Grouping
from reconciler.guards import PastChange
from reconciler.observe import Observed
from reconciler.planning import Situation, decide, problem_of
from reconciler.sizing import size
from reconciler.whatif import what_if
from stacks.contract import Tier

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def fleet(**guards: Any) -> Fleet:
    launch = {"image_id": "ami", "zones": ["us-east-1a", "us-east-1b"]}
    return parse_fleet(
        {
            "step": "1h",
            "history": {"paths": ["h.csv"]},
            "qos": {"gold": {"latency": "250ms", "percentile": 0.95, "tiers": ["warm", "cold"]}},
            "applications": [{"match": "*", "qos": "gold"}],
            "guards": {"cooldown_down": "0s", **guards},
            "tiers": {
                "warm": {"instance_types": ["m5.large"], "launch": launch, "ready_pool": None},
                "cold": {"instance_types": ["c5.large"], "launch": launch},
            },
        },
        "fleet.yaml",
    )


def situation(rate: float, running: int, past: tuple[PastChange, ...] = (), **guards: Any) -> Situation:
    """One application at about `rate` requests/s on `running` warm instances."""
    made = fleet(**guards)
    paths = rate * 3600 * np.exp(np.random.default_rng(1).normal(0, 0.1, (200, 1, 12)))
    forecast = DemandForecast(
        cutoff=NOW - timedelta(hours=1),
        step=timedelta(hours=1),
        applications=("shop",),
        levels=LEVELS,
        quantiles=np.quantile(paths, LEVELS, axis=0).transpose(1, 2, 0),
        paths=paths,
        models=("naive",),
        reasons=("",),
    )
    return Situation(
        fleet=made,
        catalogue=builtin(),
        forecast=forecast,
        grouping=Grouping(names=("shop",), qos=("gold",), codes=np.array([0]), rules=({made.applications[0]: 1.0},)),
        observed=Observed(groups={(Tier.WARM, "m5-large"): (("m5.large",), running)}),
        load_now={"gold": rate / 2},
        as_of=NOW,
        now=NOW,
        stack="dev",
        past=past,
    )


def warm(it: Situation) -> tuple[int, tuple[str, ...]]:
    plan = decide(it)
    return next(t.after for t in plan.tiers if t.tier == "warm"), plan.reasons


def test_what_is_too_much_shrinks_and_a_declared_guard_holds_it() -> None:
    free, notes = warm(situation(20.0, running=30))
    assert free < 30
    assert not any("[" in n for n in notes)
    held, notes = warm(situation(20.0, running=30, step_limit=3))
    assert held == 27
    assert any("[step limit]" in n for n in notes)


def test_a_cooldown_knows_what_was_applied() -> None:
    past = (PastChange(at=NOW - timedelta(minutes=5), tier=Tier.WARM, added=2),)
    held, notes = warm(situation(20.0, running=30, past=past, cooldown_down="15m"))
    assert held == 30
    assert any("[cooldown]" in n for n in notes)


def test_a_class_keeps_to_its_declared_part_of_the_cost_and_the_plan_says_what_that_breaks() -> None:
    it = situation(200.0, running=0)
    tight = it.fleet.model_copy(update={"qos": {"gold": it.fleet.qos["gold"].model_copy(update={"usd_per_hour": 0.1})}})
    plan = decide(replace(it, fleet=tight))
    assert plan.usd_per_hour_after - plan.usd_per_hour_before <= 0.1 + 0.06  # boots' volumes beside the instances
    assert any("because of its ceiling of 0.1 USD/h" in n for n in plan.reasons)


def test_no_spot_is_answered_at_the_on_demand_price() -> None:
    base, without = what_if(problem_of(situation(200.0, running=0)), ["no-spot"])
    assert without.usd_per_hour > base.usd_per_hour
    assert sum(n for _, n in without.counts) > 0


def test_one_extreme_path_of_a_thousand_weighs_as_one_of_a_thousand() -> None:
    # A few paths picked to stand for all, the largest among them, would weigh it twenty times as much.
    it = situation(400.0, 0)
    rng = np.random.default_rng(2)
    calm = 400.0 * 3600 * np.exp(rng.normal(0, 0.1, (1000, 1, 12)))
    wild = calm.copy()
    wild[-1] *= 3
    counts = []
    for paths in (calm, wild):
        quantiles = np.quantile(calm, LEVELS, axis=0).transpose(1, 2, 0)
        problem = problem_of(replace(it, forecast=replace(it.forecast, paths=paths, quantiles=quantiles)))
        counts.append(sum(count.after for count in size(problem).counts))
    assert counts[1] <= 1.2 * counts[0]
