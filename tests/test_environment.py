"""The suite isolates itself: variables and programs of the shell that starts it change nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from environment import isolated

ROOT = Path(__file__).resolve().parents[1]
#: Tests that find a project and its fleet, read prices with an account's settings, ask programs on PATH, and print tables.
SENSITIVE = (
    "tests/reconciler/adapters/test_prices.py",
    "tests/reconciler/plan/test_recommend.py",
    "tests/policies/test_trial.py",
    "tests/lab/test_doctor.py",
)


def polluted(folder: Path) -> dict[str, str]:
    """A shell in which everything that can be chosen is chosen wrongly, and the first programs on PATH fail."""
    for name in ("pulumi", "virsh", "go", "python3"):
        program = folder / name
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    nowhere = {
        "PULUMI_STACK": "x",
        "PULUMI_HOME": "/nowhere",
        "PULUMI_BACKEND_URL": "file:///nowhere",
        "PULUMI_CONFIG": '{"tiercast:plan": "x"}',
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_OPTION_POLICY_PACK": "/nowhere",
        "PULUMI_OPTION_POLICY_PACK_CONFIG": "/nowhere.json",
        "TIERCAST_FLEET": "/nowhere/fleet.yaml",
        "AWS_PROFILE": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "LIBVIRT_DEFAULT_URI": "test:///nowhere",
        "COLUMNS": "20",
        "FORCE_COLOR": "1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")])),
    }
    return {**os.environ, **nowhere, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_a_polluted_shell_changes_no_result(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *SENSITIVE]
    done = subprocess.run(
        command, cwd=ROOT, env=polluted(tmp_path), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_what_chooses_for_the_caller_is_removed_and_where_caches_are_is_kept(tmp_path: Path) -> None:
    given = polluted(tmp_path) | {"HOME": "/home/someone", "XDG_CACHE_HOME": "/cache"}
    found = isolated(given)
    assert not [n for n in found if n.startswith(("PULUMI_", "TIERCAST_", "LIBVIRT_", "AWS_PROFILE", "AWS_ENDPOINT"))]
    assert str(tmp_path) not in found.get("PYTHONPATH", "")
    assert (found["HOME"], found["XDG_CACHE_HOME"]) == ("/home/someone", "/cache")
    folders = found["PATH"].split(os.pathsep)
    assert folders[0] == str(Path(sys.prefix) / "bin")
    assert str(tmp_path) not in folders
