"""Odd histories through the commands: each ends in a forecast with honest intervals or in one sentence, never a traceback."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.errors import HistoryError
from reconciler.adapters.history.read import read_history
from tests.reconciler.cli.command_cases import document, run

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEADER = "timestamp,user_id,application_id,requests"
FLEET = """
step: 1h
horizon: 4h
history: {paths: [demand.csv], window: 4w}
qos:
  gold: {latency: 300ms, tiers: [cold]}
applications: [{match: "*", qos: gold}]
tiers:
  cold: {instance_types: [m6i.large], launch: {image_id: ami-1, zones: [us-east-1a]}}
"""


def daily(hours: int, level: float = 50.0) -> np.ndarray:
    """A daily wave with Poisson noise."""
    wave = 1 + 0.6 * np.sin(2 * np.pi * np.arange(hours) / 24)
    return np.random.default_rng(0).poisson(level * wave).astype(float)


def rows(values: np.ndarray, user: str = "ann", application: str = "shop", start: datetime = START) -> list[str]:
    """Hourly rows of the series format; NaN is written as nothing."""
    said = ["" if np.isnan(value) else f"{value:g}" for value in values]
    return [f"{(start + k * HOUR).isoformat()},{user},{application},{text}" for k, text in enumerate(said)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a project and a fleet, in which commands run."""
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    monkeypatch.setenv("COLUMNS", "140")
    return tmp_path


def write(project: Path, lines: list[str], header: str = HEADER) -> None:
    """The history file."""
    (project / "demand.csv").write_text("\n".join([header, *lines]) + "\n")


def findings(trained: dict[str, Any]) -> dict[str, int]:
    """Kind → count of the data-quality summary."""
    return {finding["kind"]: finding["count"] for finding in trained["quality"]["findings"]}


ODD = {
    "constant": np.full(120, 7.0),
    "all zero": np.zeros(120),
    "one spike": np.where(np.arange(120) == 50, 1e6, daily(120)),
    "NaN-ridden": np.where(np.random.default_rng(1).random(120) < 0.6, np.nan, daily(120)),
    "all missing": np.full(120, np.nan),
    "level shift of 30 x": daily(120, 10) * np.where(np.arange(120) < 60, 1, 30),
    "1 row": np.array([5.0]),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_every_command_answers_about_an_odd_series(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write(project, rows(ODD[name]))
    assert document(capsys, "train")["quality"]["rows"] == len(ODD[name])
    (row,) = document(capsys, "forecast")["rows"]
    quantiles = np.array(row["quantiles"])
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    scored = 0 if len(ODD[name]) > 24 else 1
    for words, code in ((("forecast",), 0), (("explain-forecast",), 0), (("score", "--days", "1"), scored)):
        assert run(*words) == code
    if not scored:
        assert document(capsys, "score", "--days", "1")["series"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["series", "events"])
def test_rows_that_claim_to_be_of_the_future_are_left_out_and_said(
    project: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    far = "2999-01-01T00:00:00Z,ann,shop"
    if kind == "series":
        write(project, [*rows(daily(240)), f"{far},9"])
    else:
        events = [f"{(START + k * HOUR / 4).isoformat()},ann,shop" for k in range(4 * 240)]
        write(project, [*events, far], header="timestamp,user_id,application_id")
    trained = document(capsys, "train")
    assert trained["trained_until"] == "2024-01-11T00:00:00Z", "the history ends where the rest of the source does"
    assert findings(trained)["future"] == 1
    assert document(capsys, "forecast")["timestamps"][0] == "2024-01-11T00:00:00Z"
    assert run("train") == 0
    assert "future × 1" in capsys.readouterr().out


def test_a_history_of_nothing_but_the_future_is_refused_in_one_sentence(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, rows(daily(48), start=datetime(2999, 1, 1, tzinfo=UTC)))
    assert run("train") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: history: there is no demand before 20")
    assert said.count("\n") == 1


def test_the_step_that_is_running_is_not_over(tmp_path: Path) -> None:
    write(tmp_path, rows(daily(6)))
    found = read_history([tmp_path / "demand.csv"], step=HOUR, now=START + 4.5 * HOUR)
    assert found.end == START + 4 * HOUR
    assert found.quality.count("future") == 1, "the step after it has not even begun"


def test_a_forecast_s_names_are_known_to_the_explanation(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    busy = [*rows(daily(240, 60)), *rows(daily(240, 40), user="bob"), *rows(daily(240, 30), application="mail")]
    small = [line for k in range(3) for line in rows(np.ones(240), user="eve", application=f"tool-{k}")]
    (project / "fleet.yaml").write_text(FLEET.replace("window: 4w", "window: 4w, series: 2"))
    write(project, [*busy, *small])
    assert run("train") == 0

    def explained(name: str) -> set[str]:
        return {row["series"] for row in document(capsys, "explain-forecast", name)["series"]}

    assert explained("shop") == {"shop", "ann × shop", "bob × shop", "all of gold"}
    assert explained("tool-1") == explained("eve") == {"rest of gold", "all of gold"}
    assert explained("all of gold") == {"all of gold"}
    assert explained("rest of gold") == {"rest of gold"}
    assert explained("bob × shop") == {"bob × shop"}
    assert explained("gold") == explained("total") >= {"shop", "mail", "rest of gold", "all of gold"}
    for level in ("series", "node", "user", "label", "application", "total"):
        for row in document(capsys, "forecast", "--level", level)["rows"]:
            assert explained(row["name"])
    assert run("explain-forecast", "nobody") == 1
    assert "nothing has the name 'nobody'" in capsys.readouterr().err


def test_parameters_that_are_no_json_cost_nothing_but_are_counted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ['"{""size"": 3}"', '"{broken"', "--size=3", '"[1, 2]"', ""]
    events = [f"{(START + k * HOUR / 5).isoformat()},ann,shop,render,{said[k % 5]},0.25" for k in range(5 * 48)]
    write(project, events, header="timestamp,user_id,application_id,program,parameters,cpu_seconds")
    trained = document(capsys, "train")
    assert findings(trained) == {"parameters": 3 * 48}, "nothing at all is not unreadable"
    assert trained["costs"] == {"shop": "measured"}
    assert findings(document(capsys, "explain-forecast"))["parameters"] == 3 * 48
    one = document(capsys, "forecast", "--user", "ann", "--application", "shop", "--at", "2024-01-03T00:30Z")
    assert one["vcpu"][10] == pytest.approx(one["requests"][10] * 0.25 / 3600, rel=1e-3)


def test_steps_that_shed_load_uncounted_are_lower_bounds(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demand, limit = daily(240, 50), 60.0
    lines = [
        f"{(START + k * HOUR).isoformat()},ann,shop,{min(value, limit):g},{int(value > limit)}"
        for k, value in enumerate(demand)
    ]
    write(project, lines, header=f"{HEADER},shed")
    trained = document(capsys, "train")
    assert findings(trained) == {"censored": int((demand > limit).sum())}
    (row,) = document(capsys, "forecast", "--horizon", "12")["rows"]
    median = np.array(row["quantiles"])[:, 10]
    assert median.max() > limit + 5, "demand at noon was about 80 where 60 were served"


def test_whom_nobody_knows_is_answered_from_the_prior(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project, rows(np.full(240, 7.0)))
    assert run("train") == 0
    at = ("--at", "2024-01-11T02:30Z")
    for user, application in (("stranger", "shop"), ("ann", "unheard-of"), ("stranger", "unheard-of")):
        one = document(capsys, "forecast", "--user", user, "--application", application, *at)
        assert (one["model"], one["calibrated"]) == ("prior", False)
        assert "not in the history" in one["reason"]
        assert one["requests"][-2] > 3 * one["requests"][10] > 0, "wide, however steady the known user is"
        assert run("forecast", "--user", user, "--application", application, *at) == 0


def test_a_horizon_of_years_is_refused_in_one_sentence(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project, rows(daily(48)))
    assert run("train") == 0
    assert run("forecast", "--horizon", "100000") == 1
    assert "a horizon of 100000 steps of 1:00:00 is more than eight weeks" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["2024-01-03T05:00Z,ann", "2024-01-03T05:00Z,ann,shop,4,9"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_line_with_another_number_of_fields_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], line: str, suffix: str
) -> None:
    known = rows(daily(96))
    text = "\n".join([HEADER, *known[:50], line, *known[50:]]) + "\n"
    (project / f"odd{suffix}").write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    (project / "fleet.yaml").write_text(FLEET.replace("demand.csv", f"odd{suffix}"))
    assert run("train") == 1
    fields = line.count(",") + 1
    assert f"odd{suffix}: line 52 has {fields} fields where the header has 4; fix" in capsys.readouterr().err


def test_a_count_beyond_all_counts_is_missing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project, rows(np.where(np.arange(120) == 60, 1e300, daily(120))))
    assert findings(document(capsys, "train")) == {"negative": 1, "gap": 1}
    write(project, rows(daily(120) * 1e300))
    assert run("train") == 1
    assert "counts are negative or over 1e+18, the first for user ann" in capsys.readouterr().err


def test_ten_years_of_hours_are_read_whole_and_fitted_on_the_window_in_seconds(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, rows(daily(24 * 3650)))
    begin = time.perf_counter()
    trained = document(capsys, "train")
    assert time.perf_counter() - begin < 60
    assert trained["quality"]["rows"] == 24 * 3650
    assert trained["quality"]["steps"] == 24 * 28
    (row,) = document(capsys, "forecast")["rows"]
    assert row["calibrated"]


@pytest.mark.parametrize("how", ["cut short", "empty", "gone", "garbage", "a folder"])
def test_a_damaged_model_folder_is_one_sentence_whichever_file_is_hurt(
    project: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    write(project, rows(daily(48)))
    assert run("train") == 0
    models = project / ".tiercast" / "dev" / "models"
    for file in sorted(path for path in models.rglob("*") if path.is_file()):
        content = file.read_bytes()
        file.unlink()
        if how == "a folder":
            file.mkdir()
        elif how != "gone":
            hurt = {"cut short": content[: len(content) // 2], "empty": b"", "garbage": b"\xff\x00" + content[2:]}
            file.write_bytes(hurt[how])
        for command in ("forecast", "explain-forecast"):
            capsys.readouterr()
            assert run(command, "--json") == 1
            found = capsys.readouterr()
            assert json.loads(found.out)["error"]["kind"] == "ModelStoreError"
            assert found.err.count("\n") == 1
            assert "tiercast train" in found.err
        if file.is_dir():
            file.rmdir()
        file.write_bytes(content)
    assert run("forecast") == 0, "mended, it is the model that it was"


def test_a_header_that_holds_whole_rows_is_named_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    file.write_text(f'"timestamp\n2024-01-01;u;a;1\n{"x" * 300}",b,c\n1,2,3\n')
    with pytest.raises(HistoryError) as caught:
        read_history([file], step=timedelta(hours=1))
    assert "\n" not in str(caught.value)
    assert "it has timestamp 2024-01-01;u;a;1 xxxxxxxxxxxxx, b, c)" in str(caught.value)
