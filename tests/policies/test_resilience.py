"""Risk, diversification, spare hosts, step limit."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from samples import raw

from policies import diversification, risk, spare, steps


def _rates(*rates: float, **sections: Any) -> dict[str, Any]:
    demand = copy.deepcopy(raw()["demand"])
    demand["classes"]["gold"]["requestsPerSecond"] = list(rates)
    return raw(demand=demand, **sections)


class TestViolationRisk:
    def test_a_comfortable_stack_passes(self, violations):
        assert violations(risk.RULE) == []

    def test_a_stack_short_half_of_the_time_does_not(self, violations):
        found = violations(risk.RULE, _rates(300, 900))
        assert "The chance that demand of class 'gold' exceeds its capacity is" in found[0]
        assert "the policy pack permits 25.0%" in found[0]

    def test_a_class_may_have_its_own_limit(self, violations):
        (message,) = violations(risk.RULE, _rates(100, 260), settings={"maxRiskByClass": {"gold": 0.001}})
        assert "permits 0.1%" in message

    def test_spot_interruptions_count(self, violations):
        demand = _rates(150, 155)["demand"]
        cold = copy.deepcopy(raw()["cold"])
        cold["groups"][0] |= {
            "instanceTypes": ["m5.xlarge"],
            "size": {"min": 3, "desired": 3, "max": 3},
            "onDemandBase": 0,
            "onDemandShareAboveBase": 0,
        }
        settings = {"maxRisk": 1, "maxViolatingFactor": 1}
        plan = {**raw()["plan"], "validUntil": "2026-12-24T00:00:00Z"}
        lasting = raw(cold=cold, demand=demand, plan=plan, warm=None)
        assert "With spot interruptions" in violations(risk.RULE, lasting, settings=settings)[0]
        cold["groups"][0]["onDemandShareAboveBase"] = 1
        assert violations(risk.RULE, raw(cold=cold, demand=demand, plan=plan, warm=None), settings=settings) == []


class TestDiversification:
    @staticmethod
    def _cold(*types: str) -> dict[str, Any]:
        cold = copy.deepcopy(raw()["cold"])
        cold["groups"][0] |= {"instanceTypes": list(types), "onDemandBase": 0, "onDemandShareAboveBase": 0}
        return raw(cold=cold)

    def test_two_types_pass(self, violations):
        assert violations(diversification.RULE, self._cold("m5.large", "m6i.large")) == []

    def test_one_type_does_not(self, violations):
        (message,) = violations(diversification.RULE, self._cold("m5.large"))
        assert "cold-burst may run 3 spot instances over 1 instance types (at least 2 required)" in message

    def test_families_and_places_can_be_asked_for(self, violations):
        settings = {"minFamilies": 2, "minPlaces": 2}
        (message,) = violations(diversification.RULE, self._cold("m5.large", "m5.xlarge"), settings=settings)
        assert "1 instance families (at least 2 required), 1 subnets or zones (at least 2 required)" in message

    def test_a_group_with_next_to_no_spot_is_left_alone(self, violations):
        assert violations(diversification.RULE, self._cold("m5.large"), settings={"fromInstances": 4}) == []


class TestSpareHosts:
    @staticmethod
    def _two_hosts(rate: float) -> dict[str, Any]:
        hot = copy.deepcopy(raw()["hot"])
        hot["overlay"] = ""
        hot["slots"] = [{"hypervisor": h, "number": n, "flavour": "big"} for h in ("hv1", "hv2") for n in (1, 2)]
        return _rates(rate, rate, hot=hot, warm=None, cold=None)

    def test_is_off_unless_asked_for(self, violations):
        assert violations(spare.RULE, self._two_hosts(250)) == []

    def test_half_a_fleet_must_carry_the_whole_demand(self, violations):
        assert violations(spare.RULE, self._two_hosts(100), settings={"spareHosts": 1}) == []
        (message,) = violations(spare.RULE, self._two_hosts(250), settings={"spareHosts": 1})
        assert message.startswith("Without hv1, 39.37% of the requests of class 'gold' are expected to be late")
        assert "tiers.hot.spare_hosts to 1" in message


class TestStepLimit:
    def test_is_not_judged_without_knowing_what_runs(self, violations):
        assert violations(steps.RULE) == []

    def test_bounds_moves_both_ways(self, violations):
        found = violations(steps.RULE, settings={"current": {"hot": 0, "cold": 9}, "maxStep": {"hot": 1, "cold": 5}})
        assert found[0].startswith("The cold tier goes from 9 to 3 instances; one plan may change it by at most 5")
        assert found[1].startswith("The cold tier shrinks from 9 to 3 instances, by more than 50%")
        assert found[2].startswith("The hot tier goes from 0 to 2 instances")

    def test_reads_what_runs_from_a_file(self, violations):
        files = {"now/test.json": json.dumps({"warm": 8})}
        (message,) = violations(steps.RULE, settings={"currentFile": "now/{stack}.json"}, files=files)
        assert "warm tier shrinks from 8 to 2" in message
        (broken,) = violations(steps.RULE, settings={"currentFile": "x"}, files={"x": '{"lukewarm": 1}'})
        assert "must hold" in broken

    @pytest.mark.parametrize("before", [3, 6])
    def test_small_or_moderate_shrinking_passes(self, violations, before):
        assert violations(steps.RULE, settings={"current": {"cold": before}}) == []
