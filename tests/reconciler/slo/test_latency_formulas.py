"""Latency formulas: textbook values, limits, and agreement with a discrete-event simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.slo.gi_g_1 import waits
from reconciler.slo.latency import (
    SafeLoads,
    ServiceTime,
    erlang_c,
    latency_percentile,
    latency_tail,
    reachable,
    safe_load,
    service_tail,
    wait_tail,
)
from reconciler.slo.service_time import phases, third_moment
from stacks.contract import Service as ContractService


def test_erlang_c_matches_textbook_values() -> None:
    # M/M/1: ρ. M/M/2 at ρ = 0.5: 1/3. Cooper's tables: c = 10, a = 8: 0.409.
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.4092, abs=1e-4)


def test_erlang_c_agrees_with_the_recursion_of_erlang_b_and_stays_finite_for_thousands() -> None:
    servers, offered = 400, 380.0
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = offered * blocking / (n + offered * blocking)
    wanted = blocking / (1 - offered / servers * (1 - blocking))
    assert erlang_c(servers, offered) == pytest.approx(wanted, rel=1e-9)
    assert 0 < float(erlang_c(20_000, 19_900.0)) < 1
    assert erlang_c(5, 5.0) == 1.0
    assert erlang_c(5, 0.0) == 0.0


def test_the_wait_of_mm1_is_exact() -> None:
    service = ServiceTime(mean_s=0.1)
    assert wait_tail(1, 8.0, service, 0.5) == pytest.approx(0.8 * np.exp(-2 * 0.5))
    # Sojourn of M/M/1 is exponential with rate μ − λ.
    assert latency_tail(1, 8.0, service, 0.5) == pytest.approx(np.exp(-2 * 0.5), rel=1e-6)
    assert latency_percentile(1, 8.0, service, 0.95) == pytest.approx(1000 * -np.log(0.05) / 2, rel=1e-5)


@pytest.mark.parametrize("scv", [0.0, 0.25, 1.0, 2.0, 4.0])
def test_an_idle_pool_has_the_latency_of_the_service_and_the_round_trip(scv: float) -> None:
    service = ServiceTime(mean_s=0.05, scv=scv)
    latency = latency_percentile(1000, 1e-6, service, 0.9, round_trip_ms=7.0)
    assert service_tail(service, (latency - 7.0) / 1000) <= 0.1 + 1e-9
    assert service_tail(service, (latency - 7.1) / 1000) >= 0.1 - 2e-3


@pytest.mark.parametrize("scv", [0.25, 1.0, 2.0, 4.0])
def test_the_fitted_service_time_has_the_wanted_moments(scv: float) -> None:
    service = ServiceTime(mean_s=0.5, scv=scv)
    times = np.linspace(0, 80, 400_001)
    tail = np.array([service_tail(service, t) for t in times[::40]])
    grid = times[::40]
    mean = np.trapezoid(tail, grid)
    second = np.trapezoid(2 * grid * tail, grid)
    assert mean == pytest.approx(0.5, rel=2e-3)
    assert second / mean**2 - 1 == pytest.approx(scv, rel=2e-2)


def test_a_saturated_pool_is_late_for_ever() -> None:
    service = ServiceTime(mean_s=0.1)
    assert latency_percentile(2, 20.0, service, 0.5) == float("inf")
    assert latency_tail(2, 25.0, service, 10.0) == 1.0
    assert wait_tail(2, 25.0, service, 10.0) == 1.0


def test_the_safe_load_keeps_the_percentile_and_a_little_more_does_not() -> None:
    service = ServiceTime(mean_s=0.05, scv=2.0, peak_factor=1.5)
    rate = float(safe_load(12, service, 220.0, 0.95, 10.0))
    assert latency_percentile(12, rate * 1.5, service, 0.95, 10.0) == pytest.approx(220.0, abs=1e-3)
    assert latency_percentile(12, rate * 1.5 * 1.001, service, 0.95, 10.0) > 220.0


def test_a_target_below_service_and_round_trip_carries_nothing() -> None:
    service = ServiceTime(mean_s=0.05)
    assert not reachable(service, 100.0, 0.95)
    assert safe_load(50, service, 100.0, 0.95) == 0.0
    assert SafeLoads(service=service, target_ms=100.0, percentile=0.95).slots(1.0) == np.inf
    assert reachable(service, 160.0, 0.95)
    assert not reachable(service, 160.0, 0.95, round_trip_ms=20.0)


@settings(max_examples=40, deadline=None)
@given(
    mean=st.floats(0.001, 2),
    scv=st.floats(0, 6),
    stretch=st.floats(1.05, 5),
    percentile=st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]),
    slots=st.integers(1, 6000),
)
def test_safe_loads_grow_with_slots_more_than_in_proportion_and_invert(
    mean: float, scv: float, stretch: float, percentile: float, slots: int
) -> None:
    service = ServiceTime(mean_s=mean, scv=scv)
    idle = latency_percentile(1e6, 1e-9, service, percentile)
    table = SafeLoads(service=service, target_ms=idle * stretch, percentile=percentile)
    one, two = float(table.load(slots)), float(table.load(2 * slots))
    assert 0 <= one < slots / mean
    assert two >= 2 * one * (1 - 1e-6)
    needed = float(table.slots(one))
    assert needed <= slots
    assert float(table.load(needed)) >= one * (1 - 1e-9)


def test_tables_agree_with_the_formula_between_their_grid_points() -> None:
    service = ServiceTime(mean_s=0.05, scv=2.0)
    counts = np.array([1, 7, 128, 131, 500, 1777, 4000])
    table = SafeLoads(service=service, target_ms=300.0, percentile=0.95)
    assert table.load(counts) == pytest.approx(safe_load(counts, service, 300.0, 0.95), rel=1e-5)
    assert (table.slots(table.load(counts)) == counts).all()


def test_the_contract_states_the_same_service() -> None:
    stated = ContractService(mean_ms=40, scv=2, concurrency_per_vcpu=4, memory_mib=64, peak_factor=1.3)
    assert ServiceTime.of(stated) == ServiceTime(
        mean_s=0.04, scv=2, concurrency_per_vcpu=4, memory_mib=64, peak_factor=1.3
    )


@pytest.mark.parametrize("bad", [{"mean_s": 0}, {"mean_s": 1, "scv": -1}, {"mean_s": 1, "peak_factor": 0.5}])
def test_a_service_without_a_queue_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="service"):
        ServiceTime(**bad)


@pytest.mark.parametrize("servers", [1, 2, 20, 200])
@pytest.mark.parametrize("scv", [0.25, 1.0, 4.0])
def test_the_safe_load_is_within_ten_percent_of_a_simulation(servers: int, scv: float) -> None:
    pytest.importorskip("simpy")
    from benchmarks.sizing.latency import LatencyCase, verdict

    case = LatencyCase(servers=servers, scv=scv, percentile=0.95, stretch=2.0 if servers < 20 else 1.2)
    found = verdict(case, requests=40_000 if servers < 20 else 60_000, seed=3)
    assert found["within_10_percent"], found


@pytest.mark.parametrize(
    ("servers", "scv", "arrival_scv", "stretch"),
    [(1, 0.5, 0.25, 1.2), (1, 4.0, 4.0, 2.0), (2, 0.25, 4.0, 1.2), (2, 4.0, 0.25, 1.2), (5, 0.5, 8.0, 1.2)],
)
def test_arrivals_that_are_not_poisson_are_within_ten_percent_too(
    servers: int, scv: float, arrival_scv: float, stretch: float
) -> None:
    pytest.importorskip("simpy")
    from benchmarks.sizing.latency import LatencyCase, verdict

    case = LatencyCase(servers=servers, scv=scv, percentile=0.95, stretch=stretch, arrival_scv=arrival_scv)
    found = verdict(case, requests=60_000)
    assert found["within_10_percent"], found


def test_one_server_is_solved_as_pollaczek_and_khinchine_did() -> None:
    # M/G/1: P(W > 0) = ρ, E[W] is Allen–Cunneen's, and E[W²] = 2 E[W]² + λ E[S³] / 3(1 − ρ).
    rho, scv = 0.5, 4.0
    found = waits(np.array(rho), scv, 1.0)
    mean = rho * (1 + scv) / 2 / (1 - rho)
    second = 2 * mean**2 + rho * third_moment(ServiceTime(mean_s=1.0, scv=scv)) / (3 * (1 - rho))
    assert found.often == pytest.approx(1.0, abs=2e-3)
    assert found.longer == pytest.approx(1.0, abs=2e-3)
    assert found.second == pytest.approx(second * rho / mean**2, rel=5e-3)


@pytest.mark.parametrize("servers", [1.0, 3.0])
def test_with_exponential_services_those_who_wait_do_so_as_theory_has_it(servers: float) -> None:
    # GI/M/c: exponential with mean S / c(1 − σ), σ the root of σ = A*(c(1 − σ)/S); here with two arrival phases.
    rho, service = 0.6, ServiceTime(mean_s=1.0, arrival_scv=4.0)
    weights, rates = phases(ServiceTime(mean_s=1 / (servers * rho), scv=4.0))
    sigma = 0.5
    for _ in range(200):
        sigma = float(np.sum(weights * rates / (rates + servers * (1 - sigma))))
    at = np.array([0.0, 1.0, 3.0])
    tail = wait_tail(servers, servers * rho, service, at)
    assert tail / tail[0] == pytest.approx(np.exp(-servers * (1 - sigma) * at), rel=0.01)


@pytest.mark.parametrize("arrival_scv", [0.0, 1e-4, 100.0])
@pytest.mark.parametrize("scv", [0.0, 1.0, 50.0])
def test_extreme_arrivals_have_a_safe_load_too(scv: float, arrival_scv: float) -> None:
    service = ServiceTime(mean_s=1.0, scv=scv, arrival_scv=arrival_scv)
    loads = safe_load([1, 2, 20, 500], service, 60_000, 0.95)
    assert (np.diff(loads / [1, 2, 20, 500]) >= -1e-6).all()
    assert 0 < loads[0] <= 1


@pytest.mark.parametrize("scv", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("servers", [1, 2, 20])
def test_the_safe_load_does_not_jump_where_arrivals_become_poisson(servers: int, scv: float) -> None:
    loads = [
        float(safe_load(servers, ServiceTime(mean_s=1.0, scv=scv, arrival_scv=a), 6_000, 0.95))
        for a in (0.99, 1.0, 1.01)
    ]
    assert loads == pytest.approx([loads[1]] * 3, rel=0.02)
