"""`tiercast backtest --fleet`: every plan decided again from what was known, boots and interruptions, measures and the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reconciler.backtest.foresight import foresight
from reconciler.backtest.gate import Stored, parse_stored, worse
from reconciler.backtest.measures import elasticity, measured, obtained_shares
from reconciler.backtest.realised import longest_run, served
from reconciler.backtest.replay import FleetReplay, ReplayPeriod, replay
from reconciler.backtest.stock import Stock, taken
from reconciler.cli import main
from reconciler.demand.actuals import Actuals
from reconciler.demand.grouping import Grouping
from reconciler.demand.outlook import Outlook
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.prices.catalogue import builtin
from reconciler.sizing import size
from reconciler.sizing.boot_time import BootTime
from stacks.contract import Tier
from tests.reconciler.plan.test_planning import make_snapshot
from tests.reconciler.sizing.sizing_cases import lognormal_paths, option, problem

START = datetime(2024, 1, 8, tzinfo=UTC)
FLEET = """
step: 1h
horizon: 3h
validity: 1h
history: {paths: [h.csv], series: 1}
qos:
  gold: {latency: 600ms, percentile: 0.95, violating_share: 0.01, tiers: [warm, cold]}
applications: [{match: "*", qos: gold, service_time: 100ms}]
tiers:
  warm:
    instance_types: [c6i.large]
    ready_pool: null
    launch: {image_id: ami, zones: [a, b]}
    max: 3
  cold:
    instance_types: [m6i.large]
    launch: {image_id: ami, zones: [a, b]}
guards: {cooldown_down: 0s}
"""


def frame(days: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    at = pd.date_range("2024-01-01", periods=24 * days, freq="h", tz="UTC")
    load = 900_000 * (1.3 + np.sin(2 * np.pi * np.arange(len(at)) / 24)) * np.exp(0.1 * rng.standard_normal(len(at)))
    made = pd.DataFrame({"timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "user_id": "u", "application_id": "shop"})
    return made.assign(requests=np.round(load))


def run(folder: Path, rows: pd.DataFrame, steps: int, *more: str) -> int:
    """The command on a history over the first steps of the stretch; its files lie in the folder."""
    folder.mkdir(exist_ok=True)
    rows.to_csv(folder / "h.csv", index=False)
    (folder / "fleet.yaml").write_text(FLEET)
    until = (START + timedelta(hours=steps)).isoformat()
    arguments = f"backtest --history {folder}/h.csv --fleet {folder}/fleet.yaml --from {START.isoformat()} --to {until}"
    written = f"--allocations {folder}/A.csv --forecasts {folder}/F.csv --json {folder}/S.json"
    with pytest.raises(SystemExit) as stop:
        main([*arguments.split(), *written.split(), *more])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    assert run(folder, frame(), 5, "--plot", str(folder / "P.html")) == 0
    return folder


def test_the_files_are_the_fixed_ones(base: Path) -> None:
    a = pd.read_csv(base / "A.csv")
    assert list(a.columns) == ["timestamp", "tier", "instance_type", "count"]
    assert a.timestamp.nunique() == 5
    assert a.timestamp[0] == "2024-01-08T00:00:00Z"
    assert set(a.tier) == {"warm", "cold"}
    assert a["count"].sum() > 0
    f = pd.read_csv(base / "F.csv")
    assert list(f.columns) == ["timestamp", "application_id", "cutoff", "quantile", "value"]
    # Decided in the step before the window, from the steps that had ended by then.
    ahead = pd.to_datetime(f.timestamp) - pd.to_datetime(f.cutoff)
    assert ahead.min() == pd.Timedelta("2h")
    assert f["quantile"].nunique() == 22
    found = json.loads((base / "S.json").read_text())
    assert found["steps"] == found["known_steps"] == 5
    assert found["usd"] > 0
    assert found["usd_with_churn"] >= found["usd"]
    assert found["classes"][0]["promised_share"] == 0.01
    assert found["version"] == 2
    page = (base / "P.html").read_text()
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page


@pytest.mark.parametrize("known", [-2, -1, 0, 1, 2])
def test_nothing_that_was_decided_moves_when_later_rows_do(base: Path, tmp_path: Path, known: int) -> None:
    """Rows after T scaled, blanked or removed: same counts to T + 2 steps, same forecasts with a cutoff to T."""
    last = START + timedelta(hours=known)
    rows = frame()
    later = pd.to_datetime(rows.timestamp) > last
    changes = {
        "scaled": rows.assign(requests=rows.requests.where(~later, rows.requests * 7)),
        "blanked": rows.assign(requests=rows.requests.where(~later)),
        "removed": rows[~later],
    }
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    steps = known + 3
    for name, changed in changes.items():
        assert run(tmp_path / name, changed, steps) == 0
        both = [pd.read_csv(folder / "A.csv") for folder in (base, tmp_path / name)]
        until = (last + timedelta(hours=2)).strftime(stamp)
        before, after = (one[one.timestamp <= until].reset_index(drop=True) for one in both)
        assert len(before) == 2 * steps
        pd.testing.assert_frame_equal(before, after)
        both = [pd.read_csv(folder / "F.csv") for folder in (base, tmp_path / name)]
        end = (START + timedelta(hours=steps)).strftime(stamp)
        chosen = [f[(f.cutoff <= last.strftime(stamp)) & (f.timestamp < end)] for f in both]
        assert len(chosen[0]) >= 22
        pd.testing.assert_frame_equal(*(f.reset_index(drop=True) for f in chosen))


def test_the_gate_passes_what_is_stored_and_refuses_what_is_worse(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads((base / "S.json").read_text())
    better = {**found, "regret": found["regret"] - 1}
    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps(better))
    assert run(tmp_path / "again", frame(), 1, "--gate", str(stored)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: worse than the stored result: regret is")
    assert said.count("\n") == 1
    assert (tmp_path / "again" / "A.csv").exists()
    with pytest.raises(InputError, match="no summary"):
        parse_stored({"rows": []}, "S.json")
    with pytest.raises(InputError, match="regret"):
        parse_stored({**found, "regret": float("nan")}, "S.json")


def test_a_stored_summary_of_version_1_is_lifted_and_a_newer_one_refused(base: Path) -> None:
    found = json.loads((base / "S.json").read_text())
    old = {key: value for key, value in found.items() if key != "version"}
    old["classes"] = [{"name": c["name"], "asked": 0.01, "obtained": c["obtained_share"]} for c in found["classes"]]
    old["tolerance"] = {"regret": 0.02, "violating_share": 0.004}
    lifted = parse_stored(old, "S.json")
    assert lifted.classes == parse_stored(found, "S.json").classes
    assert lifted.tolerance.obtained_share == 0.004
    with pytest.raises(InputError, match=r"S\.json: a backtest summary of version 3; expected version 2 or older"):
        parse_stored({**found, "version": 3}, "S.json")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--allocations A.csv", "give either"),
        ("--allocations A.csv --fleet f.yaml", "needs --to"),
        ("--allocations A.csv --pool --unit 3 --ask 1% --to 2024-01-09T00:00:00Z", "need --fleet"),
        ("--allocations A.csv --pool", "--pool needs --unit"),
    ],
)
def test_a_wrong_mix_of_options_is_one_sentence(options: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["backtest", "--history", "h.csv", "--from", START.isoformat(), *options.split()])
    assert stop.value.code == 64
    assert said in capsys.readouterr().err


def stock_of(p95: float, *, mean: float | None = None, ready: int = 0) -> Stock:
    """Instances that boot for `p95` seconds, for certain where no mean is given, in steps of five minutes."""
    boot = BootTime(p95_s=p95, mean_s=p95 if mean is None else mean)
    return Stock(boot=boot, step_seconds=300, luck=np.random.default_rng(1), ready=ready)


def test_an_instance_is_ready_only_after_its_boot_and_billed_from_launch() -> None:
    stock = stock_of(600)
    assert stock.order(0, 3) == 3
    stock.begin(1)
    assert (stock.ready, stock.desired) == (0, 3)
    stock.begin(2)
    assert stock.ready == 3
    assert stock.boot_steps() == 6.0
    assert stock.boot_steps() == 0.0


def test_what_boots_is_called_off_before_what_serves_is_removed() -> None:
    stock = stock_of(30, ready=4)
    stock.order(0, 6)
    stock.order(0, 3)
    assert (stock.ready, stock.booting) == (3, [])


def test_a_lost_instance_is_replaced_after_its_boot_and_stays_desired() -> None:
    stock = stock_of(180, ready=5)
    assert stock.interrupt(7, 2) == 2
    assert (stock.ready, stock.desired) == (3, 5)
    stock.begin(8)
    assert stock.ready == 5


def test_one_start_in_twenty_is_late_and_billed_while_it_is() -> None:
    stock = stock_of(180, mean=90)
    stock.order(0, 2_000)
    stock.begin(1)
    late = [due - 1 for due in stock.booting]
    assert stock.ready + len(late) == stock.desired == 2_000
    assert 60 < len(late) < 140
    assert stock.coming(1) == tuple(each for each in late if each < 1)
    assert stock.boot_steps() == pytest.approx(2_000 * 180 / 300 + sum(late))
    stock.begin(2)
    assert stock.ready == 2_000 - sum(each > 1 for each in late)


def test_what_comes_late_serves_the_rest_of_the_step() -> None:
    asked = problem({"gold": 20.0}, [option(Tier.WARM)])
    none, one, half = (
        served(asked, {"warm/m": ready}, {"gold": 20.0}, {"warm/m": coming}).unserved["gold"]
        for ready, coming in ((0, ()), (1, ()), (0, (0.25,)))
    )
    assert half == pytest.approx(0.25 * none + 0.75 * one)
    assert none > half > one


def test_a_shock_takes_the_options_share_and_spares_what_does_not_vanish() -> None:
    spot = option(Tier.COLD, zone="a", interruption=0.1, interrupted_share=0.5)
    assert taken(spot, 5, True, 0.4) == 3
    assert taken(spot, 5, True, 0.6) == 2
    assert taken(spot, 5, False, 0.0) == 0
    assert taken(option(Tier.WARM), 5, True, 0.0) == 0


def walked(
    rate: float, asked: float, steps: int = 4, fleet: Fleet | None = None, **changes: Any
) -> tuple[Fleet, FleetReplay]:
    """A replay on a fixed forecast around `rate` requests/s, with `asked` requests/s coming."""
    snapshot = make_snapshot(rate, running=0)
    raw = fleet or snapshot.fleet.model_copy(update=changes)
    scale = raw.step / snapshot.fleet.step
    forecast = replace(
        snapshot.forecast,
        step=raw.step,
        quantiles=snapshot.forecast.quantiles * scale,
        paths=snapshot.forecast.paths * scale,
    )
    grouping = Grouping(names=("shop",), qos=("gold",), codes=np.array([0]), rules=({raw.applications[0]: 1.0},))

    def known(at: datetime) -> Outlook:
        return Outlook(
            forecast=replace(forecast, cutoff=at - raw.step),
            grouping=grouping,
            load_now={"gold": rate},
            notes=(),
            demoted=False,
        )

    demand = Actuals(names=("gold",), rates=np.full((steps, 1), asked), start=START)
    return raw, replay(ReplayPeriod(fleet=raw, catalogue=builtin(), start=START, steps=steps), known, demand)


def test_own_metal_that_boots_for_two_steps_is_there_from_the_first_step_and_stays() -> None:
    fleet = parse_fleet(
        {
            "step": "5m",
            "validity": "5m",
            "history": {"paths": ["h.csv"]},
            "qos": {"gold": {"latency": "600ms", "percentile": 0.95, "tiers": ["hot"]}},
            "applications": [{"match": "*", "qos": "gold"}],
            "guards": {"cooldown_down": "0s"},
            "tiers": {
                "hot": {
                    "hypervisors": [{"name": "h1", "uri": "test:///h1", "cores": 32, "memory_mib": 65536}],
                    "flavours": [{"name": "standard", "vcpu": 2, "memory_mib": 2048}],
                    "boot_time": "10m",
                }
            },
        },
        "fleet.yaml",
    )
    _, made = walked(40.0, 40.0, steps=3, fleet=fleet)
    counts = [s.ready["hot/standard"] for s in made.steps]
    assert counts[0] > 0
    assert len(set(counts)) == 1
    assert obtained_shares(made, ("gold",)) == {"gold": 0.0}
    assert all(n == 0 for s in made.steps for n in s.moved.values())


def test_a_demand_that_was_foreseen_is_served_and_one_that_was_not_violates() -> None:
    fleet, fine = walked(100.0, 100.0)
    assert obtained_shares(fine, ("gold",)) == {"gold": 0.0}
    fleet, short = walked(100.0, 300.0)
    share = obtained_shares(short, ("gold",))["gold"]
    assert 0.3 < share < 0.7
    found = measured(short, foresight(short, {"gold": 0.01}), fleet)
    assert found.violating_steps == found.longest_violating_run == 4
    assert found.regret < 0  # it spent less than what serving all would have cost
    assert found.theta_U > 0
    stored = Stored(regret=0.0, classes=({"name": "gold", "obtained_share": share - 0.01},))  # type: ignore[arg-type]
    assert "class gold: " in worse(found, stored)
    loose = Stored.model_validate({**stored.model_dump(), "tolerance": {"regret": 0, "obtained_share": 0.02}})
    assert worse(found, loose) == ""


def test_foresight_costs_no_more_than_the_plans_for_the_same_demand() -> None:
    fleet, fine = walked(100.0, 100.0)
    best = foresight(fine, {"gold": 0.05})
    assert 0 < sum(best.usd) <= sum(s.usd for s in fine.steps)
    assert measured(fine, best, fleet).regret >= 0


def test_the_same_seed_loses_the_same_and_an_unknown_step_counts_nothing() -> None:
    assert walked(50.0, 50.0)[1].steps == walked(50.0, 50.0)[1].steps
    fleet, blind = walked(50.0, float("nan"))
    found = measured(blind, foresight(blind, {"gold": 0.01}), fleet)
    assert (found.known_steps, found.violating_steps) == (0, 0)


def test_elasticity_is_in_per_cent_of_need_and_time() -> None:
    found = elasticity(np.array([2.0, 4.0, 4.0, 2.0]), np.array([2.0, 2.0, 4.0, 4.0]))
    assert found == {"theta_U": 12.5, "theta_O": 25.0, "tau_U": 25.0, "tau_O": 25.0, "instability": 100.0}
    assert longest_run([True, False, True, True]) == 2


def test_a_fleet_whose_plan_lasts_several_steps_is_decided_once_per_window() -> None:
    raw, made = walked(50.0, 50.0, steps=6, validity=timedelta(hours=3))
    assert ReplayPeriod(fleet=raw, catalogue=builtin(), start=START, steps=6).window == 3
    assert len(made.outlooks) == 2
    assert parse_fleet({**raw.model_dump(), "validity": "30m"}, "f").validity < raw.step


def test_what_a_ready_pool_serves_is_short_only_while_it_starts_and_is_billed_for_the_rest() -> None:
    pool = option(Tier.WARM, ready_share=0.5, ready_seconds=30, observed=4)
    asked = problem({"gold": 60.0}, [pool], tiers={"gold": (Tier.WARM,)})
    bare = problem({"gold": 60.0}, [replace(pool, ready_share=0.0)], tiers={"gold": (Tier.WARM,)})
    ready, rates = {"warm/m": 4}, {"gold": 180.0}
    without = served(bare, ready, rates)
    few = served(bare, {"warm/m": 6}, rates).unserved["gold"]
    found = served(asked, ready, rates)
    assert found.unserved["gold"] == pytest.approx(0.1 * without.unserved["gold"] + 0.9 * few)
    assert found.pooled == {"warm/m": pytest.approx(0.9 * 2)}
    assert without.pooled == {}
    assert served(asked, ready, {"gold": 20.0}).pooled == {}


def test_a_ready_pool_lets_the_look_ahead_hold_less_for_its_tail() -> None:
    def planned(share: float) -> float:
        kinds = [option(Tier.WARM, ready_share=share, ready_seconds=15, boot_seconds=600, maximum=60)]
        paths = lognormal_paths([60.0], horizon=8, spread=0.3)
        return float(np.sum(size(problem({"gold": 60.0}, kinds, horizon=8, paths=paths)).trajectory["warm/m"][3:]))

    assert planned(0.5) < planned(0.0)
