"""Pins and the freeze from the command line to what runs; the engine is a fake that keeps VMs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reconciler import loop
from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.apply import apply_plan, phases, preview_plan, read_plan
from reconciler.cli import main, options, root
from reconciler.demand import outlook
from reconciler.errors import PinsChanged
from reconciler.loop import Mode, RunOptions, make_plan, reconcile_once
from reconciler.observe.preview import Checkpoint
from reconciler.plan.render import read_config
from reconciler.record.entries import Decided, SetByHand
from reconciler.report.markdown import markdown
from reconciler.trust import feedback
from tests.reconciler.loop.test_loop_feedback import HOUR, WEEKS, Model, write_history
from tests.reconciler.loop.test_loop_ledger import FLEET, Engine


class Recorded(Engine):
    """The fake engine with a checkpoint, which `status` reads."""

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(resources=tuple(self.state()), at=None)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Recorded(stack_file=tmp_path / "Pulumi.dev.yaml")
    monkeypatch.setattr(Project, "engine", lambda self: made)
    monkeypatch.setattr(
        Project, "judging_engine", lambda self, *, no_policies, **_: replace(made, judged=not no_policies)
    )
    monkeypatch.setattr(loop, "settle_stack", lambda *_, **__: None)  # the fake engine is never killed
    monkeypatch.setattr(phases, "not_ready", lambda world, **_: ())  # there are no hypervisors: what was made serves
    monkeypatch.setattr(outlook, "forecast_of", Model())
    monkeypatch.setattr(feedback, "ENOUGH_SCORED", 0)
    return made


@pytest.fixture
def project(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    monkeypatch.setenv("PATH", "")  # no virsh: every hypervisor counts as answering
    return Project(root=tmp_path, name="p", stack="dev", config_dir=tmp_path, fleet_path=tmp_path / "fleet.yaml")


@pytest.fixture
def now(project: Project, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The end of the history, which is the wall clock of the commands too."""
    found = write_history(project.root, WEEKS)
    monkeypatch.setattr(options, "now", lambda: found)
    return found


def tiercast(*words: str) -> str:
    found = CliRunner().invoke(root, list(words), env={"COLUMNS": "250"})
    assert found.exit_code == 0, found.output
    return " ".join(found.output.split())


def run(project: Project, now: datetime) -> Any:
    return reconcile_once(project, RunOptions(mode=Mode.APPLY, now=now), progress=lambda line: None)


def test_a_pin_acts_within_one_run_and_ends_by_itself(project: Project, engine: Engine, now: datetime) -> None:
    run(project, now)
    wanted = len(engine.names)
    assert wanted > 3
    tiercast("pin", "hot", "3", "--until", "90m", "--reason", "the rack is hot")
    done = run(project, now)
    assert len(engine.names) == 3
    assert done.applied
    assert any("pinned at 3 until" in note and "the rack is hot. [pin]" in note for note in done.plan.notes)
    assert "the rack is hot" in markdown(done.summary, project="p", artefact="preview.html")
    assert done.summary.to_json()["plan"]["pins"]["tiers"]["hot"]["count"] == 3
    later = write_history(project.root, WEEKS + 2)
    assert later - now > timedelta(minutes=90)
    run(project, later)
    assert len(engine.names) > 3


def test_a_freeze_keeps_what_runs_until_it_is_removed(project: Project, engine: Engine, now: datetime) -> None:
    tiercast("freeze", "--until", "2h", "--reason", "audit")
    run(project, now)
    assert engine.names == set()
    tiercast("unpin", "freeze")
    run(project, now)
    assert len(engine.names) > 3


def test_the_next_plan_keeps_the_pins_of_the_stack_file(project: Project, now: datetime) -> None:
    project.stack_file.write_text("# ours\nconfig:\n  other:key: 1 # theirs\n")
    tiercast("pin", "hot", "5", "--until", "2h", "--reason", "launch")
    pinned = read_config(project.stack_file.read_text(), "stack")["tiercast:pins"]
    assert pinned["tiers"]["hot"]["count"] == 5
    assert "@" in pinned["tiers"]["hot"]["setBy"]
    make_plan(project, as_of=None, now=now)
    text = project.stack_file.read_text()
    assert "# ours" in text
    assert "other:key: 1 # theirs" in text
    assert read_config(text, "stack")["tiercast:pins"] == pinned


@pytest.mark.parametrize(
    "words", [("pin", "hot", "2", "--until", "2h", "--reason", "x"), ("freeze", "--until", "2h", "--reason", "x")]
)
def test_an_approval_from_before_a_pin_does_not_hold(
    project: Project, engine: Engine, now: datetime, words: tuple[str, ...]
) -> None:
    made = make_plan(project, as_of=None, now=now)
    preview_plan(project, made, path=project.plan_file, refresh=False, now=now)
    tiercast(*words)
    with pytest.raises(PinsChanged, match="before the last change of pins"):
        apply_plan(project, read_plan(project.plan_file), now=now, progress=lambda line: None)
    with pytest.raises(PinsChanged) as refused:
        preview_plan(project, made, path=project.plan_file, refresh=False, now=now)
    assert refused.value.retryable
    assert engine.names == set()


def test_a_plan_by_a_pin_that_was_removed_is_refused_and_one_that_ended_is_not(project: Project, now: datetime) -> None:
    tiercast("pin", "hot", "5", "--until", "10m", "--reason", "launch")
    made = make_plan(project, as_of=None, now=now)
    preview_plan(project, made, path=project.plan_file, refresh=False, now=now + timedelta(minutes=20))
    tiercast("unpin", "hot")
    with pytest.raises(PinsChanged, match="hot"):
        preview_plan(project, made, path=project.plan_file, refresh=False, now=now)


def test_pins_are_in_ledger_history_status_and_replay(project: Project, now: datetime) -> None:
    tiercast("pin", "hot", "4", "--until", "2h", "--reason", "launch")
    run(project, now)
    assert "hot is pinned at 4 until" in tiercast("status", "--offline")
    first, decided = ledger.read(project.ledger_file).entries[:2]
    assert isinstance(first, SetByHand)
    assert (first.what, first.count, first.reason) == ("hot", 4, "launch")
    assert first.until == now + 2 * HOUR
    assert isinstance(decided, Decided)
    assert decided.guards[0].guard == "pin"
    assert "hot is pinned at 4" in tiercast("history")
    assert "same bytes" in tiercast("replay", decided.plan)
    tiercast("unpin", "hot")
    assert "the pin of hot was removed by" in tiercast("history")


def test_a_pin_is_written_where_the_ledger_can_not_be(project: Project, now: datetime) -> None:
    project.work.mkdir(parents=True)
    project.ledger_file.symlink_to(project.root / "elsewhere")
    said = tiercast("pin", "hot", "4", "--until", "2h", "--reason", "launch")
    assert "is written, but not the ledger" in said
    assert "hot:" in project.stack_file.read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pin", "hot", "25", "--until", "1h", "--reason", "x"), 1, "hosts carry at most 24"),
        (("pin", "warm", "1", "--until", "1h", "--reason", "x"), 1, "neither hosts nor instance types"),
        (("pin", "tepid", "1", "--until", "1h", "--reason", "x"), 64, "'hot', 'warm', 'cold'"),
        (("pin", "hot", "1", "--until", "2020-01-01", "--reason", "x"), 64, "has passed"),
        (("pin", "hot", "1", "--until", "soon", "--reason", "x"), 64, "neither a duration"),
        (("pin", "hot", "1", "--until", "1h"), 64, "--reason"),
        (("freeze", "--until", "1h", "--reason", " \n"), 64, "--reason is empty"),
        (("freeze", "--until", "1h", "--reason", "password=hunter22"), 64, "password or token"),
        (("unpin", "hot"), 1, "hot is not pinned"),
        (("unpin", "freeze"), 1, "there is no freeze"),
    ],
)
def test_what_can_not_be_pinned_is_refused_in_a_sentence(
    project: Project, now: datetime, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == code
    assert said in capsys.readouterr().err
    assert not project.stack_file.exists()


def test_pins_that_were_edited_into_nonsense_name_their_key(project: Project, now: datetime) -> None:
    project.stack_file.write_text(
        "config:\n  tiercast:pins: {tiers: {hot: {count: -1, reason: x, until: 2030-01-01}}}\n"
    )
    found = CliRunner().invoke(root, ["plan"])
    assert "tiercast:pins.tiers.hot" in str(found.exception)
