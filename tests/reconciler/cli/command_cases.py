"""How the tests run a command: the project that it runs in, its exit code, and what it prints with --json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main


def enter_project(folder: Path, monkeypatch: pytest.MonkeyPatch, *, horizon: str) -> None:
    """Go to a folder with a small hourly fleet over `demand.csv`, as its stack `dev`."""
    (folder / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (folder / "fleet.yaml").write_text(
        f"step: 1h\nhorizon: {horizon}\nhistory: {{paths: [demand.csv]}}\nqos: {{gold: {{latency: 300ms, tiers: [cold]}}}}\n"
        'applications: [{match: "*", qos: gold}]\n'
        "tiers: {cold: {instance_types: [m6i.large], launch: {image_id: ami-1, zones: [us-east-1a]}}}\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PULUMI_STACK", "dev")


def run(*words: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main(list(words))
    return int(done.value.code or 0)


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What a command prints with --json, which is JSON without NaN or infinities."""
    capsys.readouterr()
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert isinstance(found, dict)
    return found
