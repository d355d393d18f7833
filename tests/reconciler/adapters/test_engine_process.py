"""How the engine's CLI is started and ended, with a shell script in place of the CLI."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pulumi.automation as automation
import pytest

from reconciler.adapters import engine_process
from reconciler.adapters.engine_process import EngineCommand, engine_command
from reconciler.errors import Unavailable, UserError

CLI = """#!/bin/sh
case "$1" in version) echo v3.259.0; exit 0;; esac
shift
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "pulumi"
    path.write_text(CLI)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return path


def run(cli: Path, body: str) -> automation.CommandResult:
    cli.write_text(CLI + body)
    return EngineCommand().run(["stack", "ls"], str(cli.parent), {"GIVEN": "one"})


def interrupted(cli: Path, body: str, *, times: int = 1) -> float:
    """Run a script and interrupt it as Ctrl-C does, so many times; how long it took from the first one."""
    ready, first = cli.parent / "ready", [0.0]

    def interrupt() -> None:
        for _ in range(500):
            if ready.exists():
                break
            time.sleep(0.01)
        first[0] = time.monotonic()
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(cli, body)
    took = time.monotonic() - first[0]
    thread.join()
    return took


def test_output_and_environment_are_those_of_the_cli(cli: Path) -> None:
    found = run(cli, 'echo "$@ $GIVEN $PULUMI_AUTOMATION_API"; echo warned >&2')
    assert (found.stdout, found.stderr, found.code) == ("stack ls one true", "warned", 0)


def test_a_failed_command_is_the_error_of_the_automation_api(cli: Path) -> None:
    with pytest.raises(automation.CommandError, match="went wrong"):
        run(cli, "echo went wrong >&2; exit 1")


def test_it_has_a_process_group_of_its_own(cli: Path) -> None:
    found = run(cli, 'cut -d " " -f 5 /proc/$$/stat; echo $$')
    group, pid = found.stdout.split()
    assert group == pid


def test_an_interruption_is_one_sigint_and_the_cli_ends_by_itself(cli: Path) -> None:
    body = "trap 'echo x >> got; sleep 0.3; echo done > ended; exit 8' INT\n: > ready\nwhile :; do sleep 0.05; done\n"
    assert interrupted(cli, body) >= 0.3
    assert (cli.parent / "got").read_text() == "x\n"
    assert (cli.parent / "ended").exists()


def test_a_cli_that_does_not_end_is_killed(cli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "GRACE", 0.3)
    assert interrupted(cli, "trap '' INT\n: > ready\nwhile :; do sleep 0.05; done\n") < 10.0


def test_another_interruption_while_it_ends_kills_it(cli: Path) -> None:
    assert interrupted(cli, "trap '' INT\n: > ready\nwhile :; do sleep 0.05; done\n", times=2) < 10.0


def test_a_command_that_waits_for_what_no_longer_answers_is_ended_and_says_what_it_is(
    cli: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_process, "WATCH_EVERY", 0.2)
    monkeypatch.setattr(engine_process, "GRACE", 0.5)
    cli.write_text(CLI + "trap '' INT\nwhile true; do sleep 0.1; done\n")
    asked: list[int] = []

    def watch() -> str:
        asked.append(1)
        return "" if len(asked) == 1 else "Hypervisors no longer answer: hv-b (no answer within 10 s)."

    with pytest.raises(Unavailable, match=r"hv-b \(no answer"):
        engine_command(watch).run(["up"], str(cli.parent), {})
    assert len(asked) == 3, "one silence may pass; two in a row end the command"


def test_a_watch_that_hears_everything_disturbs_nothing(cli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "WATCH_EVERY", 0.1)
    cli.write_text(CLI + "sleep 0.5\necho done\n")
    assert engine_command(lambda: "").run(["up"], str(cli.parent), {}).stdout == "done"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "The pulumi CLI is not on PATH."),
        ("exit 127\n", "The pulumi CLI does not run:"),
        ("echo v3.10.0\n", "The pulumi CLI is too old: it is 3.10.0, expected 3.170.0 or newer."),
        ("echo v2.0.0\n", "The pulumi CLI"),
    ],
)
def test_an_engine_that_is_missing_broken_or_too_old_is_told_in_one_sentence(
    cli: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str
) -> None:
    if script is None:
        cli.unlink()
        monkeypatch.setenv("PATH", str(cli.parent))
    else:
        cli.write_text(f"#!/bin/sh\n{script}")
    with pytest.raises(UserError) as refused:
        engine_command(None)
    assert str(refused.value).startswith(said)
    assert "tiercast doctor" in refused.value.remedy
