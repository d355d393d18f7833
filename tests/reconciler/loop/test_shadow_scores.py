"""Shadow runs are scored against what ran, once the demand of their windows is in the history."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.adapters.runs import read_run
from reconciler.backtest.shadow import ShadowWindow, due, scored
from reconciler.cli import options, root
from reconciler.loop import Mode, RunOptions, reconcile_once
from reconciler.loop.gather import take_snapshot
from reconciler.plan.kept_inputs import snapshot_of
from reconciler.record.entries import Decided, Scored
from tests.reconciler.loop.test_loop_feedback import HOUR, WEEKS, Model, write_history
from tests.reconciler.loop.test_loop_feedback import model as model
from tests.reconciler.loop.test_loop_feedback import project as project


def shadow(project: Project, length: int, *, late: timedelta = timedelta(0)) -> datetime:
    now = write_history(project.root, length) + late
    reconcile_once(project, RunOptions(mode=Mode.SHADOW, now=now), progress=print)
    return now


def scores(project: Project) -> list[Scored]:
    return [e for e in ledger.read(project.ledger_file).entries if isinstance(e, Scored)]


def decisions(project: Project) -> list[Decided]:
    return [e for e in ledger.read(project.ledger_file).entries if isinstance(e, Decided) and e.plan]


def test_a_plan_is_scored_when_the_demand_of_its_window_has_arrived(project: Project, model: Model) -> None:
    start = shadow(project, WEEKS)
    assert scores(project) == []
    shadow(project, WEEKS + 1)
    (found,) = scores(project)
    first = decisions(project)[0]
    planned = first.tiers["warm"].after
    assert planned < 30
    assert (found.plan, found.start, found.end) == (first.plan, start, start + HOUR)
    assert (found.steps, found.known_steps) == (1, 1)
    assert first.usd_per_hour is not None
    ran, would_run = first.usd_per_hour
    assert found.usd == (pytest.approx(would_run), pytest.approx(ran)), "USD of one hour"
    gold = found.classes["gold"]
    assert gold.requests == pytest.approx(72000, rel=0.5)
    assert gold.late_actual == 0
    assert gold.late_shadow <= gold.requests * gold.promised_share
    shadow(project, WEEKS + 2)
    assert [s.plan for s in scores(project)] == [d.plan for d in decisions(project)[:2]]


def test_of_several_runs_within_a_step_the_last_one_is_scored(project: Project, model: Model) -> None:
    for minutes in (0, 20, 40):
        shadow(project, WEEKS, late=timedelta(minutes=minutes))
    shadow(project, WEEKS + 1)
    (found,) = scores(project)
    assert found.plan == decisions(project)[2].plan


def test_a_plan_counts_until_its_validity_ends_and_what_ran_is_what_was_observed(
    project: Project, model: Model
) -> None:
    text = project.fleet_path.read_text().replace("validity: 1h", "validity: 3h")
    project.fleet_path.write_text(text)
    start = shadow(project, WEEKS)
    shadow(project, WEEKS + 5)
    (found,) = scores(project)
    assert (found.start, found.end, found.steps) == (start, start + 3 * HOUR, 3)


def test_a_replay_is_not_scored_and_scores_nothing(project: Project, model: Model) -> None:
    start = shadow(project, WEEKS)
    now = write_history(project.root, WEEKS + 3)
    reconcile_once(project, RunOptions(mode=Mode.SHADOW, now=now, as_of=start + 2 * HOUR), progress=print)
    assert scores(project) == []
    shadow(project, WEEKS + 4)
    assert [s.plan for s in scores(project)] == [decisions(project)[0].plan]


def test_inputs_that_are_gone_leave_their_plan_without_a_score(project: Project, model: Model) -> None:
    shadow(project, WEEKS)
    for file in project.runs.glob("*.zip"):
        file.unlink()
    shadow(project, WEEKS + 1)
    assert scores(project) == []


@pytest.fixture
def window(project: Project, model: Model) -> tuple[Project, ShadowWindow]:
    shadow(project, WEEKS)
    now = write_history(project.root, WEEKS + 1)
    snapshot = take_snapshot(project, as_of=None, now=now)
    assert snapshot.actuals is not None
    (found,) = due(ledger.read(project.ledger_file).entries, snapshot.fleet, snapshot.actuals)
    return project, found


def late(window: tuple[Project, ShadowWindow], **changes: object) -> tuple[float, float]:
    """Shares of late requests with the shadow plan and with what ran, where the window is changed."""
    project, found = window
    snapshot = take_snapshot(project, as_of=None, now=found.end)
    assert snapshot.actuals is not None
    inputs, file = read_run(project.runs, found.plan)
    then, plan = snapshot_of(inputs, location=str(file))
    entry = scored(replace(found, **changes), then, plan, snapshot.actuals, at=found.end)  # type: ignore[arg-type]
    gold = entry.classes["gold"]
    return gold.late_shadow / gold.requests, gold.late_actual / gold.requests


def test_sizes_that_serve_nothing_make_every_request_late(window: tuple[Project, ShadowWindow]) -> None:
    assert late(window, planned={"warm/m5.large": 0}) == (pytest.approx(1.0), 0.0)
    assert late(window, ran=({"warm/m5.large": 0},)) == (pytest.approx(0.0, abs=0.01), pytest.approx(1.0))


def test_an_instance_that_is_added_serves_after_its_boot(window: tuple[Project, ShadowWindow]) -> None:
    _, found = window
    grown = {"planned": {"warm/m5.large": 30}, "observed": {"warm/m5.large": 0}}
    at_once, _ = late(window, **grown)
    half, _ = late(window, **grown, decided_at=found.start + timedelta(minutes=30))
    never, _ = late(window, **grown, decided_at=found.end)
    assert 0 < at_once < 0.1, "the boot takes minutes of an hour"
    assert half == pytest.approx(0.5 + at_once, abs=0.01)
    assert never == pytest.approx(1.0)


def test_the_report_says_what_is_missing_for_a_promotion_and_when_it_is_justified(
    project: Project, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    monkeypatch.setattr("reconciler.cli.options.open_project", lambda stack, fleet: project)
    empty = CliRunner().invoke(root, ["shadow-report"], standalone_mode=False)
    assert "the scored windows cover 0.0 hours, and 168 are needed" in empty.output
    for length in range(WEEKS, WEEKS + 4):
        now = shadow(project, length)
    monkeypatch.setattr(options, "now", lambda: now)
    words = ["shadow-report", "--days"]
    early = CliRunner().invoke(root, [*words, "7"], standalone_mode=False, env={"COLUMNS": "200"})
    assert "Promotion is not justified: the scored windows cover 3.0 hours, and 168 are needed." in early.output
    told = CliRunner().invoke(root, [*words, "0.1"], standalone_mode=False, env={"COLUMNS": "200"})
    assert "Promotion is justified" in told.output
    report = json.loads(CliRunner().invoke(root, [*words, "0.1", "--json"], standalone_mode=False).output)
    assert (report["windows"], report["hours"], report["justified"]) == (3, 3.0, True)
    assert report["usd_shadow"] < report["usd_actual"]
    listed = CliRunner().invoke(root, ["history"], standalone_mode=False, env={"COLUMNS": "300"}).output
    assert listed.count("late requests: gold") == 3
