"""The sizing keeps every promise at least cost, or says what stands in the way."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.sizing import Option, OwnHost, SizingProblem, size
from reconciler.sizing.repair import fits, floor, promises
from reconciler.sizing.result import supply_of, usd_of
from reconciler.slo.assess import assess
from reconciler.slo.latency import ServiceTime
from stacks.contract import Demand
from tests.reconciler.sizing.sizing_cases import ALL, count_of, lognormal_paths, option, problem

HOT, WARM, COLD = ALL


def cheapest_by_enumeration(asked: SizingProblem, most: int) -> float:
    """Least USD/hour over all count vectors up to `most` each that hold exactly."""
    best = float("inf")
    for counts in itertools.product(range(most + 1), repeat=len(asked.options)):
        trial = dict(zip((o.name for o in asked.options), counts, strict=True))
        usd = usd_of(asked, trial)
        if usd < best - 1e-9 and fits(asked, trial) and promises(asked, trial).holds and floor(asked, trial).holds:
            best = usd
    return best


@pytest.mark.parametrize("rate", [5.0, 20.0, 60.0, 110.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_small_fleets_cost_what_full_enumeration_finds(rate: float, seed: int) -> None:
    asked = problem(
        {"gold": rate, "bronze": rate / 2},
        [
            option(HOT, maximum=2),
            option(WARM, "big", vcpu=4, usd_per_hour=0.19),
            option(WARM, "small"),
            option(COLD, "spot", zone="a", interruption=0.002, interrupted_share=0.5),
        ],
        tiers={"gold": (HOT, WARM), "bronze": (COLD, WARM)},
        paths=lognormal_paths([rate, rate / 2], seed=seed),
    )
    answer = size(asked, gap=1e-6)
    assert answer.assessment.holds
    assert answer.usd_after == pytest.approx(cheapest_by_enumeration(asked, 7), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(st.floats(0, 400), min_size=1, max_size=3),
    share=st.sampled_from([0.001, 0.01, 0.1]),
    scv=st.sampled_from([0.25, 1.0, 4.0]),
    now=st.floats(0, 1.5),
    observed=st.integers(0, 10),
    budget=st.one_of(st.none(), st.floats(0.05, 3)),
)
def test_every_plan_holds_or_is_explained_and_never_goes_below_the_floor(
    rates: list[float], share: float, scv: float, now: float, observed: int, budget: float | None
) -> None:
    named = {f"c{i}": r for i, r in enumerate(rates)}
    asked = problem(
        named,
        [option(HOT, maximum=3), option(WARM, observed=observed), option(COLD)],
        share=share,
        service=ServiceTime(mean_s=0.05, scv=scv),
        latency_ms=400,
        load_now={n: r * now for n, r in named.items()},
        budget_usd_per_hour=budget,
    )
    answer = size(asked)
    counts = {c.option: c.after for c in answer.counts}
    assert fits(asked, counts)
    assert answer.assessment.holds or answer.problems
    assert floor(asked, counts).holds or answer.problems
    assert budget is None or answer.usd_after <= budget + 1e-6 or answer.problems
    assert set(answer.reasons) == set(ALL)


@settings(max_examples=15, deadline=None)
@given(rate=st.floats(5, 300), factor=st.floats(1.05, 3))
def test_more_demand_never_costs_less(rate: float, factor: float) -> None:
    options = [option(HOT, maximum=3), option(WARM), option(COLD)]
    less = size(problem({"gold": rate}, options, paths=lognormal_paths([rate])), gap=1e-6)
    more = size(problem({"gold": rate * factor}, options, paths=lognormal_paths([rate]) * factor), gap=1e-6)
    assert more.usd_after >= less.usd_after - 1e-9


def test_the_same_question_gets_the_same_answer() -> None:
    asked = problem({"gold": 120.0, "bronze": 80.0}, [option(HOT, maximum=2), option(WARM), option(COLD)], horizon=6)
    assert size(asked) == size(asked)


def test_an_owned_host_is_used_before_anything_that_costs() -> None:
    answer = size(problem({"gold": 60.0}, [option(HOT, maximum=20), option(WARM), option(COLD)]))
    assert answer.of(HOT) > 0
    assert answer.of(WARM) == answer.of(COLD) == 0


def test_predicted_over_hot_goes_to_warm_by_the_difference() -> None:
    alone = size(problem({"gold": 100.0}, [option(WARM)], tiers={"gold": (HOT, WARM)})).of(WARM)
    both = size(problem({"gold": 100.0}, [option(HOT, maximum=2), option(WARM)], tiers={"gold": (HOT, WARM)}))
    assert both.of(HOT) == 2
    # The class is split over two pools, which may cost one instance of pooling.
    assert alone - 2 <= both.of(WARM) <= alone - 1
    assert "declared maximum" in both.reasons[HOT]
    assert "QoS class gold" in both.reasons[WARM]


def test_a_slow_tier_is_bridged_by_a_fast_one_until_it_has_booted() -> None:
    asked = problem(
        {"gold": 100.0},
        [option(WARM), option(COLD, boot_seconds=900)],
        horizon=8,
        paths=lognormal_paths([100.0], horizon=8, spread=0.01),
    )
    answer = size(asked)
    assert answer.of(WARM) >= 3
    assert answer.trajectory["cold/m"][5] > 2
    assert answer.trajectory["warm/m"][5] < answer.of(WARM) - 1
    assert "boot" in answer.reasons[WARM]


def test_a_commitment_is_used_before_more_is_bought() -> None:
    answer = size(problem({"gold": 120.0}, [option(WARM, committed=3), option(COLD)]))
    assert answer.of(WARM) == 3
    assert answer.of(COLD) > 0


def test_every_promise_holds_without_the_spare_host() -> None:
    hosts = tuple(OwnHost(name=f"h{i}", tier=HOT, cores=8, memory_mib=65536) for i in range(3))
    asked = problem({"gold": 300.0}, [option(HOT), option(WARM)], hosts=hosts, spare_hosts=1)
    answer = size(asked)
    assert answer.of(HOT) == 12
    assert "N+1" in answer.reasons[HOT]
    without_one = supply_of(asked, {"hot/m": 8, "warm/m": answer.of(WARM)})
    assert assess(asked.demand, without_one).holds
    relaxed = size(replace(asked, spare_hosts=0))
    assert relaxed.of(WARM) + 4 >= answer.of(WARM) > relaxed.of(WARM)


def test_a_host_smaller_than_a_flavour_carries_none_and_the_next_tier_takes_over() -> None:
    hosts = (OwnHost(name="tiny", tier=HOT, cores=1, memory_mib=1024),)
    answer = size(problem({"gold": 60.0}, [option(HOT), option(WARM)], hosts=hosts))
    assert answer.of(HOT) == 0
    assert answer.of(WARM) > 0
    assert answer.assessment.holds


def test_memory_and_network_bound_as_vcpu_does() -> None:
    heavy = problem({"gold": 40.0}, [option(WARM)], service=ServiceTime(mean_s=0.05, memory_mib=8192))
    assert size(heavy).of(WARM) >= 2 * size(problem({"gold": 40.0}, [option(WARM)])).of(WARM) - 1
    wire = problem(
        {"gold": 40.0},
        [option(WARM, network_mbps=100.0)],
        service=ServiceTime(mean_s=0.05, network_bytes=600_000),
    )
    assert size(wire).of(WARM) > size(problem({"gold": 40.0}, [option(WARM)])).of(WARM)


def test_spot_that_may_lose_a_zone_is_spread_or_backed() -> None:
    def asked(*zones: str) -> SizingProblem:
        spots = [option(COLD, z, zone=z, interruption=0.05, interrupted_share=1.0) for z in zones]
        return problem({"bronze": 100.0}, [option(WARM), *spots], share=0.02)

    one, three = size(asked("a")), size(asked("a", "b", "c"))
    assert one.assessment.holds
    assert three.assessment.holds
    assert three.usd_after < one.usd_after
    assert sum(c.after > 0 for c in three.counts if c.tier is COLD) > 1


def test_zero_demand_needs_nothing() -> None:
    answer = size(problem({"gold": 0.0}, [option(HOT), option(WARM), option(COLD)]))
    assert [c.after for c in answer.counts] == [0, 0, 0]
    assert answer.problems == ()


def test_a_first_run_never_scales_down() -> None:
    asked = problem({"gold": 10.0}, [option(WARM, observed=9), option(COLD, observed=2)], first_run=True)
    assert [c.after for c in size(asked).counts] == [9, 2]


def test_nothing_is_changed_for_a_saving_that_is_not_worth_it() -> None:
    def twins(running: int) -> tuple[Option, ...]:
        twin = option(WARM, "twin", usd_per_hour=0.1005, boot_mean_seconds=0, observed=running)
        return option(WARM, boot_mean_seconds=0), twin

    asked = problem({"gold": 100.0}, twins(0))
    plain = size(asked)
    running = replace(asked, options=twins(plain.of(WARM)), hysteresis=0.02)
    kept = size(running, gap=1e-6)
    assert count_of(kept, "warm/twin") == plain.of(WARM)
    assert "kept" in kept.reasons[WARM]


@pytest.mark.parametrize("running", [0, 3, 8])
def test_owned_instances_start_only_where_a_promise_needs_them_and_stay_where_they_run(running: int) -> None:
    kinds = [option(HOT, observed=running, maximum=20), option(WARM, committed=2, observed=1)]
    answer = size(problem({"gold": 40.0}, kinds, horizon=6, hysteresis=0.02, switch_seconds=60.0))
    counts = {c.option: c.after for c in answer.counts}
    assert answer.assessment.holds
    assert counts["hot/m"] >= running
    for grown in (c for c in answer.counts if c.after > c.before):
        asked = problem({"gold": 40.0}, kinds, horizon=6)
        assert not promises(asked, {**counts, grown.option: grown.after - 1}).holds
        assert "owned and paid for" not in answer.reasons[grown.tier]


def test_the_wanted_tail_follows_price_and_promise() -> None:
    def quantile(share: float) -> float:
        return size(problem({"gold": 100.0}, [option(WARM)], share=share)).quantiles["gold"]

    assert quantile(0.001) > quantile(0.01) > quantile(0.1)


def test_options_state_their_own_supply() -> None:
    kind: Option = option(COLD, zone="a", interruption=0.1, interrupted_share=0.5)
    assert kind.supply(3, window=2).interruption == pytest.approx(0.19)


@settings(max_examples=15, deadline=None)
@given(rates=st.lists(st.floats(1, 300), min_size=1, max_size=3), share=st.sampled_from([0.001, 0.01]))
def test_a_policy_that_reads_only_the_stack_file_agrees(rates: list[float], share: float) -> None:
    asked = problem(
        {f"c{i}": r for i, r in enumerate(rates)},
        [option(HOT, maximum=4), option(WARM), option(COLD)],
        share=share,
        service=ServiceTime(mean_s=0.0123456789, scv=1.7),
        latency_ms=120,
    )
    answer = size(asked)
    written = Demand.model_validate_json(asked.demand.model_dump_json(by_alias=True))
    judged = assess(written, supply_of(asked, {c.option: c.after for c in answer.counts}))
    assert judged == answer.assessment
    assert judged.holds or answer.problems
