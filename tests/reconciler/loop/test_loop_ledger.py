"""From a plan to what `tiercast history` and `explain` answer of it; the engine is a fake that keeps VMs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.apply import apply_plan, phases, preview_plan, read_plan
from reconciler.cli import main, options, root
from reconciler.demand import outlook
from reconciler.errors import InputError, Unavailable
from reconciler.loop import Mode, RunOptions, make_plan, reconcile_once
from reconciler.observe.preview import Preview, PreviewStep, StateResource
from reconciler.plan.render import read_config
from reconciler.record.entries import Applied, Decided, Failed, Previewed, Started
from reconciler.trust import feedback
from tests.reconciler.loop.test_loop_feedback import HOUR, WEEKS, Model, write_history

FLEET = """
step: 1h
validity: 1h
history: {paths: [h.csv], kind: series}
qos:
  gold: {latency: 2s, percentile: 0.95, tiers: [hot]}
applications:
  - {match: "*", qos: gold, service_time: 400ms}
guards: {cooldown_down: 0s, churn_share: 0.2, churn_window: 1h}
tiers:
  hot:
    hypervisors:
      - {name: hv-a, uri: "qemu+ssh://hv-a/system", cores: 12, memory_mib: 16384}
      - {name: hv-b, uri: "qemu+ssh://hv-b/system", cores: 12, memory_mib: 16384}
    flavours: [{name: small, vcpu: 1, memory_mib: 1024}]
    boot: {kernel: /boot/k, initrd: /boot/i, cmdline: [{console: ttyS0}]}
    spare_hosts: 0
    unreachable: skip
config: {aws:region: us-east-1, "vendor:account": "4711"}
"""


def urn(name: str) -> str:
    return f"urn:pulumi:dev::p::tiercast:stacks:Machine$libvirt:index/domain:Domain::{name}"


@dataclass
class Engine:
    """Creates and deletes the VMs that the stack file asks for; `broken`: stops after so many operations."""

    stack_file: Path
    names: set[str] = field(default_factory=set)
    broken: int | None = None
    policy_pack: Path | None = None
    policy_config: Path | None = None
    judged: bool = True

    def ensure_stack(self) -> None: ...

    def policy_digest(self) -> str:
        return "p"

    def state(self) -> list[StateResource]:
        size = {"vcpu": 1, "memory": 1024}
        kind = "libvirt:index/domain:Domain"
        return [StateResource(urn=urn(n), type=kind, id=n, inputs=size, outputs={}) for n in sorted(self.names)]

    def preview(self, **_: Any) -> Preview:
        hot = read_config(self.stack_file.read_text(), "stack")["tiercast:hot"]
        wanted = {f"hot-{s['hypervisor']}-{s['number']:03d}" for s in hot.get("slots", ())}
        ops = [("create", n) for n in sorted(wanted - self.names)] + [
            ("delete", n) for n in sorted(self.names - wanted)
        ]
        steps = [PreviewStep(urn=urn(n), op=op, type="libvirt:index/domain:Domain") for op, n in ops]
        return Preview(steps=tuple(steps), violations=(), judged=self.judged)

    def up(self, *, progress: Callable[[PreviewStep], None], **_: Any) -> Preview:
        found = self.preview()
        for count, step in enumerate(found.steps):
            if count == self.broken:
                raise RuntimeError("the host went away")
            (self.names.add if step.op == "create" else self.names.discard)(step.name)
            progress(step)
        return found


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    made = Model()
    monkeypatch.setattr(outlook, "forecast_of", made)
    return made


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine(stack_file=tmp_path / "Pulumi.dev.yaml")
    monkeypatch.setattr(Project, "engine", lambda self: made)
    monkeypatch.setattr(
        Project, "judging_engine", lambda self, *, no_policies, **_: replace(made, judged=not no_policies)
    )
    monkeypatch.setattr(phases, "not_ready", lambda world, **_: ())  # there are no hypervisors: what was made serves
    monkeypatch.setattr("reconciler.loop.settle_stack", lambda *_, **__: None)  # nothing here is ever half-created
    monkeypatch.setattr("reconciler.cli.up.settle_stack", lambda *_, **__: None)
    return made


@pytest.fixture
def project(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(feedback, "ENOUGH_SCORED", 0)
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    monkeypatch.setenv("PATH", "")  # no virsh: every hypervisor counts as answering
    return Project(root=tmp_path, name="p", stack="dev", config_dir=tmp_path, fleet_path=tmp_path / "fleet.yaml")


def applied_plan(project: Project, length: int) -> str:
    """Plan, preview and apply at the end of a history of so many hours; the plan's id."""
    now = write_history(project.root, length)
    made = make_plan(project, as_of=None, now=now)
    preview_plan(project, made, path=project.plan_file, refresh=False, now=now)
    apply_plan(project, read_plan(project.plan_file), now=now, progress=lambda line: None)
    return made.id


def tiercast(*words: str) -> Result:
    found = CliRunner().invoke(root, list(words), env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output
    return found


def removed(project: Project, engine: Engine, model: Model) -> tuple[str, str, str]:
    """A VM that one plan created and another removed, because its tier's maximum was lowered; with both plans' ids."""
    model.factor = 2.0
    created = applied_plan(project, WEEKS)
    before = set(engine.names)
    model.factor = 1.0
    (project.root / "fleet.yaml").write_text(FLEET.replace("spare_hosts: 0", "spare_hosts: 0\n    max: 14"))
    deleted = applied_plan(project, WEEKS + 1)
    return min(before - engine.names), created, deleted


def test_history_names_the_plan_that_removed_a_vm_and_why_whatever_the_files_say_today(
    project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, created, deleted = removed(project, engine, model)
    (project.root / "fleet.yaml").write_text("broken: [")
    (project.root / "h.csv").unlink()
    monkeypatch.setattr(Project, "engine", lambda self: pytest.fail("history asks no engine"))
    told = tiercast("history", "--resource", name).output
    first, second = [line for line in told.splitlines() if created in line or deleted in line]
    assert "create" in first
    assert created in first
    assert "delete" in second
    assert deleted in second
    entries = [e for e in ledger.read(project.ledger_file).entries if isinstance(e, Decided)]
    line = entries[-1].tiers["hot"]
    churn, bounds = entries[-1].guards
    assert (churn.guard, churn.changed) == ("churn window", {"hot/small": (14, 16)})
    assert (bounds.guard, bounds.changed) == ("bounds", {"hot/small": (16, 14)})
    flat = " ".join(told.split())
    assert f"hot {line.before} → 14: {line.reason}" in flat
    assert f"guard 'bounds' (hot/small 16 → 14): {bounds.text}" in flat


def test_explain_of_a_plan_answers_from_the_ledger_alone(
    project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, deleted = removed(project, engine, model)
    (project.root / "fleet.yaml").unlink()
    monkeypatch.setattr(Project, "engine", lambda self: pytest.fail("explain ID asks no engine"))
    told = " ".join(tiercast("explain", deleted[:8]).output.split())
    for words in (f"plan {deleted}", "Options", "hot/small", "churn window", "allowed in this window", name, "applied"):
        assert words in told


def test_entries_of_a_run_hold_what_was_seen_decided_and_done(project: Project, engine: Engine, model: Model) -> None:
    name, _, deleted = removed(project, engine, model)
    decided, previewed, _, applied = ledger.read(project.ledger_file).entries[-4:]
    assert isinstance(decided, Decided)
    assert isinstance(previewed, Previewed)
    assert isinstance(applied, Applied)
    assert {e.plan for e in (decided, previewed, applied)} == {deleted}
    option = decided.options["hot/small"]
    assert option.observed == decided.tiers["hot"].before
    assert option.planned == decided.tiers["hot"].after == len(engine.names)
    assert option.wanted == option.planned == 14
    assert name in decided.slots_removed
    assert len(decided.forecast) == len(decided.catalogue) == 64
    assert decided.models == {"shop": "plbm"}
    assert 0 < decided.classes["gold"].allowed_share < 1
    assert decided.classes["gold"].promised_share == 0.01
    assert sorted(r.name for r in applied.resources) == sorted(decided.slots_removed)
    assert applied.resources == previewed.resources


def test_an_update_that_fails_half_way_leaves_what_it_did(project: Project, engine: Engine, model: Model) -> None:
    engine.broken = 2
    with pytest.raises(RuntimeError, match="went away"):
        applied_plan(project, WEEKS)
    last = ledger.read(project.ledger_file).entries[-1]
    assert isinstance(last, Failed)
    assert (last.error, len(last.resources)) == ("the host went away", 2)
    told = tiercast("history", "--resource", last.resources[0].name).output
    assert "done before the update failed" in told


def test_shadow_and_held_runs_are_in_the_ledger_too(project: Project, engine: Engine, model: Model) -> None:
    now = write_history(project.root, WEEKS)
    for mode in (Mode.SHADOW, Mode.WITHIN):
        reconcile_once(project, RunOptions(mode=mode, now=now), progress=lambda line: None)
    entries = ledger.read(project.ledger_file).entries
    assert [e.event for e in entries] == ["shadow", "plan", "preview", "held"]
    assert isinstance(entries[0], Decided)
    assert isinstance(entries[1], Decided)
    assert entries[0].options == entries[1].options
    assert entries[0].inputs is not None


def test_since_and_limit_choose_the_newest(
    project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, created, deleted = removed(project, engine, model)
    end = ledger.read(project.ledger_file).entries[-1].at
    monkeypatch.setattr(options, "now", lambda: end + HOUR / 2)
    everything = tiercast("history").output
    assert created in everything
    assert deleted in everything
    recent = tiercast("history", "--since", "1h").output
    assert created not in recent
    assert recent == tiercast("history", "--since", (end - timedelta(minutes=1)).isoformat()).output
    assert tiercast("history", "--limit", "1").output.count(deleted) == 1


def test_a_torn_ledger_is_said_in_the_plan_and_by_history(project: Project, engine: Engine, model: Model) -> None:
    applied_plan(project, WEEKS)
    with project.ledger_file.open("a") as stream:
        stream.write('{"at": "20')
    made = make_plan(project, as_of=None, now=write_history(project.root, WEEKS + 1))
    assert any("ledger.jsonl: 1 line(s) were cut short" in reason for reason in made.reasons)
    assert "the last line was cut short after 10 bytes" in " ".join(tiercast("history").output.split())


def test_a_past_plan_is_decided_again_from_its_inputs_alone(
    project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, created, deleted = removed(project, engine, model)
    for name in ("fleet.yaml", "h.csv", "Pulumi.dev.yaml"):
        (project.root / name).unlink()
    project.memory_file.unlink()
    monkeypatch.setattr(Project, "engine", lambda self: pytest.fail("a replay asks no engine"))
    monkeypatch.setattr(Project, "read_catalogue", lambda self, fleet, now: pytest.fail("a replay reads no prices"))
    monkeypatch.setattr(outlook, "forecast_of", lambda *_, **__: pytest.fail("a replay forecasts nothing"))
    assert tiercast("replay", created).output == f"plan {created}: same bytes\n"
    assert tiercast("replay", deleted[:6]).output == f"plan {deleted}: same bytes\n"


def test_a_shadow_run_is_replayed_too_and_the_ledger_names_its_file(
    project: Project, engine: Engine, model: Model
) -> None:
    now = write_history(project.root, WEEKS)
    made = reconcile_once(project, RunOptions(mode=Mode.SHADOW, now=now), progress=lambda line: None)
    (entry,) = ledger.read(project.ledger_file).entries
    assert isinstance(entry, Decided)
    assert entry.inputs is not None
    file = project.runs / entry.inputs.file
    assert (file.stat().st_size, entry.inputs.paths) == (entry.inputs.bytes, "exact")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "same bytes" in tiercast("replay", made.plan.id).output


def test_a_replay_names_the_values_that_differ(
    project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = write_history(project.root, WEEKS)
    made = make_plan(project, as_of=None, now=now)
    monkeypatch.setattr("reconciler.plan.draft.SHOWN", ("0.5", "0.95"))
    told = CliRunner().invoke(root, ["replay", made.id], standalone_mode=False)
    assert told.return_value == 1
    assert "classes[0].requests_per_second.0.99" in told.output
    assert "values differ" in told.output


@pytest.mark.parametrize(
    ("since", "words"),
    [("9999999d", "is before the year 1"), ("yesterday", "is neither a duration such as 2d nor an ISO 8601 time")],
)
def test_a_since_that_is_no_time_is_one_sentence(project: Project, since: str, words: str) -> None:
    told = CliRunner().invoke(root, ["history", "--since", since])
    assert told.exit_code == 2
    assert words in " ".join(told.output.split())


def test_a_run_without_policies_is_stated_in_report_and_ledger(project: Project, model: Model) -> None:
    now = write_history(project.root, WEEKS)
    made = make_plan(project, as_of=None, now=now)
    summary = preview_plan(project, made, path=project.plan_file, refresh=False, now=now, no_policies=True)
    assert summary.headline().startswith("NO POLICIES RAN, changes")
    assert "NO POLICIES RAN" in (project.work / "preview.md").read_text()
    assert summary.to_json()["no_policies"] is True
    apply_plan(project, summary.plan, now=now, progress=lambda line: None, no_policies=True)
    noted = ledger.read(project.ledger_file).entries
    assert [e.no_policies for e in noted if isinstance(e, (Previewed, Started))] == [True, True]


def test_a_plan_that_cannot_be_noted_is_refused_before_anything_is_written(
    project: Project, engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = write_history(project.root, WEEKS)

    def read_only(path: Path) -> None:
        raise InputError(str(path), "the ledger cannot be written: Read-only file system.", "Free the disk.")

    monkeypatch.setattr(ledger, "require_writable", read_only)
    with pytest.raises(InputError, match="Read-only"):
        make_plan(project, as_of=None, now=now)
    for mode in Mode:
        with pytest.raises(InputError, match="Read-only"):
            reconcile_once(project, RunOptions(mode=mode, now=now), progress=print)
    assert not project.stack_file.exists()
    assert not [p for p in project.work.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_with_a_ledger_that_cannot_be_read_nothing_is_decided(project: Project, engine: Engine, model: Model) -> None:
    now = write_history(project.root, WEEKS)
    project.ledger_file.mkdir(parents=True)
    with pytest.raises(Unavailable, match="cooldowns and past changes are unknown"):
        make_plan(project, as_of=None, now=now)
    assert not project.stack_file.exists()


def test_an_up_beside_another_run_of_the_stack_says_who_holds_it(
    project: Project, engine: Engine, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    now = write_history(project.root, WEEKS)
    made = make_plan(project, as_of=None, now=now)
    preview_plan(project, made, path=project.plan_file, refresh=False, now=now)
    with project.locked("reconcile", now=now), pytest.raises(SystemExit, match="1"):
        main(["up", "--yes"])
    assert f"locked by `tiercast reconcile` (pid {os.getpid()}" in capsys.readouterr().err
    assert engine.names == set()
