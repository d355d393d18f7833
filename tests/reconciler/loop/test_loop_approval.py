"""From a preview to a signed approval and what `up` makes of it; real keys, and the engine of `test_loop_ledger`."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.apply import preview_plan, read_plan
from reconciler.apply.bounds import read_envelope
from reconciler.cli import options, root
from reconciler.errors import SignatureRefused, StaleApproval, TiercastError, UsageError
from reconciler.loop import Mode, RunOptions, RunResult, make_plan, reconcile_once
from reconciler.plan.file import PlanFile
from reconciler.record.entries import Signed, Started
from tests.reconciler.loop.test_loop_feedback import WEEKS, Model, write_history
from tests.reconciler.loop.test_loop_ledger import Engine, engine, model, project, tiercast

__all__ = ["engine", "model", "project"]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key of ann, whom `allowed_signers` lets sign plans."""
    # `project` empties PATH, so that no hypervisor is asked; ssh-keygen is found in a folder of its own.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh-keygen").symlink_to(str(shutil.which("ssh-keygen", path="/usr/bin:/bin:/usr/local/bin")))
    monkeypatch.setenv("PATH", str(programs))
    made = tmp_path / "ann"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made], check=True)
    (tmp_path / "allowed_signers").write_text(
        f'ann@example.com namespaces="tiercast-plan" {made.with_suffix(".pub").read_text()}'
    )
    return made


@pytest.fixture
def plan(project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch) -> PlanFile:
    """A plan that was previewed."""
    now = write_history(project.root, WEEKS)
    monkeypatch.setattr(options, "now", lambda: now)
    made = make_plan(project, as_of=None, now=now)
    return preview_plan(project, made, path=project.plan_file, refresh=False, now=now).plan


def refused(*words: str) -> TiercastError:
    found: Result = CliRunner().invoke(root, list(words))
    assert isinstance(found.exception, TiercastError), found.output
    return found.exception


def test_a_signed_plan_is_applied_with_the_name_of_who_approved_it(
    plan: PlanFile, project: Project, engine: Engine, key: Path
) -> None:
    assert "unsigned" in tiercast("preview").output
    said = tiercast("approve", "--sign", str(key)).output
    assert f"plan {plan.id} was approved with key SHA256:" in said
    # Another preview that finds the same keeps the signature, and says that it has not checked it.
    again = json.loads(CliRunner().invoke(root, ["preview", "--json"]).stdout)
    assert again["approval"].startswith("signed with key SHA256:")
    done = json.loads(
        tiercast("up", "--yes", "--require-signature", "--allowed-signers", "allowed_signers", "--json").stdout
    )
    assert done["approval"].startswith("approved by ann@example.com with key SHA256:")
    assert engine.names
    entries = ledger.read(project.ledger_file).entries
    (signed,) = (e for e in entries if isinstance(e, Signed))
    (started,) = (e for e in entries if isinstance(e, Started))
    assert started.approval == f"approved by ann@example.com with key {signed.key}"
    told = tiercast("history").output
    assert f"approved with key {signed.key}" in told
    assert "approved by ann@example.com" in told


def test_an_unsigned_plan_is_said_to_be_and_refused_where_a_signature_is_required(
    plan: PlanFile, engine: Engine, key: Path
) -> None:
    error = refused("up", "--yes", "--require-signature", "--allowed-signers", "allowed_signers")
    assert isinstance(error, SignatureRefused)
    assert str(error) == f"Plan {plan.id} is unsigned. Sign it: `tiercast approve --sign KEY`."
    assert isinstance(refused("up", "--yes", "--require-signature"), UsageError)
    assert engine.names == set()
    assert tiercast("up", "--yes", "--allowed-signers", "allowed_signers").output.endswith(", unsigned\n")


def test_a_plan_signed_by_somebody_else_is_refused_even_where_none_is_required(
    plan: PlanFile, engine: Engine, key: Path, tmp_path: Path
) -> None:
    other = tmp_path / "bob"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    tiercast("approve", "--sign", str(other))
    error = refused("up", "--yes", "--allowed-signers", "allowed_signers")
    assert "is not one that allowed_signers allows to sign plans" in str(error)
    assert engine.names == set()


@pytest.mark.parametrize("forged", ["binding", "note"])
def test_a_binding_that_was_edited_after_the_signature_is_refused(
    plan: PlanFile, project: Project, engine: Engine, key: Path, forged: str
) -> None:
    tiercast("approve", "--sign", str(key))
    raw = json.loads(project.plan_file.read_text())
    if forged == "binding":  # not covered by the plan's id
        raw["binding"]["policies"] = "a pack that refuses nothing"
    else:
        raw["forecast_note"] = "another model"
    project.plan_file.write_text(json.dumps(raw))
    error = refused("up", "--yes", "--allowed-signers", "allowed_signers")
    assert "was changed after it was signed" in str(error)
    assert engine.names == set()


def test_a_preview_that_finds_a_difference_removes_the_signature(
    plan: PlanFile, project: Project, engine: Engine, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiercast("approve", "--sign", str(key))
    assert read_plan(project.plan_file).signature
    engine.names.add("hot-hv-z-001")
    monkeypatch.setattr(Project, "judging_engine", lambda self, *, no_policies, **_: engine)
    preview_plan(project, read_plan(project.plan_file), path=project.plan_file, refresh=False, now=options.now())
    assert not read_plan(project.plan_file).signature


def test_only_what_was_previewed_can_be_signed(
    project: Project, engine: Engine, model: Model, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = write_history(project.root, WEEKS)
    monkeypatch.setattr(options, "now", lambda: now)
    make_plan(project, as_of=None, now=now)
    assert isinstance(refused("approve", "--sign", str(key)), StaleApproval)
    assert not read_plan(project.plan_file).signature


ENVELOPE = "approved_by: ann  # on call\nuntil: 2026-12-01T00:00:00Z\ntiers: {hot: {min: 1, max: 30}}\n"


def reconciled(project: Project, now: datetime) -> RunResult:
    options = RunOptions(mode=Mode.WITHIN, now=now, envelope=read_envelope(project.root / "approved.yaml"))
    return reconcile_once(project, options, progress=lambda line: None)


def test_an_envelope_lets_runs_change_sizes_and_nothing_else(plan: PlanFile, project: Project, engine: Engine) -> None:
    file = project.root / "approved.yaml"
    file.write_text(ENVELOPE)
    now = options.now()
    first = reconciled(project, now)
    assert not first.applied
    assert "is not bound to a configuration" in first.held[0]
    said = tiercast("envelope", "approved.yaml").output
    assert "scheduled runs may set hot 1 to 30" in said
    assert file.read_text().startswith(ENVELOPE)

    assert reconciled(project, now).applied
    size = len(engine.names)
    later = write_history(project.root, WEEKS + 7)
    grown = reconciled(project, later)
    assert grown.applied, grown.held
    assert len(engine.names) != size
    started = [e for e in ledger.read(project.ledger_file).entries if isinstance(e, Started)]
    assert {e.approval for e in started} == {"within the envelope of ann"}

    fleet = project.fleet_path
    fleet.write_text(fleet.read_text().replace("kernel: /boot/k,", "kernel: /boot/other,"))
    engine.names.clear()  # whatever the forecast, there is something to do
    held = reconciled(project, later).held
    assert held == ("tiercast:hot.boot.kernel was changed after the envelope was approved",)
    (project.root / "Pulumi.yaml").write_text("name: p\nruntime: python\nmain: elsewhere/\n")
    assert "the program was changed after the envelope was approved" in reconciled(project, later).held


def test_an_up_within_an_envelope_needs_no_confirmation_and_one_outside_is_refused(
    plan: PlanFile, project: Project, engine: Engine
) -> None:
    file = project.root / "approved.yaml"
    file.write_text(ENVELOPE.replace("max: 30", "max: 2"))
    tiercast("envelope", "approved.yaml")
    error = refused("up", "--bounds", "approved.yaml")
    assert "is not within the envelope of ann: hot would have " in str(error)
    assert engine.names == set()
    file.write_text(file.read_text().replace("max: 2", "max: 30"))
    done = json.loads(tiercast("up", "--bounds", "approved.yaml", "--json").stdout)
    assert done["approval"] == "within the envelope of ann, unsigned"
    assert engine.names


def test_an_edit_between_preview_and_envelope_is_not_bound(plan: PlanFile, project: Project) -> None:
    (project.root / "approved.yaml").write_text(ENVELOPE)
    project.stack_file.write_text(project.stack_file.read_text() + "  app:other: 1\n")
    error = refused("envelope", "approved.yaml")
    assert f"was changed after plan {plan.id} was previewed" in str(error)
    assert (project.root / "approved.yaml").read_text() == ENVELOPE


def test_an_approved_plan_is_applied_although_a_newer_one_is_in_the_stack_file(
    plan: PlanFile, project: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Project, "judging_engine", lambda self, *, no_policies, **_: replace(engine, stack_file=self.stack_file)
    )
    approved = project.root / "approved.json"
    approved.write_text(project.plan_file.read_text())
    later = write_history(project.root, WEEKS + 1)
    newer = make_plan(project, as_of=None, now=later)
    held = project.stack_file.read_text()
    assert newer.id in held
    assert plan.id not in held
    assert f"plan {plan.id} was applied" in tiercast("up", "--approved", "approved.json").output
    assert len(engine.names) == next(t.after for t in plan.tiers if t.tier == "hot")
    assert project.stack_file.read_text() == held


def test_an_approved_plan_is_refused_where_other_keys_changed_with_the_newer_one(
    plan: PlanFile, project: Project, engine: Engine
) -> None:
    approved = project.root / "approved.json"
    approved.write_text(project.plan_file.read_text())
    make_plan(project, as_of=None, now=write_history(project.root, WEEKS + 1))
    project.stack_file.write_text(project.stack_file.read_text() + "  app:other: 1\n")
    assert f"not {plan.id}" in str(refused("up", "--approved", "approved.json"))
    assert engine.names == set()
