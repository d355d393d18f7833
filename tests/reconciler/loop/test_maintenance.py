"""A scheduled run in a maintenance window: it plans and remembers, and touches nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.errors import EngineError
from reconciler.loop import Mode, RunOptions, reconcile_once
from tests.reconciler.loop.test_loop_feedback import FLEET, HOUR, WEEKS, Model, write_history
from tests.reconciler.loop.test_loop_feedback import model as model
from tests.reconciler.loop.test_loop_feedback import project as project


def declared(project: Project, window: dict[str, Any]) -> None:
    text = f"guards: {{maintenance: [{window}], "
    project.fleet_path.write_text(FLEET.replace("guards: {", text), encoding="utf-8")


@pytest.mark.parametrize("mode", [Mode.PROPOSE, Mode.WITHIN, Mode.APPLY])
def test_in_maintenance_a_run_only_plans_and_says_until_when(
    project: Project, model: Model, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "judging_engine", lambda self, **_: pytest.fail("the engine is not asked"))
    now = write_history(project.root, WEEKS)
    start, end = (now - HOUR).isoformat(), (now + HOUR).isoformat()
    declared(project, {"start": start, "end": end, "why": "new switches"})
    done = reconcile_once(project, RunOptions(mode=mode, now=now), progress=print)
    until = (now + HOUR).isoformat(timespec="minutes")
    assert done.held == (f"maintenance: until {until} (new switches)",)
    assert not done.applied
    assert [entry.event for entry in ledger.read(project.ledger_file).entries][-2:] == ["shadow", "held"]
    assert project.memory_file.exists()
    assert not project.stack_file.exists()


def test_outside_of_it_a_run_goes_on(project: Project, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(self: Project, **_: Any) -> None:
        raise EngineError("the engine was asked")

    monkeypatch.setattr(Project, "judging_engine", asked)
    now = write_history(project.root, WEEKS)
    declared(project, {"start": now.isoformat(), "end": (now + timedelta(minutes=1)).isoformat(), "why": "w"})
    with pytest.raises(EngineError, match="the engine was asked"):
        reconcile_once(project, RunOptions(mode=Mode.PROPOSE, now=now + timedelta(minutes=1)), progress=print)


def test_a_weekly_window_follows_the_wall_clock_of_its_zone(project: Project, model: Model) -> None:
    now = write_history(project.root, WEEKS)  # a Monday, 01:00 in Berlin
    declared(project, {"weekly": "Mon 00:30 to Mon 01:30", "timezone": "Europe/Berlin", "why": "patches"})
    done = reconcile_once(project, RunOptions(mode=Mode.APPLY, now=now), progress=print)
    assert done.held == ("maintenance: Mon 00:30 to Mon 01:30 Europe/Berlin (patches)",)
