"""The main job with the real engine, hypervisors and cloud: the demonstration, and what a person does after it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lab import hypervisors, paths, sights, up
from lab.env import environment
from lab.model import Lab
from lab.session import running

pytestmark = [pytest.mark.engine, pytest.mark.lab]

ROOT = Path(__file__).resolve().parents[2]


def call(lab: Lab, *command: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment(lab)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def tiercast(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call(lab, sys.executable, "-m", "reconciler.cli", *arguments)


@pytest.fixture(scope="module")
def shown() -> Iterator[tuple[Lab, str]]:
    """The lab after one demonstration, and what that printed; left running only where it ran before."""
    with running(ROOT, keep=up.status(paths.lab_directory(ROOT)).up) as lab:
        done = tiercast(lab, "lab", "demo")
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield lab, done.stdout


def test_the_demonstration_shows_forecast_preview_machines_and_refusals(shown: tuple[Lab, str]) -> None:
    lab, text = shown
    for words in ("$ tiercast plan", "$ tiercast preview", "$ tiercast up --approved", "hello from hot-hv-a-001"):
        assert words in text
    assert "refused by cost-ceiling" in text
    assert "refused by latency-slo" in text
    assert "exit 3 both times; machines and groups did not change" in text
    assert all(state for h in lab.hypervisors for state in hypervisors.machines(h).values())


def test_what_runs_is_what_the_stack_file_says(shown: tuple[Lab, str]) -> None:
    lab, _ = shown
    plan = json.loads((ROOT / ".tiercast" / lab.stack / "plan.json").read_text(encoding="utf-8"))
    wanted = {f"hot-{s['hypervisor']}-{s['number']:03d}" for s in plan["config"]["tiercast:hot"]["slots"]}
    assert {name for h in lab.hypervisors for name in hypervisors.machines(h)} == wanted
    account = sights.account(lab)
    warm = plan["config"]["tiercast:warm"]["groups"][0]
    group = next(g for g in account.groups if g.name.startswith("warm-"))
    assert (group.min, group.max) == (warm["size"]["min"], warm["size"]["max"])
    assert group.prepared == warm["pool"]["maxGroupPreparedCapacity"]
    assert account.reservations == (
        sights.SeenReservation(type="c6i.large", zone="us-east-1a", count=1, state="active"),
    )


def test_the_plain_cli_previews_no_change_and_runs_the_policy_pack(shown: tuple[Lab, str]) -> None:
    lab, _ = shown
    done = call(lab, "pulumi", "preview", "--non-interactive", "--expect-no-changes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tiercast@v" in done.stdout, "the policy pack's name and version are printed when it ran"
    assert call(lab, "pulumi", "up", "--yes", "--non-interactive").returncode == 0


def test_a_machine_destroyed_by_hand_is_seen_and_started_again(shown: tuple[Lab, str]) -> None:
    lab, _ = shown
    host = lab.hypervisors[0]
    name = sorted(hypervisors.machines(host))[0]
    assert call(lab, "virsh", "--connect", host.uri, "destroy", name).returncode == 0
    seen = call(lab, "pulumi", "preview", "--refresh", "--non-interactive", "--diff")
    assert "running" in seen.stdout, seen.stdout
    assert call(lab, "pulumi", "up", "--refresh", "--yes", "--non-interactive").returncode == 0
    assert hypervisors.machines(host)[name]


def test_an_approved_plan_is_refused_after_the_file_was_edited(shown: tuple[Lab, str]) -> None:
    lab, _ = shown
    plan = ROOT / ".tiercast" / lab.stack / "plan.json"
    assert tiercast(lab, "preview").returncode == 0
    stack_file = ROOT / f"Pulumi.{lab.stack}.yaml"
    kept = stack_file.read_text(encoding="utf-8")
    try:
        stack_file.write_text(kept.replace("us-east-1a", "us-east-1c", 1), encoding="utf-8")
        done = tiercast(lab, "up", "--approved", str(plan))
    finally:
        stack_file.write_text(kept, encoding="utf-8")
    assert done.returncode in (1, 3)
    assert "Traceback" not in done.stderr


def test_past_valid_until_the_program_itself_refuses(shown: tuple[Lab, str]) -> None:
    lab, _ = shown
    stack_file = ROOT / f"Pulumi.{lab.stack}.yaml"
    kept = stack_file.read_text(encoding="utf-8")
    lines = [
        "    validUntil: '2020-01-01T00:00:00Z'" if line.strip().startswith("validUntil:") else line
        for line in kept.splitlines()
    ]
    try:
        stack_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = call(lab, "pulumi", "up", "--yes", "--non-interactive", "--skip-preview")
    finally:
        stack_file.write_text(kept, encoding="utf-8")
    assert done.returncode != 0
    assert "a stale file must not resize a fleet" in done.stdout + done.stderr


def by_hand(lab: Lab, *, low: int, high: int) -> subprocess.CompletedProcess[str]:
    """`pulumi up` of the warm group with other bounds, by a person who passes no policy pack."""
    stack_file = ROOT / f"Pulumi.{lab.stack}.yaml"
    kept = stack_file.read_text(encoding="utf-8")
    yaml = YAML()
    data: Any = yaml.load(kept)
    group = data["config"]["tiercast:warm"]["groups"][0]
    group["size"] = {"min": low, "desired": low, "max": high}
    group["pool"]["maxGroupPreparedCapacity"] = high
    out = io.StringIO()
    yaml.dump(data, out)
    variables = {k: v for k, v in environment(lab).items() if not k.startswith("PULUMI_OPTION_POLICY")}
    try:
        stack_file.write_text(out.getvalue(), encoding="utf-8")
        return subprocess.run(
            ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        stack_file.write_text(kept, encoding="utf-8")


def warm(lab: Lab) -> sights.SeenGroup:
    return next(g for g in sights.account(lab).groups if g.name.startswith("warm-"))


def test_under_floor_a_bound_that_passes_the_desired_size_moves_it(shown: tuple[Lab, str]) -> None:
    lab, _ = shown
    raised = by_hand(lab, low=4, high=6)
    assert raised.returncode == 0, raised.stdout + raised.stderr
    assert (warm(lab).min, warm(lab).desired, warm(lab).max) == (4, 4, 6)
    lowered = by_hand(lab, low=1, high=2)
    assert lowered.returncode == 0, lowered.stdout + lowered.stderr
    assert (warm(lab).min, warm(lab).desired, warm(lab).max) == (1, 2, 2)


def test_a_hypervisor_that_does_not_answer_is_left_alone_and_said(shown: tuple[Lab, str]) -> None:
    lab, _ = shown
    silent = lab.hypervisors[1]
    hypervisors.stop(lab, silent)
    try:
        planned = tiercast(lab, "plan", "--as-of", "2013-06-12T12:00Z")
        assert planned.returncode == 0, planned.stderr
        assert f"hypervisor {silent.name} does not answer" in " ".join(planned.stdout.split())
        applied = tiercast(lab, "reconcile", "--mode", "apply", "--as-of", "2013-06-12T12:00Z")
        assert applied.returncode == 0, applied.stdout + applied.stderr
    finally:
        up.up(ROOT)
    slots = YAML(typ="safe").load((ROOT / f"Pulumi.{lab.stack}.yaml").read_text(encoding="utf-8"))
    kept = [s for s in slots["config"]["tiercast:hot"]["slots"] if s["hypervisor"] == silent.name]
    assert {f"hot-{silent.name}-{s['number']:03d}" for s in kept} == set(hypervisors.machines(silent))
