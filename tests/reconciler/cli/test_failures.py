"""How a command reports an error: text on standard error and, with --json, one document on standard output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from reconciler.adapters.stopping import Stopping
from reconciler.cli import failures, plan, up
from reconciler.cli import reconcile as command
from reconciler.cli import root as program
from reconciler.errors import EngineError, InputError, PolicyRefused, SourceSilent, TiercastError, Unavailable
from reconciler.loop import RunResult
from tests.reconciler.cli.command_cases import enter_project, run

SILENT = SourceSilent("/mnt/h.csv: Stale file handle.")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter_project(tmp_path, monkeypatch, horizon="3h")
    return tmp_path


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the error's document, and the text of a command that fails with --json."""
    capsys.readouterr()
    code = run(*words)
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert set(document) == {"error"}
    assert out.count("\n") == 1
    return code, document["error"], err


def test_with_json_a_wrong_file_is_a_document_with_its_place_and_remedy(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "fleet.yaml").unlink()
    code, error, text = failed(capsys, "plan", "--json")
    assert code == error["exit_code"] == 1
    assert (error["kind"], error["retryable"], error["remedy"]) == ("InputError", False, "Check the path.")
    assert error["location"].endswith("fleet.yaml")
    assert text == f"error: {error['message']}\n"


def test_without_json_standard_output_stays_empty(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "fleet.yaml").unlink()
    assert run("plan") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--json", "--nothing"),
        ("nothing", "--json"),
        ("plan", "--as-of", "soon", "--json"),
        ("plan", "--what-if", "rain", "--json"),
        ("policy", "test", "--json"),
        ("policy", "--json"),
        ("--json",),
    ],
)
def test_with_json_wrong_usage_is_a_document_and_64(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, error, text = failed(capsys, *words)
    assert code == error["exit_code"] == 64
    assert error["kind"] == "UsageError"
    assert "--help" in error["remedy"]
    assert error["message"].split(" See ")[0] in " ".join(text.split())


@pytest.mark.parametrize("words", [("backtest", "--json", "S.json"), ("plan", "--nothing"), ("plan", "--", "--json")])
def test_where_standard_output_was_not_to_be_json_an_error_is_text_alone(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err


def raising(raised: BaseException) -> Any:
    def fails(*_: object, **__: object) -> None:
        raise raised

    return fails


def test_a_refusal_lists_its_violations(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "read_plan", raising(PolicyRefused(["cost: too much", "spread: too few zones"])))
    code, error, _ = failed(capsys, "up", "--yes", "--json")
    assert code == error["exit_code"] == 3
    assert error["violations"] == ["cost: too much", "spread: too few zones"]


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_130(
    raised: BaseException, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "make_plan", raising(raised))
    code, error, text = failed(capsys, "plan", "--json")
    assert code == error["exit_code"] == 130
    assert error["kind"] == "Interrupted"
    assert "interrupted" in text


def test_a_bug_keeps_its_traceback_and_is_a_document_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "make_plan", raising(ZeroDivisionError("by zero")))
    with pytest.raises(ZeroDivisionError):
        program_main("plan", "--json")
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"].startswith("ZeroDivisionError: by zero")
    assert "bug in tiercast" in error["remedy"]


def program_main(*words: str) -> None:
    from reconciler.cli import main

    main(list(words))


def test_json_is_found_in_every_command_that_prints_it() -> None:
    context = click.Context(program)
    for name in program.list_commands(context):
        found = program.get_command(context, name)
        assert found is not None
        assert failures.wants_json(program, [name, "--json"]) == (name != "backtest")


class Runs:
    """`reconcile_once` in the tests: raises or returns what is listed, one per run."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.left = list(outcomes)
        self.pauses: list[float] = []

    def wait(self, _: object, seconds: float) -> bool:
        """Pauses of no length; nobody asks to stop."""
        if seconds:
            self.pauses.append(seconds)
        return False

    def __call__(self, *_: object, **__: object) -> RunResult:
        found = self.left.pop(0)
        if found is not None:
            raise found
        return RunResult(plan=Plan())  # type: ignore[arg-type]


class Plan:
    id = "p1"
    tiers = ()


def repeated(monkeypatch: pytest.MonkeyPatch, *outcomes: Exception | None) -> Runs:
    runs = Runs(*outcomes)
    monkeypatch.setattr(command, "reconcile_once", runs)
    monkeypatch.setattr(Stopping, "wait", lambda self, seconds: runs.wait(self, seconds))
    return runs


@pytest.mark.parametrize(
    "error", [SILENT, Unavailable("Hypervisors do not answer (hv-a: no answer within 10 s).")], ids=["source", "host"]
)
def test_a_run_that_meets_silence_is_followed_by_the_next_one(
    error: TiercastError, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = repeated(monkeypatch, error, None, error, None)
    assert run("reconcile", "--every", "5m", "--runs", "4", "--json") == 0
    out, err = capsys.readouterr()
    assert runs.left == []
    assert [round(pause) for pause in runs.pauses] == [300, 600, 900]  # the clock itself hardly moves here
    assert f"run 1 of 4 failed: {error} The next run starts in 0:05:00." in " ".join(err.split())
    documents = [json.loads(line) for line in out.splitlines()]
    assert ["error" in document for document in documents] == [True, False, True, False]
    assert documents[0]["error"]["retryable"]


def test_the_last_run_promises_no_next_one_and_ends_with_the_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = repeated(monkeypatch, SILENT, SILENT)
    assert run("reconcile", "--every", "5m", "--runs", "2") == 1
    assert runs.left == []
    err = capsys.readouterr().err
    assert err.count("The next run starts") == 1
    assert err.endswith(f"error: {SILENT}\n")
    repeated(monkeypatch, SILENT)
    assert run("reconcile") == 1
    assert "next run" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        InputError("fleet.yaml", "not valid YAML.", "Fix that line."),
        EngineError("The engine stopped: error: x"),
        ZeroDivisionError("by zero"),
    ],
)
def test_what_a_person_must_see_to_is_reported_and_the_next_run_tries_again(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = repeated(monkeypatch, error, None)
    assert run("reconcile", "--every", "5m", "--runs", "2", "--json") == 0
    assert runs.left == []
    err = capsys.readouterr().err
    assert f"run 1 of 2 failed: {failures.as_error(error)} The next run starts in 0:05:00." in " ".join(err.split())
    assert ("Traceback" in err) == (not isinstance(error, TiercastError))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--every", "soon"), "--every: expected a duration"),
        (("--every", "5"), "--every: expected a duration such as 250ms, 30s, 5m, 1h or 2d, found '5'"),
        (("--every", "0s"), "--every must be longer than 0, or --runs must be given"),
        (("--every", "5m", "--jitter", "5m"), "--jitter 0:05:00 must be shorter than --every 0:05:00"),
        (("--every", "5m", "--run-timeout", "0s"), "--run-timeout must be longer than 0"),
        (("--metrics", "127.0.0.1:9464"), "--metrics needs --every"),
        (("--every", "5m", "--metrics", "9464"), "expected HOST:PORT, such as 127.0.0.1:9464"),
    ],
)
def test_wrong_options_end_the_service_before_its_first_run(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated(monkeypatch)
    assert run("reconcile", *words) == 64
    assert said in " ".join(capsys.readouterr().err.split())
