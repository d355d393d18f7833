"""One judgement of a fleet, shared by sizing and policy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.slo.assess import Supply, assess, slots_per_instance
from reconciler.slo.interruptions import interruption_states
from reconciler.slo.latency import ServiceTime, latency_percentile, safe_load
from reconciler.slo.scenarios import aligned_scenarios, demand_scenarios
from stacks.contract import ClassDemand, Demand, Tier
from stacks.contract import Service as ContractService

LEVELS = (0.05, 0.5, 0.95, 0.99)


def klass(rates: tuple[float, ...], tiers: tuple[str, ...] = ("hot", "warm", "cold"), **changes: object) -> ClassDemand:
    values: dict[str, object] = {
        "latency_ms": 250,
        "percentile": 0.95,
        "promised_share": 0.01,
        "allowed_share": 0.01,
        "tiers": tiers,
        "levels": LEVELS,
        "requests_per_second": rates,
        "service": ContractService(mean_ms=50),
        "round_trip_ms": {"hot": 1, "warm": 5, "cold": 10},
    }
    return ClassDemand.model_validate({**values, **changes})


def demand(**classes: ClassDemand) -> Demand:
    return Demand(step_seconds=300, classes=classes)


def supply(tier: Tier, count: int, **changes: object) -> Supply:
    values: dict[str, object] = {"tier": tier, "instance_type": "m", "vcpu": 2, "memory_mib": 8192, "count": count}
    return Supply(**{**values, **changes})  # type: ignore[arg-type]


FLAT = (100.0, 100.0, 100.0, 100.0)


def test_a_single_pool_carries_its_safe_load_and_has_its_latency() -> None:
    fleet = [supply(Tier.WARM, 4)]
    found = assess(demand(gold=klass(FLAT)), fleet).of("gold")
    service = ServiceTime(mean_s=0.05)
    assert found.safe_rps == pytest.approx(float(safe_load(8, service, 250, 0.95, 5)))
    assert found.latency_ms == pytest.approx(latency_percentile(8, 100.0, service, 0.95, 5), rel=1e-4)
    assert found.expected_share == found.shortfall_probability == 0.0
    assert found.holds


def test_demand_over_the_safe_load_is_the_expected_share() -> None:
    fleet = [supply(Tier.WARM, 2)]
    found = assess(demand(gold=klass(FLAT)), fleet).of("gold")
    carried = float(safe_load(4, ServiceTime(mean_s=0.05), 250, 0.95, 5))
    assert found.expected_share == pytest.approx(1 - carried / 100)
    assert found.shortfall_probability == pytest.approx(1.0)
    assert not found.holds


def test_a_class_fills_its_tiers_in_order() -> None:
    fleet = [supply(Tier.HOT, 2), supply(Tier.WARM, 4), supply(Tier.COLD, 4)]
    served = assess(demand(gold=klass(FLAT, ("warm", "hot"))), fleet).of("gold").served
    assert list(served) == [Tier.WARM, Tier.HOT]
    assert served[Tier.HOT] == 0.0
    assert assess(demand(gold=klass(FLAT, ("hot",))), fleet).utilisation[Tier.COLD] == 0.0
    split = assess(demand(gold=klass(FLAT, ("hot", "warm"))), fleet).of("gold").served
    assert split[Tier.HOT] > 0
    assert split[Tier.HOT] + split[Tier.WARM] == pytest.approx(100.0)


def test_the_class_named_first_is_served_first() -> None:
    fleet = [supply(Tier.WARM, 4)]
    found = assess(demand(gold=klass(FLAT), bronze=klass(FLAT)), fleet)
    assert found.of("gold").holds
    assert not found.of("bronze").holds
    assert found.of("bronze").served[Tier.WARM] < 100


def test_a_lost_zone_counts_by_its_probability() -> None:
    def share(loss: float) -> float:
        fleet = [supply(Tier.COLD, 5, zone="a", interruption=loss, interrupted_share=1.0)]
        return assess(demand(gold=klass(FLAT)), fleet).of("gold").expected_share

    assert share(0.0) == 0.0
    assert share(0.03) == pytest.approx(0.03)


def test_without_any_instances_everything_violates() -> None:
    found = assess(demand(gold=klass(FLAT)), []).of("gold")
    assert found.expected_share == pytest.approx(1.0)
    assert found.latency_ms == float("inf")


def test_no_demand_needs_nothing() -> None:
    found = assess(demand(gold=klass((0.0, 0.0, 0.0, 0.0))), []).of("gold")
    assert found.expected_share == found.latency_ms == found.shortfall_probability == 0.0
    assert found.holds


def test_overload_below_saturation_has_a_latency_and_above_has_none() -> None:
    slow = assess(demand(gold=klass((150.0,) * 4)), [supply(Tier.WARM, 4)]).of("gold")
    assert not slow.holds
    assert 250 < slow.latency_ms < float("inf")
    assert assess(demand(gold=klass((170.0,) * 4)), [supply(Tier.WARM, 4)]).of("gold").latency_ms == float("inf")


def test_the_scarcest_resource_decides_the_slots() -> None:
    one = supply(Tier.WARM, 1, network_mbps=80.0)
    assert slots_per_instance(one, ServiceTime(mean_s=0.05)) == 2
    assert slots_per_instance(one, ServiceTime(mean_s=0.05, concurrency_per_vcpu=8)) == 16
    assert slots_per_instance(one, ServiceTime(mean_s=0.05, concurrency_per_vcpu=8, memory_mib=1024)) == 8
    # 10 MB/s over 50 kB a request are 200 requests/s, which keep 10 slots of 50 ms busy.
    assert slots_per_instance(one, ServiceTime(mean_s=0.05, concurrency_per_vcpu=8, network_bytes=50_000)) == 10


def test_scenarios_keep_the_mean_of_an_exponential_tail() -> None:
    rate = 100.0
    levels = tuple(np.round(np.concatenate([np.arange(0.01, 1, 0.01), [0.999]]), 3))
    quantiles = tuple(float(-rate * np.log(1 - q)) for q in levels)
    values, mass = demand_scenarios(klass(quantiles, levels=levels))
    assert mass.sum() == pytest.approx(1.0)
    assert float(values @ mass) == pytest.approx(rate, rel=0.01)


def test_scenarios_of_classes_with_different_levels_are_aligned_by_rank() -> None:
    other = klass((10.0, 20.0), levels=(0.3, 0.9))
    rates, mass = aligned_scenarios(demand(gold=klass((1.0, 2.0, 3.0, 4.0)), bronze=other))
    assert mass.sum() == pytest.approx(1.0)
    assert (np.diff(rates, axis=0) >= 0).all()


def test_zone_shocks_take_all_groups_of_the_zone_together() -> None:
    found = interruption_states([("a", 0.1, 0.5), ("a", 0.05, 1.0), ("b", 0.2, 1.0), ("", 0.0, 1.0)])
    assert found.probability == pytest.approx([0.7, 0.1, 0.2])
    assert found.left[1] == pytest.approx([0.5, 0.0, 1.0, 1.0])
    assert found.left[2] == pytest.approx([1.0, 1.0, 0.0, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    rates=st.lists(st.floats(0, 500), min_size=4, max_size=4).map(sorted),
    counts=st.tuples(*[st.integers(0, 12)] * 3),
    extra=st.integers(0, 2),
)
def test_more_instances_never_serve_less(rates: list[float], counts: tuple[int, int, int], extra: int) -> None:
    asked = demand(gold=klass(tuple(rates), ("hot", "warm")), bronze=klass(tuple(rates)))
    before = [supply(t, n) for t, n in zip(Tier, counts, strict=True)]
    more = [supply(t, n + (i == extra)) for i, (t, n) in enumerate(zip(Tier, counts, strict=True))]
    first, second = assess(asked, before, latency=False), assess(asked, more, latency=False)
    # A whole slot more to the first class may cost the second one its split: never the first.
    assert second.of("gold").expected_share <= first.of("gold").expected_share + 1e-9
    total = [sum(c.expected_share for c in a.classes) for a in (first, second)]
    assert total[1] <= total[0] + 0.05
