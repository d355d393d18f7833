"""What a team may get wrong: each is one clear sentence, or a safe plan that says what is in the way."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reconciler.errors import UserError
from reconciler.fleet.file import Fleet
from reconciler.plan.decide import decide
from reconciler.plan.file import PlanFile
from reconciler.plan.problem import problem_of
from reconciler.plan.snapshot import Snapshot
from reconciler.prices.catalogue import Catalogue, builtin, parse_catalogue
from reconciler.sizing import OwnHost, size
from stacks.contract import Tier
from tests.reconciler.plan.test_planning import make_snapshot
from tests.reconciler.sizing.sizing_cases import lognormal_paths, option, problem


def prices(**types: dict[str, float]) -> Catalogue:
    """The built-in table with other prices for some types (`m5_large=`)."""
    raw = copy.deepcopy(builtin().model_dump(mode="json"))
    for name, markets in types.items():
        raw["types"][name.replace("_", ".")]["usd_per_hour"] = markets
    return parse_catalogue(raw, "prices.yaml")


def refits(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The snapshot with parts of the fleet file changed, by dotted key."""
    raw = snapshot.fleet.model_dump(mode="python")
    for key, value in changes.items():
        *path, last = key.split("__")
        place = raw
        for step in path:
            place = place[step]
        place[last] = value
    return replace(snapshot, fleet=Fleet.model_validate(raw))


def of(plan: PlanFile, tier: str) -> int:
    return next(t.after for t in plan.tiers if t.tier == tier)


@pytest.mark.parametrize(
    ("markets", "words"),
    [
        ({"spot": 0.03}, "no on demand price for 'm5.large'. Add types.m5.large.usd_per_hour.on_demand"),
        ({"on_demand": 0.0}, "types.m5.large.usd_per_hour.on_demand"),
        ({"on_demand": -1.0}, "types.m5.large.usd_per_hour.on_demand"),
        ({"on_demand": float("nan")}, "types.m5.large.usd_per_hour.on_demand"),
    ],
)
def test_a_missing_zero_or_negative_price_stops_the_plan_and_names_the_key(
    markets: dict[str, float], words: str
) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        decide(replace(make_snapshot(20.0, running=2), catalogue=prices(m5_large=markets)))


def test_prices_in_another_currency_are_refused() -> None:
    with pytest.raises(UserError, match="'EUR', expected USD"):
        parse_catalogue({**builtin().model_dump(mode="json"), "currency": "EUR"}, "prices.yaml")


def test_an_unknown_type_is_named_with_types_that_are_known() -> None:
    with pytest.raises(UserError, match=r"'m5\.mega' is not in the price catalogue \(which lists .*m5\.large"):
        decide(refits(make_snapshot(20.0, running=2), tiers__warm__instance_types=("m5.mega",)))


def test_a_type_without_a_spot_price_is_refused_for_spot_and_taken_on_demand() -> None:
    snapshot = replace(make_snapshot(20.0, running=2), catalogue=prices(c5_large={"on_demand": 0.085}))
    with pytest.raises(UserError, match=r"no spot price for 'c5\.large'"):
        decide(snapshot)
    assert decide(refits(snapshot, tiers__cold__spot_share=0.0)).plan.usd_per_hour_after > 0


def test_a_promise_out_of_reach_on_every_type_is_sized_for_the_nearest_and_says_so() -> None:
    plan = decide(refits(make_snapshot(20.0, running=2), qos__gold__latency="15ms")).plan
    assert any("out of reach on any type" in r and "Raise the target to at least" in r for r in plan.reasons)
    assert of(plan, "warm") + of(plan, "cold") > 0


def test_no_demand_needs_nothing() -> None:
    plan = decide(make_snapshot(0.0, running=3, churn_share=1)).plan
    assert (of(plan, "warm"), of(plan, "cold")) == (0, 0)


def test_a_thousand_times_the_demand_fills_the_maxima_and_names_them() -> None:
    snapshot = make_snapshot(20_000.0, running=2)
    plan = decide(refits(snapshot, tiers__warm__max=5, tiers__cold__max=6)).plan
    assert (of(plan, "warm"), of(plan, "cold")) == (5, 6)
    assert any("because of maxima" in r and "Raise the maximum" in r for r in plan.reasons)


def test_a_hypervisor_smaller_than_every_flavour_is_refused_by_the_flavour_s_name() -> None:
    hosts = ({"name": "tiny", "uri": "qemu:///system", "cores": 1, "memory_mib": 512},)
    flavours = ({"name": "huge", "vcpu": 8, "memory_mib": 65536},)
    snapshot = make_snapshot(20.0, running=2)
    with pytest.raises(UserError, match=r"'huge' \(8 vCPU, 65536 MiB\) fits none of the hosts"):
        decide(refits(snapshot, tiers__hot__hypervisors=hosts, tiers__hot__flavours=flavours))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {
                "tiers__hot__hypervisors": ({"name": "a", "uri": "qemu:///system", "cores": 8, "memory_mib": 32768},),
                "tiers__hot__flavours": ({"name": "s", "vcpu": 2, "memory_mib": 2048},),
                "qos__gold__tiers": ("hot", "warm"),
            },
            "fleet.yaml, tiers.hot: slots need `boot`",
        ),
        ({"tags": {"tier": "mine"}}, "fleet.yaml, tags and tiers: tags ['tier'] are set by tiercast itself"),
    ],
)
def test_what_the_stack_lacks_is_said_of_the_fleet_file_that_left_it_out(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        decide(refits(make_snapshot(20.0, running=2), **changes))


HOSTS = tuple({"name": n, "uri": "qemu:///system", "cores": 2, "memory_mib": 4096} for n in ("a", "b"))


def on_metal(snapshot: Snapshot, least: int) -> Snapshot:
    """The snapshot with a hot tier on two hosts, which have room for two VMs each."""
    return refits(
        snapshot,
        tiers__hot__hypervisors=HOSTS,
        tiers__hot__flavours=(
            {"name": "s", "vcpu": 1, "memory_mib": 2048},
            {"name": "l", "vcpu": 2, "memory_mib": 2048},
        ),
        tiers__hot__boot={"kernel": "/boot/k", "initrd": "/boot/i"},
        tiers__hot__min=least,
        qos__gold__tiers=("hot", "warm", "cold"),
    )


def test_a_minimum_beyond_the_room_on_the_hosts_is_refused() -> None:
    words = "fleet.yaml, tiers.hot.min: 5 VMs do not fit on the hosts, which have room for 4. Lower it, add hosts"
    with pytest.raises(UserError, match=re.escape(words)):
        decide(on_metal(make_snapshot(20.0, running=2), 5))


def test_a_minimum_that_a_silent_host_leaves_no_room_for_is_as_much_as_there_is_and_the_load_goes_elsewhere() -> None:
    snapshot = replace(on_metal(make_snapshot(200.0, running=2), 4), unreachable={"b": "no route"})
    plan = decide(snapshot).plan
    assert of(plan, "hot") == 2
    assert of(plan, "warm") + of(plan, "cold") > 2
    assert all(c.shortfall_probability <= 0.2 for c in plan.classes)
    assert not any("no room" in r or "found no plan" in r for r in plan.reasons)


def test_a_class_that_nobody_asks_anything_of_is_no_obstacle() -> None:
    kinds = [option(Tier.WARM), option(Tier.COLD, zone="spot", spot=True, interruption=0.05, interrupted_share=0.5)]
    rates = {"gold": 200.0, "rest": 0.0}
    paths = lognormal_paths([200.0, 0.0], paths=400)
    answer = size(problem(rates, kinds, paths=paths))
    assert answer.assessment.holds
    assert sum(c.after for c in answer.counts) > 0


@pytest.mark.parametrize(("observed", "bounds"), [(0, (3, 40)), (9, (0, 30)), (35, (0, 30))])
def test_a_solver_without_time_keeps_the_tiers_bounds_and_still_raises(observed: int, bounds: tuple[int, int]) -> None:
    rates = {f"c{k}": 300.0 + k for k in range(3)}
    kinds = [option(Tier.WARM, "w", observed=observed), option(Tier.COLD)]
    paths = lognormal_paths(list(rates.values()), horizon=8)
    asked = problem(rates, kinds, horizon=8, paths=paths, time_limit_s=1e-9, tier_bounds={Tier.WARM: bounds})
    answer = size(asked)
    assert any("found no plan within" in p for p in answer.problems)
    assert answer.assessment.holds
    assert bounds[0] <= sum(c.after for c in answer.counts if c.tier is Tier.WARM) <= bounds[1]


def test_bounds_that_no_counts_keep_are_said_to_be_that_and_not_a_lack_of_time() -> None:
    host = OwnHost(name="a", tier=Tier.HOT, cores=2, memory_mib=8192)
    kinds = [option(Tier.HOT, observed=3), option(Tier.WARM)]
    answer = size(problem({"gold": 20.0}, kinds, hosts=(host,), first_run=True))
    assert answer.status == "infeasible"
    assert any(
        "No plan satisfies all minimums, maximums, host limits and blocked scale-downs" in p for p in answer.problems
    )
    assert next(c.after for c in answer.counts if c.tier is Tier.HOT) == 3


def test_a_solver_without_time_leaves_the_observed_fleet_raised_until_it_holds() -> None:
    rates = {f"c{k}": 80.0 + k for k in range(4)}
    kinds = [option(Tier.WARM, f"t{k}", usd_per_hour=0.1 + 0.013 * k, vcpu=2 + k, observed=1) for k in range(8)]
    asked = problem(rates, kinds, horizon=8, paths=lognormal_paths(list(rates.values()), horizon=8), time_limit_s=1e-6)
    answer = size(asked)
    assert answer.assessment.holds
    assert answer.status == "time limit"
    assert any("found no plan within" in p for p in answer.problems)
    assert all(c.after >= c.before for c in answer.counts)


def test_missing_values_never_reach_the_program() -> None:
    asked = problem_of(make_snapshot(20.0, running=2))
    with pytest.raises(ValueError, match="finite"):
        replace(asked, paths=np.full_like(asked.paths, np.nan))
