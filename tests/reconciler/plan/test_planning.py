"""From a forecast and what runs to a plan: sizing, guards and places in one."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from forecaster.demand import LEVELS, DemandForecast
from reconciler.demand.grouping import Grouping
from reconciler.explain.whatif import what_if
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.guards.order import PastChange
from reconciler.observe.stack_state import Observed
from reconciler.plan.decide import decide
from reconciler.plan.problem import problem_of
from reconciler.plan.snapshot import Snapshot
from reconciler.prices.catalogue import builtin, parse_catalogue
from reconciler.sizing import Option, size
from stacks.contract import Ownership, TargetTracking, Tier

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def fleet(**guards: Any) -> Fleet:
    launch = {
        "image_id": "ami",
        "zones": ["us-east-1a", "us-east-1b"],
    }
    scaled = {"launch": launch, "target_tracking": {"cpu_percent": 65}}
    return parse_fleet(
        {
            "step": "1h",
            "history": {"paths": ["h.csv"]},
            "qos": {"gold": {"latency": "250ms", "percentile": 0.95, "tiers": ["warm", "cold"]}},
            "applications": [{"match": "*", "qos": "gold"}],
            "guards": {"cooldown_down": "0s", **guards},
            "tiers": {
                "warm": {"instance_types": ["m5.large"], "ready_pool": None, **scaled},
                "cold": {"instance_types": ["c5.large"], **scaled},
            },
        },
        "fleet.yaml",
    )


def make_snapshot(rate: float, running: int, past: tuple[PastChange, ...] = (), **guards: Any) -> Snapshot:
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
    return Snapshot(
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


def warm(snapshot: Snapshot) -> tuple[int, tuple[str, ...]]:
    plan = decide(snapshot).plan
    return next(t.after for t in plan.tiers if t.tier == "warm"), plan.reasons


def on_metal(rate: float, **hot: Any) -> Snapshot:
    """One application at about `rate` requests/s on three own hosts of four cores, with warm beside them; steps of 5 min."""
    launch = {"image_id": "ami", "zones": ["us-east-1a"]}
    made = parse_fleet(
        {
            "step": "5m",
            "validity": "5m",
            "history": {"paths": ["h.csv"]},
            "qos": {"gold": {"latency": "250ms", "percentile": 0.95, "tiers": ["hot", "warm"]}},
            "applications": [{"match": "*", "qos": "gold"}],
            "guards": {"cooldown_down": "0s"},
            "tiers": {
                "hot": {
                    "hypervisors": [
                        {"name": name, "uri": f"test:///{name}", "cores": 4, "memory_mib": 65536} for name in "abc"
                    ],
                    "flavours": [{"name": "standard", "vcpu": 2, "memory_mib": 2048}],
                    "boot": {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd", "cmdline": [{"console": "ttyS0"}]},
                    "unreachable": "skip",
                    **hot,
                },
                "warm": {"instance_types": ["m5.large"], "launch": launch, "ready_pool": None},
            },
        },
        "fleet.yaml",
    )
    snapshot = make_snapshot(rate, running=0)
    paths = rate * 300 * np.exp(np.random.default_rng(1).normal(0, 0.1, (200, 1, 288)))
    forecast = replace(
        snapshot.forecast,
        step=made.step,
        cutoff=NOW - made.step,
        paths=paths,
        quantiles=np.quantile(paths, LEVELS, axis=0).transpose(1, 2, 0),
    )
    grouping = replace(snapshot.grouping, rules=({made.applications[0]: 1.0},))
    return replace(snapshot, fleet=made, forecast=forecast, grouping=grouping, observed=Observed())


def test_a_minimum_that_the_hosts_left_cannot_carry_costs_no_other_tier_its_plan() -> None:
    plan = decide(replace(on_metal(300.0, min=6), unreachable={"c": "no route"})).plan
    after = {t.tier: t.after for t in plan.tiers}
    assert after["hot"] == 4
    assert after["warm"] > 0
    assert any("declared minimum of 6" in n and "at least 4" in n for n in plan.reasons)
    assert not any("integer program" in n for n in plan.reasons)


@pytest.mark.parametrize(("cores", "sizes"), [(7, (6, 4)), (8, (5, 2)), (5, (3, 2))])
def test_vms_of_several_sizes_are_counted_on_only_where_they_find_room_beside_each_other(
    cores: int, sizes: tuple[int, int]
) -> None:
    def hosts(names: str) -> list[dict[str, Any]]:
        return [{"name": n, "uri": f"test:///{n}", "cores": cores, "memory_mib": 65536} for n in names]

    flavours = [{"name": f"f{v}", "vcpu": v, "memory_mib": 2048} for v in sizes]
    for rate in (100.0, 160.0, 260.0):
        plan = decide(on_metal(rate, hypervisors=hosts("ab"), flavours=flavours, min=2)).plan
        after = {t.tier: t for t in plan.tiers}
        assert len(plan.config["tiercast:hot"]["slots"]) == after["hot"].after
        assert not any("no room" in n for n in plan.reasons)
        assert not any("expected to be late" in n for n in plan.reasons)


def test_the_program_looks_as_far_as_the_longest_boot_the_cooldown_and_a_billed_step() -> None:
    assert problem_of(on_metal(60.0)).horizon == 12
    slow = on_metal(60.0, boot_time="50m")
    guards = slow.fleet.guards.model_copy(update={"cooldown_down": timedelta(minutes=30)})
    waits = replace(slow, fleet=slow.fleet.model_copy(update={"guards": guards}))
    assert problem_of(waits).horizon == (50 + 30 + 5) / 5
    seen = waits.forecast
    short = replace(seen, paths=seen.paths[:, :, :14], quantiles=seen.quantiles[:, :14])
    assert problem_of(replace(waits, forecast=short)).horizon == 14


def test_spot_is_lost_a_zone_at_a_time_at_each_zones_own_rate_and_more_zones_lose_less_at_once() -> None:
    raw = copy.deepcopy(builtin().model_dump(mode="json"))

    def cold(zones: list[str], **rates: float) -> Option:
        raw["types"]["c5.large"]["interruption_per_month"] = {"*": 0.05, **rates}
        snapshot = make_snapshot(20.0, running=1)
        group = snapshot.fleet.tiers.cold
        assert group.launch is not None
        group = group.model_copy(update={"launch": group.launch.model_copy(update={"zones": tuple(zones)})})
        tiers = snapshot.fleet.tiers.model_copy(update={"cold": group})
        made = replace(
            snapshot, fleet=snapshot.fleet.model_copy(update={"tiers": tiers}), catalogue=parse_catalogue(raw, "p")
        )
        return next(o for o in problem_of(made).options if o.tier is Tier.COLD)

    one, two = cold(["a"]), cold(["a", "b"])
    assert one.interrupted_share == 2 * two.interrupted_share
    assert two.interruption == pytest.approx(2 * one.interruption)
    assert cold(["a", "b"], b=0.5).interruption > two.interruption
    certain = cold(["a", "b", "c"], a=1.0, b=1.0, c=1.0)
    assert certain.interruption == certain.supply(3, window=2).interruption == 1.0


def test_a_first_run_of_a_stack_shrinks_nothing_that_runs() -> None:
    snapshot = make_snapshot(20.0, running=30)
    assert warm(replace(snapshot, first_run=True))[0] == 30
    assert warm(snapshot)[0] < 30


def test_what_is_too_much_shrinks_and_a_declared_guard_holds_it() -> None:
    free, notes = warm(make_snapshot(20.0, running=30, churn_share=1))
    assert free < 15
    assert not any("[" in n for n in notes)
    half, notes = warm(make_snapshot(20.0, running=30))
    assert half == 15
    assert any("[churn window]" in n for n in notes)
    held, notes = warm(make_snapshot(20.0, running=30, step_limit=3))
    assert held == 27
    assert any("[step limit]" in n for n in notes)


def test_a_cooldown_knows_what_was_applied() -> None:
    past = (PastChange(at=NOW - timedelta(minutes=5), tier=Tier.WARM, added=2),)
    held, notes = warm(make_snapshot(20.0, running=30, past=past, cooldown_down="15m"))
    assert held == 30
    assert any("[cooldown]" in n for n in notes)


def test_a_class_keeps_to_its_declared_part_of_the_cost_and_the_plan_says_what_that_breaks() -> None:
    snapshot = make_snapshot(200.0, running=0)
    tight = snapshot.fleet.model_copy(
        update={"qos": {"gold": snapshot.fleet.qos["gold"].model_copy(update={"usd_per_hour": 0.1})}}
    )
    plan = decide(replace(snapshot, fleet=tight)).plan
    assert plan.usd_per_hour_after - plan.usd_per_hour_before <= 0.1 + 0.06  # boots' volumes beside the instances
    assert any("because of its ceiling of 0.1 USD/h" in n for n in plan.reasons)


def test_no_spot_is_answered_at_the_on_demand_price() -> None:
    base, without = what_if(problem_of(make_snapshot(200.0, running=0)), ["no-spot"])
    assert without.usd_per_hour > base.usd_per_hour
    assert sum(n for _, n in without.counts) > 0


def test_one_extreme_path_of_a_thousand_weighs_as_one_of_a_thousand() -> None:
    # A few paths picked to stand for all, the largest among them, would weigh it twenty times as much.
    snapshot = make_snapshot(400.0, 0)
    rng = np.random.default_rng(2)
    calm = 400.0 * 3600 * np.exp(rng.normal(0, 0.1, (1000, 1, 12)))
    wild = calm.copy()
    wild[-1] *= 3
    counts = []
    for paths in (calm, wild):
        quantiles = np.quantile(calm, LEVELS, axis=0).transpose(1, 2, 0)
        problem = problem_of(replace(snapshot, forecast=replace(snapshot.forecast, paths=paths, quantiles=quantiles)))
        counts.append(sum(count.after for count in size(problem).counts))
    assert counts[1] <= 1.2 * counts[0]


def test_the_fleet_file_says_how_much_a_change_must_save() -> None:
    def planned(running: int, **guards: Any) -> int:
        snapshot = make_snapshot(100, running, **guards)
        promise = snapshot.fleet.qos["gold"].model_copy(update={"tiers": (Tier.WARM,)})
        return warm(replace(snapshot, fleet=snapshot.fleet.model_copy(update={"qos": {"gold": promise}})))[0]

    wanted = planned(0, hysteresis=0.0)
    assert wanted > 2
    assert planned(wanted + 1, hysteresis=0.0) == wanted
    assert planned(wanted + 1, hysteresis=0.9) == wanted + 1
    assert planned(wanted - 2, hysteresis=0.9) >= wanted, "a promise that needs more is never held back"
    assert problem_of(make_snapshot(100, running=0)).hysteresis == 0.02, "what was built in before is the default"


def owned(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The snapshot with another owner of the warm tier's size."""
    tiers = snapshot.fleet.tiers
    section = tiers.warm.model_copy(update=changes)
    return replace(
        snapshot, fleet=snapshot.fleet.model_copy(update={"tiers": tiers.model_copy(update={"warm": section})})
    )


@pytest.mark.parametrize("tracking", [None, TargetTracking(disable_scale_in=True)])
def test_a_group_that_nothing_lowers_shows_no_saving_and_the_plan_says_what_would_lower_it(
    tracking: TargetTracking | None,
) -> None:
    lowered = decide(make_snapshot(20.0, running=30)).plan
    plan = decide(owned(make_snapshot(20.0, running=30), target_tracking=tracking)).plan
    line, other = (next(t for t in p.tiers if t.tier == "warm") for p in (plan, lowered))
    group = plan.config["tiercast:warm"]["groups"][0]
    assert other.after < 30
    assert group["size"]["min"] == other.after
    # AWS moves a desired size that is above the new maximum down to it.
    assert line.after == line.kinds["m5.large"] == group["size"]["max"]
    assert line.usd_after > other.usd_after
    assert any(
        f"warm/m5.large: nothing lowers its desired size from {line.after} to {other.after}" in note
        and "set tiers.warm.target_tracking" in note
        and "ownership: exact" in note
        for note in plan.reasons
    )
    assert not any("nothing lowers" in note for note in lowered.reasons)


def test_a_group_whose_size_is_set_exactly_or_that_grows_is_not_said_to_stay() -> None:
    exact = decide(owned(make_snapshot(20.0, running=30), target_tracking=None, ownership=Ownership.EXACT)).plan
    grown = decide(owned(make_snapshot(200.0, running=1), target_tracking=None)).plan
    assert not any("nothing lowers" in note for note in (*exact.reasons, *grown.reasons))
    assert next(t.after for t in exact.tiers if t.tier == "warm") < 30


@pytest.mark.parametrize("name", ["reconciler/templates/fleet.yaml", "lab/fleet.yaml"])
def test_the_fleet_files_that_are_written_let_every_group_shrink(name: str) -> None:
    text = (Path(__file__).resolve().parents[3] / name).read_text(encoding="utf-8")
    tiers = parse_fleet(YAML(typ="safe").load(text), name).tiers
    assert all(section.target_tracking for section in (tiers.warm, tiers.cold))
