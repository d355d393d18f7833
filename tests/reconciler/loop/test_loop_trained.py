"""Plans with the model that `train` kept: read from the model store, never written, and named in the plan."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from forecaster.parallel import in_order
from reconciler.adapters.files import read_json
from reconciler.adapters.kept_forecaster import train
from reconciler.adapters.project import Project
from reconciler.loop import make_plan
from reconciler.loop.gather import take_snapshot
from reconciler.plan.file import PlanFile, parse_plan
from tests.reconciler.loop.test_loop_feedback import HOUR, WEEKS, project, write_history

__all__ = ["project"]


@pytest.fixture
def end(project: Project) -> datetime:
    """When the history ended that the kept model knows."""
    known = write_history(project.root, WEEKS)
    train(project.read_fleet(), base=project.root, models=project.models, as_of=None, run=in_order, seed=0)
    return known


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def planned(project: Project, end: datetime, as_of: datetime | None = None) -> tuple[PlanFile, bytes, bytes]:
    """The plan of a run without memory, with the bytes of the plan and the stack file."""
    project.memory_file.unlink(missing_ok=True)
    made = make_plan(project, as_of=as_of, now=end)
    return made, project.plan_file.read_bytes(), project.stack_file.read_bytes()


def test_a_plan_extends_the_kept_model_and_the_same_inputs_give_the_same_bytes(project: Project, end: datetime) -> None:
    kept = files(project.models)
    newer = write_history(project.root, WEEKS + 5)
    first, *bytes_of_first = planned(project, newer)
    assert first.forecast_note == "forecast by the model trained until 2026-01-26 00:00 UTC; 5 steps newer"
    assert first.notes[-1] == first.forecast_note
    second, *bytes_of_second = planned(project, newer)
    assert bytes_of_first == bytes_of_second
    assert files(project.models) == kept, "a plan leaves the kept model as it is"
    assert take_snapshot(project, as_of=None, now=newer).forecast_note == first.forecast_note
    stored = read_json(project.plan_file, "a plan")
    assert parse_plan(stored, "plan.json") == second
    assert parse_plan({**stored, "forecast_note": ""}, "plan.json").id == first.id, "the note is no part of the id"


def test_a_replay_of_an_earlier_time_plans_as_if_nothing_were_kept(project: Project, end: datetime) -> None:
    made, _, stack = planned(project, end, end - 3 * HOUR)
    assert "knows data until 2026-01-26 00:00 UTC, which is later than this run" in made.forecast_note
    project.models.rename(project.root / "elsewhere")
    anew, _, without = planned(project, end, end - 3 * HOUR)
    assert anew.forecast_note == "new forecast: no trained model, run `tiercast train`"
    assert stack == without


def test_a_kept_model_that_cannot_be_read_is_none_and_the_plan_says_so(project: Project, end: datetime) -> None:
    manifest = next(project.models.rglob("manifest.json"))
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 4}))
    made, *_ = planned(project, end)
    assert made.forecast_note == (
        "new forecast: model 000001 is of format 4, this version reads 5; run `tiercast train` to fit and keep a "
        "new one"
    )


def test_an_edited_rule_makes_the_forecast_anew(project: Project, end: datetime) -> None:
    text = project.fleet_path.read_text()
    project.fleet_path.write_text(text.replace('{match: "*", qos', '{match: "sh*", qos'))
    made, *_ = planned(project, end)
    assert "is for another fleet file: applications differs, run `tiercast train`" in made.forecast_note
