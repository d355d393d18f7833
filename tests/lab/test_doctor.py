"""`tiercast doctor`: a part that is missing is named with its remedy, and the exit code says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lab import checks, paths
from reconciler.cli.doctor import doctor

ROOT = paths.repository_root()


def part(name: str, *, found: bool) -> checks.LabPart:
    return checks.LabPart(name=name, found=found, version="1.0" if found else "", why="runs", remedy=f"get {name}")


def test_nothing_missing_is_exit_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "check", lambda _root: [part("QEMU", found=True)])
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 0
    assert "1 of 1 parts are installed" in result.output


def test_something_missing_is_exit_1_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "check", lambda _root: [part("QEMU", found=True), part("Go", found=False)])
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 1
    assert "MISSING" in result.output
    assert "get Go" in result.output
    assert "get QEMU" not in result.output


def test_json_has_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "check", lambda _root: [part("QEMU", found=True), part("Go", found=False)])
    result = CliRunner().invoke(doctor, ["--json"])
    body = json.loads(result.output)
    assert result.exit_code == 1
    assert body["complete"] is False
    assert [(p["name"], p["found"]) for p in body["parts"]] == [("QEMU", True), ("Go", False)]


def test_a_lock_file_is_compared_pin_by_pin_for_this_platform() -> None:
    lock = (
        "# by uv\nclick==8.5.1 \\\n    --hash=sha256:00\n    # via x\nruamel-yaml==0.19.1 \\\n    --hash=sha256:00\n"
        "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:00\nmoto==5.2.5 \\\n    --hash=sha256:00\n"
    )
    assert checks.deviations(lock, {"click": "8.5.1", "ruamel-yaml": "0.19.1", "moto": "5.2.5"}) == []
    assert checks.deviations(lock, {"click": "8.5.0", "ruamel-yaml": "0.19.1"}) == [
        "click is 8.5.0, not ==8.5.1",
        "moto is missing",
    ]


def test_the_debian_packages_are_those_of_the_list() -> None:
    wanted = checks.wanted_packages((ROOT / "lab" / "packages.txt").read_text())
    assert wanted["busybox-static"] == "the machines' only program"
    assert len(wanted) == len(set(wanted)) >= 12


def test_this_machine_is_complete_after_the_set_up() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler.cli", "doctor", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    missing = [part["name"] for part in json.loads(done.stdout)["parts"] if not part["found"]]
    assert (done.returncode, missing) == (0, [])


def test_without_cli_and_go_the_engine_is_missing_and_both_ways_to_it_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = {part.name: part for part in checks._engine(ROOT)}
    assert not found["Pulumi CLI"].found
    assert not found["Go"].found
    assert "Pulumi's CLI" in found["Pulumi CLI"].remedy
    assert "Go 1.26" in found["Pulumi CLI"].remedy
    assert os.environ["PATH"] == str(tmp_path)
