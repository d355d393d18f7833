"""The loop's own memory: what one run leaves, the next one acts on. Histories are real files; the engine is a fake."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from forecaster.demand import LEVELS, DemandForecast
from forecaster.errors import HistoryError
from forecaster.history.history import History
from reconciler.adapters import ledger
from reconciler.adapters.history.measured_latency import latency_now
from reconciler.adapters.history.source import read_demand
from reconciler.adapters.project import Project
from reconciler.demand import outlook
from reconciler.demand.grouping import group
from reconciler.demand.trained import Forecasted, Trained
from reconciler.errors import InputError, SourceSilent
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.loop import Mode, RunOptions, make_plan, reconcile_once
from reconciler.loop.gather import take_snapshot
from reconciler.observe.preview import StateResource
from reconciler.plan.decide import decide
from reconciler.plan.file import PlanFile
from reconciler.plan.problem import problem_of
from reconciler.record.entries import Decided
from reconciler.trust import feedback

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEKS = 3 * 168

FLEET = """
step: 1h
validity: 1h
history: {paths: [h.csv], kind: series}
qos:
  gold: {latency: 250ms, percentile: 0.95, tiers: [warm]}
applications:
  - {match: "*", qos: gold, service_time: 50ms}
guards: {cooldown_down: 0s, churn_share: 1}
tiers:
  warm:
    instance_types: [m5.large]
    launch: {image_id: ami, zones: [us-east-1a]}
    ready_pool: null
config: {aws:region: us-east-1}
"""


def write_history(folder: Path, length: int, latency: float | None = None) -> datetime:
    """Hourly rows; returns when the last step ended. `latency` is that of the last step, the others are at 100 ms."""
    rows = ["timestamp,user_id,application_id,requests" + ("" if latency is None else ",latency_ms")]
    noise = np.random.default_rng(5).normal(0, 2000, 3000)
    for k in range(length):
        value = 72000 + 20000 * np.sin(k * 2 * np.pi / 24) + noise[k]
        ms = "" if latency is None else f",{latency if k == length - 1 else 100}"
        rows.append(f"{(START + k * HOUR).isoformat()},u,shop,{value:.0f}{ms}")
    (folder / "h.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return START + length * HOUR


class Model:
    """Stands in for the forecaster, which has its own tests: the last day again, times `factor`."""

    factor = 1.0

    def __call__(self, fleet: Fleet, history: History, trained: Trained, *, seed: int) -> Forecasted:
        grouping = group(history, fleet)
        names = grouping.names
        row = history.grouped(grouping.codes, len(names))[:, -24:]
        noise = np.random.default_rng(history.length + seed).normal(0, 3000, (100, len(names), 24))
        paths = np.maximum(self.factor * (row[None] + noise), 0.0)
        made = DemandForecast(
            cutoff=history.cutoff,
            step=history.step,
            applications=tuple(names),
            levels=LEVELS,
            quantiles=np.quantile(paths, LEVELS, axis=0).transpose(1, 2, 0),
            paths=paths,
            models=("plbm",) * len(names),
            reasons=("",) * len(names),
            calibrated=(True,) * len(names),
        )
        return Forecasted(forecast=made, grouping=grouping, forecast_note="")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    made = Model()
    monkeypatch.setattr(outlook, "forecast_of", made)
    return made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose stack runs 30 warm instances, and which was run before, for long enough to shrink."""
    monkeypatch.setattr(feedback, "ENOUGH_SCORED", 0)
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    group = StateResource(
        urn="urn:pulumi:dev::p::aws:autoscaling/group:Group::warm-m5-large",
        type="aws:autoscaling/group:Group",
        id="warm-m5-large",
        inputs={},
        outputs={"desiredCapacity": 30},
    )
    engine = SimpleNamespace(ensure_stack=lambda: None, state=lambda: [group])
    monkeypatch.setattr(Project, "engine", lambda self: engine)
    made = Project(root=tmp_path, name="p", stack="dev", config_dir=tmp_path, fleet_path=tmp_path / "fleet.yaml")
    ledger.append(made.ledger_file, Decided(at=START, event="shadow"))
    return made


def plan(project: Project, length: int, *, as_of: datetime | None = None) -> PlanFile:
    end = write_history(project.root, length)
    return make_plan(project, as_of=as_of, now=end)


def warm(made: PlanFile) -> int:
    return next(t.after for t in made.tiers if t.tier == "warm")


def test_the_first_run_on_what_runs_already_shrinks_nothing_and_the_next_one_does(
    project: Project, model: Model
) -> None:
    project.ledger_file.unlink()
    first = plan(project, WEEKS)
    assert warm(first) == 30
    assert not first.demoted
    assert "a first run" in next(t.reason for t in first.tiers if t.tier == "warm")
    assert warm(plan(project, WEEKS + 1)) < 30


def test_a_failing_model_is_demoted_over_runs_and_nothing_shrinks(project: Project, model: Model) -> None:
    first = plan(project, WEEKS)
    assert not first.demoted
    assert warm(first) < 30
    model.factor = 0.3
    for length in range(WEEKS + 6, WEEKS + 36, 6):
        last = plan(project, length)
    assert last.demoted
    assert warm(last) == 30
    assert last.models == {"shop": "seasonal naive"}
    assert any("demoted to seasonal naive" in reason for reason in last.reasons)
    model.factor = 1.0
    for length in range(WEEKS + 36, WEEKS + 200, 12):
        last = plan(project, length)
    assert not last.demoted
    assert warm(last) < 30


def test_equal_runs_write_equal_bytes(project: Project, model: Model) -> None:
    plan(project, WEEKS)
    plan(project, WEEKS + 3)
    kept = [p.read_bytes() for p in (project.memory_file, project.plan_file, project.stack_file)]
    plan(project, WEEKS + 3)
    assert [p.read_bytes() for p in (project.memory_file, project.plan_file, project.stack_file)] == kept


def test_a_replay_knows_nothing_later_and_keeps_the_memory(project: Project, model: Model) -> None:
    end = write_history(project.root, WEEKS)
    before = decide(take_snapshot(project, as_of=end, now=end)).plan
    model.factor = 0.3
    for length in range(WEEKS + 6, WEEKS + 36, 6):
        plan(project, length)
    kept = project.memory_file.read_bytes()
    model.factor = 1.0
    with pytest.raises(InputError, match=r"holds a live plan.*--force-replay"):
        make_plan(project, as_of=end, now=end)
    replayed = make_plan(project, as_of=end, now=end, force_replay=True)
    assert replayed.replay
    assert replayed.config["tiercast:plan"]["replay"] is True
    assert not replayed.demoted
    assert project.memory_file.read_bytes() == kept
    assert [t.after for t in replayed.tiers] == [t.after for t in before.tiers]
    assert replayed.cutoff == before.cutoff


def test_a_memory_cut_short_is_said_and_written_anew(project: Project, model: Model) -> None:
    plan(project, WEEKS)
    whole = project.memory_file.read_text()
    project.memory_file.write_text(whole[:100])
    again = plan(project, WEEKS)
    assert any("start again" in reason for reason in again.reasons)
    assert project.memory_file.read_text() == whole
    assert not any("start again" in reason for reason in plan(project, WEEKS).reasons)


def test_looking_writes_nothing_and_a_shadow_run_scores(project: Project, model: Model) -> None:
    end = write_history(project.root, WEEKS)
    take_snapshot(project, as_of=None, now=end)
    assert not project.memory_file.exists()
    reconcile_once(project, RunOptions(mode=Mode.SHADOW, now=end), progress=lambda line: None)
    assert json.loads(project.memory_file.read_text())["cutoff"] == (end - HOUR).isoformat()
    assert not project.plan_file.exists()


def test_a_source_that_is_gone_keeps_what_runs(project: Project, model: Model) -> None:
    end = write_history(project.root, WEEKS)
    (project.root / "h.csv").unlink()
    with pytest.raises(SourceSilent, match="no such file"):
        make_plan(project, as_of=None, now=end)
    plan(project, WEEKS)
    kept = project.memory_file.read_bytes()
    (project.root / "h.csv").unlink()
    made = make_plan(project, as_of=None, now=end + HOUR)
    assert made.demoted
    assert warm(made) == 30
    assert any("does not answer" in reason for reason in made.reasons)
    assert project.memory_file.read_bytes() == kept
    with pytest.raises(SourceSilent, match="no such file"):
        make_plan(project, as_of=end - 5 * HOUR, now=end)


def test_a_history_with_a_mistake_is_still_the_users_to_mend(project: Project, model: Model) -> None:
    plan(project, WEEKS)
    (project.root / "h.csv").write_text("time,who\n1,2\n", encoding="utf-8")
    with pytest.raises(HistoryError, match="has no column"):
        make_plan(project, as_of=None, now=START + WEEKS * HOUR)


def test_a_latency_over_target_raises_the_floor_and_is_said(project: Project, model: Model) -> None:
    end = write_history(project.root, WEEKS, latency=100.0)
    calm = take_snapshot(project, as_of=None, now=end)
    assert calm.latency_now_ms == {"gold": 100.0}
    assert problem_of(calm).load_now == calm.load_now
    assert not any("[latency]" in reason for reason in decide(calm).plan.reasons)
    write_history(project.root, WEEKS, latency=900.0)
    late = take_snapshot(project, as_of=None, now=end)
    assert problem_of(late).load_now["gold"] > late.load_now["gold"]
    made = decide(late).plan
    (note,) = (reason for reason in made.reasons if "[latency]" in reason)
    assert "the measured latency of 900 ms at p95 is over the target of 250 ms" in note
    assert warm(made) > warm(decide(calm).plan)
    before = take_snapshot(project, as_of=end - HOUR, now=end)
    assert before.latency_now_ms == {"gold": 100.0}


@pytest.fixture
def events(tmp_path: Path) -> Callable[..., dict[str, float]]:
    """Measured latency of a log of events, by an event's minute and latency."""

    def measured(rows: list[tuple[int, float | str]]) -> dict[str, float]:
        lines = ["timestamp,user_id,application_id,latency_ms"]
        lines += [f"{(START + timedelta(minutes=m)).isoformat()},u,shop,{ms}" for m, ms in rows]
        (tmp_path / "h.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        raw = {
            "step": "1h",
            "history": {"paths": ["h.csv"], "kind": "events"},
            "qos": {"gold": {"latency": "250ms", "percentile": 0.9}, "rest": {"latency": "1s"}},
            "applications": [{"match": "*", "qos": "gold"}],
            "tiers": {"warm": {"instance_types": ["m"], "launch": {"image_id": "a", "zones": ["z"]}}},
        }
        fleet = parse_fleet(raw, "fleet.yaml")
        return latency_now(fleet, read_demand(fleet, base=tmp_path, as_of=None), base=tmp_path)

    return measured


def test_the_last_step_alone_counts_at_the_class_percentile(events: Callable[..., dict[str, float]]) -> None:
    old = [(m, 9000.0) for m in range(60)]
    new = [(60 + m, 10.0 * (m + 1)) for m in range(20)]
    assert events([*old, *new, (119, 200.0)])["gold"] == pytest.approx(190.0, abs=11.0)


def test_too_few_or_unreadable_latencies_are_none(events: Callable[..., dict[str, float]]) -> None:
    assert events([(m, 9000.0) for m in range(9)]) == {}
    assert events([(m, "" if m % 2 else -1) for m in range(40)]) == {}
