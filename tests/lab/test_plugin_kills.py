"""The lab's plugins kill a process at a chosen moment of a call, once, and only where they are told to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.plugins.killing import VARIABLE, Moment, Plot, moments

DOMAIN = "urn:pulumi:lab::tiercast::libvirt:index/domain:Domain::hot-hv-a-001"
CALL = """
import sys
from pathlib import Path
from lab.plugins.killing import moments
replies = []
with moments("create", sys.argv[1], replies.append):
    Path(sys.argv[2]).touch()
for reply in replies:
    reply()
"""


def plot(moment: Moment) -> Plot:
    return Plot(operation="create", type=":Domain", name="hv-a", moment=moment, victim="plugin")


@pytest.mark.parametrize(("moment", "happened"), [("call", False), ("effect", True), ("reply", True)])
def test_the_plugin_dies_at_the_moment_and_only_once(tmp_path: Path, moment: Moment, happened: bool) -> None:
    file, effect = tmp_path / "plot.json", tmp_path / "effect"
    file.write_text(json.dumps(asdict(plot(moment))), encoding="utf-8")
    call = (sys.executable, "-c", CALL, DOMAIN, str(effect))
    given = {VARIABLE: str(file), "PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run(call, env=given, timeout=60, check=False).returncode == -signal.SIGKILL
    assert effect.exists() == happened
    assert subprocess.run(call, env=given, timeout=60, check=False).returncode == 0
    assert effect.exists()
    assert (tmp_path / "plot.json.done").exists()


@pytest.mark.parametrize(
    ("operation", "urn"),
    [
        ("update", DOMAIN),
        ("create", DOMAIN.replace("hv-a", "hv-b")),
        ("create", DOMAIN.replace(":Domain", ":Volume")),
    ],
)
def test_other_calls_do_not_fit(operation: str, urn: str) -> None:
    assert plot("call").fits("create", DOMAIN)
    assert not plot("call").fits(operation, urn)


def test_nothing_happens_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    replies: list[object] = []
    with moments("create", DOMAIN, replies.append):
        pass
    assert replies == []
