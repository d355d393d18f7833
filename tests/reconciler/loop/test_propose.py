"""Proposals of a run: a branch or a patch that holds the plan, while the checkout stays as it is. The engine is a fake."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.cli import root
from reconciler.errors import InputError
from reconciler.loop import Mode, RunOptions, RunResult, reconcile_once
from reconciler.loop.propose import ProposalTarget
from tests.reconciler.adapters.test_git import git
from tests.reconciler.loop.test_loop_feedback import WEEKS, Model, write_history
from tests.reconciler.loop.test_loop_ledger import Engine
from tests.reconciler.loop.test_loop_ledger import engine as engine
from tests.reconciler.loop.test_loop_ledger import model as model
from tests.reconciler.loop.test_loop_ledger import project as project


@pytest.fixture
def checkout(project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project in a repository with one commit; the engine reads the stack file of the project that asks it."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("reconciler.adapters.world.read.read_domains", lambda hosts, **_: {})
    monkeypatch.setattr(Project, "engine", lambda self: replace(engine, stack_file=self.stack_file))
    monkeypatch.setattr(
        Project, "judging_engine", lambda self, *, no_policies, **_: replace(engine, stack_file=self.stack_file)
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    project.stack_file.write_text("# by hand\nconfig:\n  mine:key: kept\n")
    (project.root / ".gitignore").write_text(".tiercast/\nh.csv\n")
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", ".")
    git(project.root, "commit", "-qm", "first")
    return project


def proposed(project: Project, now: datetime, **target: object) -> RunResult:
    options = RunOptions(mode=Mode.PROPOSE, now=now, target=ProposalTarget(**target))  # type: ignore[arg-type]
    return reconcile_once(project, options, progress=print)


def test_a_branch_holds_the_stack_file_and_the_bound_plan_and_nothing_else_changes(checkout: Project) -> None:
    now = write_history(checkout.root, WEEKS)
    done = proposed(checkout, now, branch="capacity/dev")
    assert done.summary is not None
    assert done.summary.verdict == "changes"
    assert not done.applied
    assert git(checkout.root, "status", "--porcelain") == ""
    changed = git(checkout.root, "diff", "--name-only", "main", "capacity/dev").splitlines()
    assert changed == [".tiercast/dev/plan.json", "Pulumi.dev.yaml"]
    text = git(checkout.root, "show", "capacity/dev:Pulumi.dev.yaml")
    assert "mine:key: kept" in text
    assert f"id: {done.plan.id}" in text
    plan = json.loads(git(checkout.root, "show", "capacity/dev:.tiercast/dev/plan.json"))
    assert (plan["id"], plan["binding"] is not None) == (done.plan.id, True)
    message = git(checkout.root, "log", "-1", "--format=%B", "capacity/dev")
    assert message.startswith("Capacity of dev: hot 0 → ")
    assert message.endswith(f"Tiercast-Plan: {done.plan.id}")
    assert done.proposed.endswith("on branch capacity/dev")
    assert not checkout.plan_file.exists(), "the newest plan in force stays what it was"
    assert json.loads((checkout.work / "proposed" / "plan.json").read_text())["id"] == done.plan.id
    entries = ledger.read(checkout.ledger_file).entries
    assert [entry.event for entry in entries] == ["plan", "preview", "held"]


def test_a_patch_puts_the_plan_into_force_when_it_is_applied(checkout: Project) -> None:
    now = write_history(checkout.root, WEEKS)
    patch = checkout.root.parent / "capacity.patch"
    done = proposed(checkout, now, patch=patch)
    assert git(checkout.root, "status", "--porcelain") == ""
    subprocess.run(["git", "apply", str(patch)], cwd=checkout.root, check=True)
    assert f"id: {done.plan.id}" in checkout.stack_file.read_text()
    assert json.loads(checkout.plan_file.read_text())["id"] == done.plan.id


def test_edits_that_nobody_committed_are_not_proposed(checkout: Project) -> None:
    now = write_history(checkout.root, WEEKS)
    checkout.stack_file.write_text("config: {mine:key: other}\n")
    with pytest.raises(InputError, match="changes that are not committed"):
        proposed(checkout, now, branch="capacity/dev")
    assert "capacity/dev" not in git(checkout.root, "branch")


def test_without_a_change_nothing_is_proposed(checkout: Project, engine: Engine) -> None:
    now = write_history(checkout.root, WEEKS)
    slots = proposed(checkout, now, branch="first").plan.config["tiercast:hot"]["slots"]
    engine.names |= {f"hot-{slot['hypervisor']}-{slot['number']:03d}" for slot in slots}
    done = proposed(checkout, now, branch="second")
    assert done.summary is not None
    assert (done.summary.verdict, done.proposed) == ("no change", "")
    assert "second" not in git(checkout.root, "branch")


def test_the_command_says_where_the_proposal_is_and_needs_the_mode(checkout: Project, tmp_path: Path) -> None:
    write_history(checkout.root, WEEKS)
    words = ["reconcile", "--branch", "capacity/dev", "--mode"]
    refused = CliRunner().invoke(root, [*words, "apply"], standalone_mode=False)
    assert "--branch and --patch need --mode propose" in str(refused.exception)
    told = CliRunner().invoke(root, [*words, "propose"], standalone_mode=False, env={"COLUMNS": "200"})
    assert told.return_value == 2, told.output
    assert "on branch capacity/dev" in told.output
