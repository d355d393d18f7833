"""tiercast train, forecast, score and explain-forecast: on a small project, as text and as JSON, with exit codes."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.reconciler.cli.command_cases import document, run

START = datetime(2024, 1, 1, tzinfo=UTC)
FLEET = """
step: 1h
horizon: 4h
history: {paths: [demand.csv], window: 4w}
calendar: {timezone: Europe/Berlin, country: DE}
qos:
  gold: {latency: 300ms, tiers: [cold]}
  bronze: {latency: 3s, tiers: [cold]}
applications:
  - {match: shop, qos: gold, service_time: 100ms}
  - {match: "*", qos: bronze}
tiers:
  cold:
    instance_types: [m6i.large]
    launch: {image_id: ami-1, zones: [us-east-1a]}
"""


def history(hours: int) -> list[str]:
    rng = np.random.default_rng(0)
    wave = 1 + 0.6 * np.sin(2 * np.pi * np.arange(400) / 24)
    rows = []
    for user, application, level in (("ann", "shop", 60), ("bob", "shop", 20), ("ann", "mail", 30)):
        counts = rng.poisson(level * wave)
        rows += [f"{(START + timedelta(hours=h)).isoformat()},{user},{application},{counts[h]}" for h in range(hours)]
    return rows


def write_history(project: Path, hours: int) -> None:
    lines = ["timestamp,user_id,application_id,requests", *history(hours)]
    (project / "demand.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a project, a fleet and ten days of history, in which commands run."""
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    write_history(tmp_path, 240)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    monkeypatch.setenv("COLUMNS", "140")
    return tmp_path


def test_train_keeps_a_model_and_forecast_uses_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = document(capsys, "train")
    assert trained["trained_until"] == "2024-01-11T00:00:00Z"
    assert {row["name"] for row in trained["series"]} >= {"mail", "shop"}
    assert trained["quality"]["rows"] == 720
    assert trained["lstm"].startswith("20 series of 14 days are needed, 0 have them"), "ten days teach a net nothing"
    assert (project / ".tiercast" / "dev" / "models" / "current").read_text().strip() == trained["version"]
    forecast = document(capsys, "forecast")
    assert [row["name"] for row in forecast["rows"]] == ["mail", "shop"]
    assert forecast["timestamps"][0] == "2024-01-11T00:00:00Z"
    assert len(forecast["timestamps"]) == 4
    labels = document(capsys, "forecast", "--level", "label")
    assert [row["name"] for row in labels["rows"]] == ["bronze", "gold"]


def test_newer_history_is_taken_in_and_scored(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train") == 0
    write_history(project, 243)
    forecast = document(capsys, "forecast")
    assert forecast["cutoff"] == "2024-01-11T02:00:00Z"
    assert forecast["update"]["scored"] >= 6
    assert document(capsys, "forecast")["update"] is None
    explained = document(capsys, "explain-forecast", "shop")
    assert explained["series"][0]["score"]["steps"] == 3
    assert explained["quality"]["rows"] == 729


def test_all_quantiles_go_to_the_fixed_csv(project: Path) -> None:
    assert run("train") == 0
    assert run("forecast", "--out", "f.csv") == 0
    rows = list(csv.DictReader((project / "f.csv").read_text().splitlines()))
    assert list(rows[0]) == ["timestamp", "application_id", "cutoff", "quantile", "value"]
    assert len(rows) == 2 * 4 * 22
    assert {row["cutoff"] for row in rows} == {"2024-01-10T23:00:00Z"}
    assert run("forecast", "--level", "pair", "--out", "p.csv") == 0
    pairs = list(csv.DictReader((project / "p.csv").read_text().splitlines()))
    assert {(row["user_id"], row["application_id"]) for row in pairs} == {
        ("ann", "shop"),
        ("bob", "shop"),
        ("ann", "mail"),
    }


def test_one_user_is_predicted_in_requests_and_resources(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train") == 0
    words = ("forecast", "--user", "ann", "--application", "shop", "--at", "2024-01-11T02:30Z")
    one = document(capsys, *words)
    assert one["timestamp"] == "2024-01-11T02:00:00+00:00"
    assert one["vcpu"][10] == pytest.approx(one["requests"][10] * 0.1 / 3600, abs=1e-6)
    assert run(*words) == 0
    assert "ann on shop" in capsys.readouterr().out


def test_the_past_is_scored_step_by_step(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "score", "--days", "2")
    assert [(row["series"], row["ahead"], row["steps"]) for row in found["series"][:2]] == [
        ("shop", "2 h", 48),
        ("shop", "1 d", 26),
    ]
    assert 0 < found["series"][0]["weighted_quantile_loss"] < 0.5
    assert set(found["series"][0]["coverage"]) == {"0.5", "0.8", "0.9", "0.98"}
    assert run("score", "--days", "2") == 0


def test_an_explanation_names_models_calendar_and_costs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train") == 0
    capsys.readouterr()
    assert run("explain-forecast", "shop") == 0
    said = capsys.readouterr().out
    assert "known steps" in said
    assert "0.1 vCPU-s" in said
    row, *users = document(capsys, "explain-forecast", "shop")["series"]
    assert [user["series"] for user in users] == ["ann × shop", "bob × shop"], "large enough to be modelled themselves"
    assert (row["series"], row["settings"]) == ("shop", {"near": "default"})
    assert run("explain-forecast", "nothing") == 1
    assert "nothing has the name 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("forecast",), 1, "holds no kept model; run `tiercast train` first"),
        (("forecast", "--user", "ann"), 64, "belong together"),
        (("forecast", "--level", "pair"), 64, "add --out FILE.csv"),
        (("forecast", "--level", "galaxy"), 64, "galaxy"),
        (("score", "--days", "400"), 1, "too few to score 400 days"),
        (("train", "--cluster", "tcp://127.0.0.1:9"), 1, "does not answer"),
    ],
)
def test_a_mistake_is_one_sentence_and_its_exit_code(
    project: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert run(*words) == code
    found = capsys.readouterr().err
    assert said in found
    assert "Traceback" not in found


def test_a_model_that_knows_the_future_is_not_used_for_a_replay(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train") == 0
    assert run("forecast", "--as-of", "2024-01-09T00:00Z") == 1
    assert "run `tiercast train --as-of 2024-01-09T00:00:00+00:00` first" in capsys.readouterr().err


def test_a_damaged_history_stops_before_anything_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "demand.csv").write_text("timestamp,user_id,application_id,requests\nsoon,u,a,1\n")
    assert run("train") == 1
    assert "demand.csv: 1 of 1 rows can't be read" in capsys.readouterr().err
    assert not (project / ".tiercast" / "dev" / "models").exists()


def test_processes_fit_the_same_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = document(capsys, "train")
    digest = document(capsys, "forecast")["digest"]
    there = document(capsys, "train", "--jobs", "2")
    assert here["series"] == there["series"]
    assert document(capsys, "forecast")["digest"] == digest


def test_an_application_named_after_escape_sequences_moves_no_cursor(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project / "demand.csv").read_text()
    (project / "demand.csv").write_text(text.replace(",shop,", ",\x1b[2J[red]shop,").replace(",mail,", ",\x9b31m,"))
    for words in (("train",), ("forecast",), ("explain-forecast",), ("score", "--days", "2")):
        assert run(*words) == 0
        said = "".join(capsys.readouterr())
        assert "\x1b" not in said
        assert "\x9b" not in said
        assert "�[2J[red]shop" in said.replace("\n", "") or words == ("explain-forecast",), "nothing is taken as markup"
    assert run("explain-forecast", "\x1b[31mnone") == 1
    assert "\x1b" not in capsys.readouterr().err
