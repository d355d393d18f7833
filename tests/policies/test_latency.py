"""latency-slo: judged from the counts that are guaranteed and the demand that is pinned."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from samples import raw

from policies.latency import RULE
from policies.resources import Resource
from reconciler.prices.catalogue import builtin
from stacks.contract import demand_digest, parse


def _with_rates(*rates: float) -> dict[str, Any]:
    demand = copy.deepcopy(raw()["demand"])
    demand["classes"]["gold"]["requestsPerSecond"] = list(rates)
    return raw(demand=demand)


def test_counts_that_carry_the_demand_pass(violations):
    assert violations(RULE, _with_rates(10, 20)) == []


def test_too_few_instances_are_refused_with_figures_and_what_to_do(violations):
    (message,) = violations(RULE, _with_rates(100, 2000))
    assert "for all but 1.00% of its requests (1.00% allowed in this window)" in message
    assert "demand of 2000.0 requests/s (quantile 0.99)" in message
    assert "of requests are expected to be late" in message
    assert "Run `tiercast plan`" in message


def test_a_plan_may_allow_itself_more_than_its_promise_within_a_bound(violations):
    demand = _with_rates(10, 20)["demand"]
    demand["classes"]["gold"]["allowedShare"] = 0.04
    assert violations(RULE, raw(demand=copy.deepcopy(demand))) == []
    demand["classes"]["gold"]["allowedShare"] = 0.05
    (message,) = violations(RULE, raw(demand=demand))
    assert "allowed 5.00% late requests in this window; the policy pack permits 4.00% for a promise of 1.00%" in message


def test_a_floor_counts_at_its_minimum_not_at_its_maximum(violations):
    values = _with_rates(200, 400)
    values["warm"]["groups"][0]["size"] = {"min": 20, "desired": 20, "max": 40}
    assert violations(RULE, values) == []
    values["warm"]["groups"][0]["size"] = {"min": 0, "desired": 20, "max": 40}
    assert len(violations(RULE, values)) == 1


def test_machines_taken_out_of_the_program_are_missed(violations):
    values = _with_rates(200, 400)

    def without_warm(resources: list[Resource]) -> list[Resource]:
        return [
            replace(r, inputs={**r.inputs, "minSize": 0}) if r.name == "warm-web" and r.type.endswith(":Group") else r
            for r in resources
        ]

    values["warm"]["groups"][0]["size"] = {"min": 20, "desired": 20, "max": 40}
    assert violations(RULE, values) == []
    assert len(violations(RULE, values, change=without_warm)) == 1


def test_an_invented_quantile_is_refused_by_its_digest(violations):
    values = raw()
    values["demand"]["classes"]["gold"]["requestsPerSecond"] = [0.1, 0.2]
    (message,) = violations(RULE, values)
    assert "demand section was edited" in message


def test_an_invented_quantile_with_a_digest_to_match_is_refused_by_the_pin(violations):
    honest = _with_rates(100, 2000)
    invented = _with_rates(0.1, 0.2)
    pin = demand_digest(parse(honest).demand)

    (by_digest,) = violations(RULE, invented, settings={"forecastDigest": pin})
    assert "differs from the pinned forecast" in by_digest
    by_file = violations(
        RULE,
        invented,
        settings={"forecastFile": "demand.json"},
        files={"demand.json": json.dumps(honest["demand"])},
    )
    assert any("from demand.json" in m for m in by_file)
    assert any("demand of 2000.0 requests/s" in m for m in by_file), "judged by the pinned demand, not the invented one"


def test_a_pin_can_be_required(violations):
    (message,) = violations(RULE, pins={"catalogueDigest": builtin().digest()})
    assert "No forecast is pinned" in message


def test_a_pinned_file_that_is_missing_or_broken_refuses(violations):
    (missing,) = violations(RULE, settings={"forecastFile": "demand.json"})
    assert "can't read its file" in missing
    (broken,) = violations(RULE, settings={"forecastFile": "demand.json"}, files={"demand.json": "{"})
    assert "must hold a demand section" in broken


def test_a_promise_can_be_kept_from_being_loosened(violations):
    (message,) = violations(RULE, settings={"maxLatencyMs": {"gold": 300}})
    assert "promises 400 ms, the policy pack allows at most 300 ms" in message


def test_a_promise_that_no_count_reaches_says_so(violations):
    demand = copy.deepcopy(raw()["demand"])
    demand["classes"]["gold"]["latencyMs"] = 10
    (message,) = violations(RULE, raw(demand=demand))
    assert "no number of instances of its tiers (hot, warm, cold) reaches" in message


def test_without_a_configuration_there_is_nothing_to_judge_by_and_it_refuses(violations):
    found = violations(RULE, {**raw(), "surprise": 1}, declared=raw())
    assert "not valid" in found[0]
    assert "tiercast:surprise" in found[0]


def test_a_machine_declared_as_stopped_serves_nobody(violations):
    def stopped(resources: list[Resource]) -> list[Resource]:
        return [
            replace(r, inputs={**r.inputs, "running": False}) if r.type.endswith(":Domain") else r for r in resources
        ]

    values = _with_rates(50, 60)
    values["warm"] = values["cold"] = {}
    assert violations(RULE, values) == []
    assert len(violations(RULE, values, change=stopped)) == 1


def test_weighted_capacity_is_refused_for_it_hides_the_count(violations):
    def weighted(resources: list[Resource]) -> list[Resource]:
        policy = {"launchTemplate": {"overrides": [{"instanceType": "m5.large", "weightedCapacity": "4"}]}}
        return [
            replace(r, inputs={**r.inputs, "mixedInstancesPolicy": policy}) if r.name == "cold-burst" else r
            for r in resources
        ]

    (message,) = violations(RULE, change=weighted)
    assert "weighted capacity" in message


def test_a_class_that_moves_much_data_is_judged_by_the_network_of_its_types(violations):
    values = _with_rates(10, 20)
    demand = copy.deepcopy(values["demand"])
    demand["classes"]["gold"]["tiers"] = ["warm", "cold"]
    assert violations(RULE, raw(demand=copy.deepcopy(demand))) == []
    demand["classes"]["gold"]["service"]["networkBytes"] = 400_000_000
    (message,) = violations(RULE, raw(demand=demand))
    assert "of requests are expected to be late" in message or "no number of instances" in message


def test_the_promise_is_not_shown_as_what_this_plan_may_miss(violations):
    demand = _with_rates(100, 2000)["demand"]
    demand["classes"]["gold"]["allowedShare"] = 0.004
    (message,) = violations(RULE, raw(demand=demand))
    assert "for all but 1.00% of its requests (0.40% allowed in this window)" in message
