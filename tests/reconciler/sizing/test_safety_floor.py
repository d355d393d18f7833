"""The floor: what the load now needs, and what a latency over target says about that load."""

from __future__ import annotations

import pytest

from reconciler.sizing import size
from reconciler.sizing.repair import floor
from reconciler.sizing.safety_floor import felt_load, floor_demand
from reconciler.slo.assess import Supply, assess
from stacks.contract import Tier
from tests.reconciler.sizing.sizing_cases import option, problem

ASKED = problem({"gold": 60.0, "bronze": 30.0}, [option(Tier.WARM)])


def warm(count: int) -> list[Supply]:
    return [Supply(tier=Tier.WARM, instance_type="m", vcpu=2, memory_mib=8192, count=count)]


def test_the_floor_replaces_the_quantiles_by_the_measured_load() -> None:
    found = floor_demand(ASKED.demand, {"gold": 42.0})
    assert found.classes["gold"].requests_per_second == (42.0,)
    assert found.classes["bronze"].requests_per_second == (0.0,)


def test_what_might_be_lost_counts_for_the_floor_because_it_is_there_now() -> None:
    risky = option(Tier.COLD, zone="a", interruption=0.5)
    asked = problem({"gold": 60.0}, [risky], load_now={"gold": 60.0})
    assert floor(asked, {risky.name: 4}).holds
    busy = problem({"gold": 60.0}, [risky], load_now={"gold": 160.0})
    assert [c.name for c in floor(busy, {risky.name: 4}).classes if not c.holds] == ["gold"]


def test_latency_within_the_target_leaves_the_load_as_measured() -> None:
    load = {"gold": 60.0, "bronze": 20.0}
    assert felt_load(ASKED.demand, load, {"gold": 200.0}, warm(4)) == load
    assert felt_load(ASKED.demand, load, {}, warm(4)) == load


def test_latency_over_the_target_is_felt_as_the_load_that_would_explain_it() -> None:
    load = {"gold": 80.0}
    felt = felt_load(ASKED.demand, load, {"gold": 400.0}, warm(3))
    assert felt["gold"] > 80.0
    explained = assess(floor_demand(ASKED.demand, felt), warm(3), fine=1).of("gold")
    assert explained.latency_ms == pytest.approx(400.0, rel=0.01)
    assert felt_load(ASKED.demand, load, {"gold": 1e9}, warm(3))["gold"] <= 4 * 80.0


def test_latency_over_the_target_brings_additional_warm_capacity() -> None:
    running = [option(Tier.WARM, observed=3)]
    load = {"gold": 80.0}
    calm = problem({"gold": 60.0}, running, load_now=load)
    late = problem({"gold": 60.0}, running, load_now=felt_load(calm.demand, load, {"gold": 900.0}, warm(3)))
    assert size(late).of(Tier.WARM) > size(calm).of(Tier.WARM)
