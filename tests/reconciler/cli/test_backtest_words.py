"""What a backtest cannot honour is said: a history that is not there, prices and commitments that nobody is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli import main
from tests.reconciler.backtest.test_fleet_backtest import FLEET, START, frame


@pytest.mark.parametrize("mode", ["--pool --unit 5 --ask 1%", "--fleet {folder}/fleet.yaml --to 2024-01-08T02:00Z"])
def test_a_history_that_is_gone_is_told_as_the_option_that_named_it(
    mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    arguments = f"backtest --history {tmp_path}/gone.csv --from {START.isoformat()} --allocations {tmp_path}/A.csv"
    with pytest.raises(SystemExit) as stop:
        main([*arguments.split(), *mode.format(folder=tmp_path).split()])
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert f"--history {tmp_path}/gone.csv: no such file or folder" in said
    assert "`history` in fleet.yaml" not in said


@pytest.mark.parametrize("columns", ["time,user_id,application_id,requests", "timestamp,user_id,application_id,cpu"])
def test_a_pool_has_no_fleet_file_to_mend_columns_in(
    columns: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "h.csv").write_text(f"{columns}\n2024-01-01T00:00:00Z,u,a,1\n")
    arguments = f"backtest --pool --unit 5 --ask 1% --from 2024-01-02T00:00Z --history {tmp_path}/h.csv"
    with pytest.raises(SystemExit) as stop:
        main([*arguments.split(), "--allocations", str(tmp_path / "A.csv")])
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}/h.csv: has " in said
    assert "fleet.yaml" not in said


def test_a_replay_says_that_it_asks_no_cloud_for_prices_and_commitments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = FLEET.replace("    ready_pool: null\n", "    ready_pool: null\n    commitments_from: aws\n")
    (tmp_path / "fleet.yaml").write_text(fleet + "prices: {source: aws}\nconfig: {'aws:region': us-east-1}\n")
    frame().to_csv(tmp_path / "h.csv", index=False)
    arguments = (
        f"backtest --history {tmp_path}/h.csv --fleet {tmp_path}/fleet.yaml --from {START.isoformat()} "
        f"--to 2024-01-08T02:00Z --allocations {tmp_path}/A.csv --json {tmp_path}/S.json"
    )
    with pytest.raises(SystemExit) as stop:
        main(arguments.split())
    assert not stop.value.code
    shown = capsys.readouterr().out
    notes = json.loads((tmp_path / "S.json").read_text())["notes"]
    for words in ("prices: a replay does not query AWS. It uses ", "commitments: a replay does not ask"):
        assert words in shown
        assert any(note.startswith(words) for note in notes)
