"""The CI examples against the real engine: a branch with a secret is previewed, bound and applied, and leaks it nowhere."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import env, hypervisors, up, values
from lab.model import Lab
from reconciler.adapters.engine import Engine
from reconciler.adapters.project import find_project
from reconciler.apply import apply_plan, preview_plan, read_plan
from reconciler.apply.approve import approval_of, approve_plan
from reconciler.apply.bounds import bind_envelope, held_by
from reconciler.observe.exclusions import exclusions
from reconciler.plan.file import ClassLine, PlanFile, TierLine
from reconciler.plan.render import render
from reconciler.prices.catalogue import builtin
from tests.examples.ci_steps import PYTHON, Runner, checkout, named, plain_environment, workflow
from tests.stacks.samples import raw

pytestmark = [pytest.mark.engine, pytest.mark.lab]

#: Planted where a person keeps secrets: an encrypted value of ours, the provider's key, and a token that nobody uses.
USER_DATA = "#!/bin/sh\necho CANARY-user-data\n"
ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": "CANARY-aws-secret-key", "UNUSED_TOKEN": "CANARY-unused-token"}


@dataclass(kw_only=True)
class Site:
    """A lab, the runner's folder with its checkouts, and all that was printed."""

    lab: Lab
    runner: Runner
    said: list[str] = field(default_factory=list)

    def step(self, name: str, job: str, words: str) -> int:
        """Run one step of a workflow; its exit code."""
        done = self.runner.run(named(name, job, words), workflow(name)["jobs"][job])
        self.said += [done.stdout, done.stderr]
        return done.returncode

    def pulumi(self, folder: Path, *arguments: str, stdin: str = "") -> str:
        """Output of the plain CLI, which must succeed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=folder,
            env=self.runner.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def configuration(lab: Lab, *, slots: tuple[str, ...] = ("hv-1", "hv-10")) -> dict[str, Any]:
    """The sample on two hosts whose names begin alike, with a plan made now from the pinned prices."""
    now = datetime.now(UTC).replace(microsecond=0)
    hot = values.stack_values(lab)["hot"]
    hosts = [{**host, "name": name} for host, name in zip(hot["hypervisors"], ("hv-1", "hv-10"), strict=True)]
    flavours = [{"name": "small", "vcpu": 1, "memoryMib": 128}]
    placed = [{"hypervisor": name, "number": 1, "flavour": "small"} for name in slots]
    plan = {
        "id": "",
        "createdAt": now.isoformat(),
        "cutoff": now.isoformat(),
        "validUntil": (now + timedelta(hours=2)).isoformat(),
        "forecastDigest": "",
        "catalogueDigest": builtin().digest(),
    }
    launch = {"imageId": "ami-12c6146b", "zones": ["us-east-1a"]}
    warm = {**raw()["warm"], "launch": {**launch, "userData": "#!/bin/sh\n"}}
    cold = {**raw()["cold"], "launch": launch}
    return raw(
        hot={**hot, "hypervisors": hosts, "flavours": flavours, "slots": placed}, plan=plan, warm=warm, cold=cold
    )


def write_plan(folder: Path, lab: Lab, sections: dict[str, Any]) -> PlanFile:
    """Write the stack file and the plan that it holds, as `tiercast plan` does."""
    ours = {f"tiercast:{key}": value for key, value in sections.items()}
    stated = sections["plan"]
    line = TierLine(
        tier="cold", kinds={"m5.large": 3}, before=0, after=3, usd_before=0, usd_after=1, reason="@team <img>"
    )
    one = ClassLine.model_validate(
        {
            "name": "gold",
            "latency_target_ms": 400,
            "percentile": 0.95,
            "latency_ms": 100,
            "promised_share": 0.01,
            "allowed_share": 0.01,
            "expected_share": 0.01,
            "shortfall_probability": 0.001,
            "requests_per_second": {"0.5": 10.0},
        }
    )
    plan = PlanFile(
        fleet="shop",
        stack="lab",
        created_at=stated["createdAt"],
        valid_until=stated["validUntil"],
        cutoff=stated["cutoff"],
        tiers=(line,),
        classes=(one,),
        usd_per_hour_before=0,
        usd_per_hour_after=1,
        config={**values.aws_config(lab), **ours},
    ).identified()
    config = {**plan.config, "tiercast:plan": {**stated, "id": plan.id}}
    plan = plan.model_copy(update={"config": config})
    path, work = folder / "Pulumi.lab.yaml", folder / ".tiercast" / "lab"
    before = path.read_text() if path.exists() else ""
    path.write_text(render(before, config, own=frozenset(config), location=str(path)))
    work.mkdir(parents=True, exist_ok=True)
    (work / "plan.json").write_text(plan.model_dump_json())
    (work / "demand.json").write_text(json.dumps(sections["demand"]))
    return plan


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A base checkout with its pack, a branch that carries a plan, and a lab for both."""
    root = tmp_path_factory.mktemp("ci")
    work = root / "runner" / "work"
    base, branch = work / "base", work / "branch"
    checkout(base, whole=True)
    checkout(branch, whole=False)
    pin = {"forecastFile": "../.tiercast/{stack}/demand.json", "catalogueDigest": builtin().digest()}
    (base / "policies" / "config.lab.json").write_text(json.dumps({"all": "mandatory", "provenance": pin}))
    (branch / "policies" / "config.lab.json").write_text(json.dumps({"all": "disabled"}))
    (branch / ".venv").symlink_to(Path(__file__).parents[2] / ".venv")
    lab = up.up(branch, directory=root / "lab", domain_type="qemu")
    environment = {**plain_environment(), **env.environment(lab), **ENVIRONMENT, "COLUMNS": "200"}
    for name in [one for one in environment if one.startswith(("PULUMI_OPTION_", "TIERCAST_"))]:
        del environment[name]
    runner = Runner(folder=work, environment=environment)
    runner.stand_in("python", PYTHON)
    runner.values = {
        "github.workspace": str(work),
        "vars.PULUMI_BACKEND_URL": environment["PULUMI_BACKEND_URL"],
        "secrets.PULUMI_CONFIG_PASSPHRASE": lab.passphrase_file.read_text(),
        "github.token": "CANARY-github-token",
    }
    try:
        yield Site(lab=lab, runner=runner)
    finally:
        up.down(lab.directory)


@pytest.fixture(scope="module")
def branch(site: Site) -> Path:
    """The branch: planned, a secret set by the plain CLI, planned again, and what the job does before the preview."""
    folder, trusted = site.runner.folder / "branch", site.runner.folder / "base" / ".tiercast" / "lab"
    write_plan(folder, site.lab, configuration(site.lab))
    key = "tiercast:warm.launch.userData"
    site.pulumi(folder, "config", "set", "--stack", "lab", "--secret", "--path", key, stdin=USER_DATA)
    write_plan(folder, site.lab, configuration(site.lab))
    trusted.mkdir(parents=True)
    shutil.copy(folder / ".tiercast" / "lab" / "demand.json", trusted)
    assert site.step(PREVIEW, "preview", "from the base branch") == 0, site.said[-1]
    assert site.step(PREVIEW, "preview", "passphrase") == 0
    return folder


PREVIEW, APPLY = "github-pull-request.yml", "github-apply.yml"


def test_a_secret_inside_our_keys_survives_the_next_plan(branch: Path) -> None:
    launch = yaml.safe_load((branch / "Pulumi.lab.yaml").read_text())["config"]["tiercast:warm"]["launch"]
    assert set(launch["userData"]) == {"secure"}


def test_a_branch_is_previewed_and_its_comment_shows_names_as_they_are(site: Site, branch: Path) -> None:
    assert site.step(PREVIEW, "preview", "preview") == 0, site.said[-1]
    assert site.runner.outputs["code"] == "2", site.said[-1]
    text = (site.runner.folder / "preview.md").read_text()
    assert text.startswith("<!-- tiercast:tiercast/lab -->\n")
    assert "Domain hot-hv-10-001" in text
    assert "<img>" not in text


def test_the_pack_of_the_base_refuses_what_the_branch_allows_itself(site: Site, branch: Path) -> None:
    path = branch / "Pulumi.lab.yaml"
    kept = path.read_text()
    data = yaml.safe_load(kept)
    data["config"]["tiercast:demand"]["classes"]["gold"]["requestsPerSecond"] = [0.1, 0.2]
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    try:
        assert site.step(PREVIEW, "preview", "preview") == 0, site.said[-1]
    finally:
        path.write_text(kept)
    assert site.runner.outputs["code"] == "3"
    site.runner.values["steps.preview.outputs.code"] = "3"
    assert site.step(PREVIEW, "preview", "red where") == 1
    assert "latency-slo" in (site.runner.folder / "preview.md").read_text()


@pytest.fixture(scope="module")
def merged(site: Site, branch: Path) -> Path:
    """The branch merged, bound and applied by the steps of the apply workflow."""
    folder = site.runner.folder
    for name in ("Pulumi.yaml", "Pulumi.lab.yaml", "stacks", ".tiercast"):
        (shutil.copytree if (branch / name).is_dir() else shutil.copy)(branch / name, folder / name)
    shutil.copytree(folder / "base" / "policies", folder / "policies")
    for name in ("reconciler", "forecaster", "requirements"):
        (folder / name).symlink_to(folder / "base" / name)
    for words in ("dependencies", "passphrase", "bind the plan"):
        assert site.step(APPLY, "bind", words) == 0, site.said[-2:]
    assert site.runner.outputs["code"] == "2"
    site.runner.values["needs.bind.outputs.digest"] = site.runner.outputs["digest"]
    assert site.step(APPLY, "apply", "apply the plan") == 0, site.said[-2:]
    return folder


def test_what_was_bound_is_applied_and_the_ledger_has_it(site: Site, merged: Path) -> None:
    events = [
        json.loads(line)["event"] for line in (merged / ".tiercast" / "lab" / "ledger.jsonl").read_text().splitlines()
    ]
    assert events[-2:] == ["up", "applied"]
    assert machines(site.lab) == ["hot-hv-1-001", "hot-hv-10-001"]


def test_no_secret_is_in_any_artefact_log_or_state(site: Site, merged: Path) -> None:
    passphrase = site.lab.passphrase_file.read_bytes().strip()
    secrets = [passphrase, b"CANARY", *(base64.b64encode(USER_DATA.encode())[n : n + 24] for n in (0, 12))]
    root = merged.parent.parent
    own = {site.lab.passphrase_file, merged.parent / "temp" / "passphrase"}
    files = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink() and p not in own]
    assert len(files) > 100
    read = {path: path.read_bytes() for path in files if path.stat().st_size < 2**24}
    assert {str(path): one for path, text in read.items() for one in secrets if one in text} == {}
    assert [one for one in secrets for text in site.said if one.decode() in text] == []


def machines(lab: Lab) -> list[str]:
    return sorted(name for host in lab.hypervisors for name in hypervisors.machines(host))


def test_a_signed_plan_is_applied_and_an_envelope_frees_sizes_alone(
    site: Site, merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in site.runner.environment.items():
        monkeypatch.setenv(name, value)
    project = find_project(merged, stack="lab", fleet=None)

    def now() -> datetime:
        return datetime.now(UTC).replace(microsecond=0)

    def previewed(slots: tuple[str, ...], **warm: Any) -> PlanFile:
        sections = configuration(site.lab, slots=slots)
        sections["warm"]["launch"] |= warm
        plan = write_plan(merged, site.lab, sections)
        found = preview_plan(project, plan, path=project.plan_file, refresh=True, now=now())
        assert found.verdict != "refused", found.headline() + str(found.violations)
        return found.plan

    key, allowed, file = tmp_path / "ann", tmp_path / "allowed", tmp_path / "approved.yaml"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    allowed.write_text(f"ann@example.com {key.with_suffix('.pub').read_text()}")
    approve_plan(project, previewed(("hv-1",)), path=project.plan_file, key=key, now=now())
    signed = read_plan(project.plan_file)
    approval = approval_of(signed, allowed=allowed, required=True)
    assert approval.startswith("approved by ann@example.com with key SHA256:")
    apply_plan(project, signed, now=now(), progress=site.said.append, approval=approval)
    assert machines(site.lab) == ["hot-hv-1-001"]

    file.write_text(
        "approved_by: ann\nuntil: 2099-01-01T00:00:00Z\ntiers: {hot: {max: 2}, warm: {max: 4}, cold: {max: 3}}\n"
    )
    envelope = bind_envelope(project, previewed(("hv-1",)), path=file, now=now())
    more = previewed(("hv-1", "hv-10"))
    assert held_by(project, more, envelope, now=now()) == []
    apply_plan(project, more, now=now(), progress=site.said.append, approval="within the envelope")
    assert machines(site.lab) == ["hot-hv-1-001", "hot-hv-10-001"]
    other = previewed(("hv-1",), keyName="mallory")
    said = "tiercast:warm.launch.keyName was added after the envelope was approved"
    assert held_by(project, other, envelope, now=now()) == [said]
    previewed(("hv-1", "hv-10"))  # what the next test starts from


def test_a_host_that_does_not_answer_is_left_alone_and_its_namesake_is_not(
    site: Site, merged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in site.runner.environment.items():
        monkeypatch.setenv(name, value)
    write_plan(merged, site.lab, configuration(site.lab, slots=()))
    engine = Engine(root=merged, stack="lab", project="tiercast", environment={})
    everything = {step.name for step in engine.preview().changed}
    assert everything == {"hot-hv-1-001", "hot-hv-10-001"}
    left = exclusions(["hv-1"], {}, engine.state())
    assert {step.name for step in engine.preview(exclude=left).changed} == {"hot-hv-10-001"}
