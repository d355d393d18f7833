"""`tiercast backtest --pool` writes the fixed files, and says in one sentence what it can't use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reconciler.cli import main


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(9)
    at = pd.date_range("2024-01-01", periods=24 * 12, freq="h", tz="UTC")
    load = np.round(
        200 * (1.3 + np.sin(2 * np.pi * np.arange(len(at)) / 24)) * np.exp(0.1 * rng.standard_normal(len(at)))
    )
    path = tmp_path_factory.mktemp("history") / "h.csv"
    frame = pd.DataFrame({"timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "user_id": "u", "application_id": "shop"})
    frame.assign(requests=load).to_csv(path, index=False)
    return path


def _run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["backtest", *arguments])
    return int(stop.value.code or 0)


def test_one_pass_writes_allocations_per_ask_forecasts_and_a_summary(history: Path, tmp_path: Path) -> None:
    code = _run(
        (
            f"--history {history} --pool --unit 20 --lead 1 --ask 1% --ask 0.001 --from 2024-01-09T00:00:00Z "
            f"--allocations {tmp_path / 'A.csv'} --forecasts {tmp_path / 'F.csv'} --json {tmp_path / 'S.json'}"
        ).split()
    )
    assert code == 0
    loose, tight = pd.read_csv(tmp_path / "A.1%.csv"), pd.read_csv(tmp_path / "A.0.001.csv")
    assert list(loose.columns) == ["timestamp", "application_id", "count"]
    assert loose.timestamp[0] == "2024-01-09T00:00:00Z"
    assert len(loose) == 96 + 2  # every step to the end, and the two that can be decided beyond it
    assert tight["count"].sum() > loose["count"].sum()
    forecast = pd.read_csv(tmp_path / "F.csv")
    ahead = pd.to_datetime(forecast.timestamp) - pd.to_datetime(forecast.cutoff)
    assert set(ahead) == {pd.Timedelta("2h"), pd.Timedelta("24h")}
    rows = json.loads((tmp_path / "S.json").read_text())["rows"]
    assert [row["promised_share"] for row in rows] == [0.01, 0.001]
    assert rows[0]["cost"] == loose["count"][:96].sum()
    # Each start is billed for the one step that it boots.
    assert rows[0]["cost_with_boots"] == rows[0]["cost"] + loose["count"][:96].diff().clip(lower=0).sum()


def test_a_fixed_risk_is_a_knob_without_a_promise(history: Path, tmp_path: Path) -> None:
    code = _run(
        (
            f"--history {history} --pool --unit 20 --risk 0.5 --risk 1% --from 2024-01-09T00:00:00Z "
            f"--allocations {tmp_path / 'A.csv'} --json {tmp_path / 'S.json'}"
        ).split()
    )
    assert code == 0
    loose, tight = pd.read_csv(tmp_path / "A.risk-0.5.csv"), pd.read_csv(tmp_path / "A.risk-1%.csv")
    assert tight["count"].sum() > loose["count"].sum()
    rows = json.loads((tmp_path / "S.json").read_text())["rows"]
    assert [(row["setting"], row["promised_share"]) for row in rows] == [("risk-0.5", None), ("risk-1%", None)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--unit": "0"}, "--unit"),
        ({"--ask": "150%"}, "is not a share"),
        ({"--risk": "0"}, "--risk '0' is not a share"),
        ({"--from": "yesterday"}, "ISO 8601"),
        ({"--from": "2030-01-01T00:00:00Z"}, "choose a time inside the history"),
        ({"--from": "2024-01-09T00:00:00"}, "has no time zone"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], said: str
) -> None:
    options = {"--history": str(history), "--unit": "20", "--ask": "1%", "--from": "2024-01-09T00:00:00Z"}
    options |= {"--allocations": str(tmp_path / "A.csv"), **change}
    assert _run(["--pool", *[part for pair in options.items() for part in pair]]) == 64
    assert said in capsys.readouterr().err
    assert not (tmp_path / "A.csv").exists()
