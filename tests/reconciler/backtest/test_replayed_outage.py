"""A replay reads its log at once, and still knows of an outage no earlier than a run of that time would have."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import yaml

from reconciler.adapters.history import read as history
from reconciler.adapters.history.events import read_events
from reconciler.adapters.history.source import read_walk
from reconciler.cli import main
from reconciler.fleet.file import parse_fleet

#: First silent hour, hours of the log, calls an hour.
DOWN, HOURS, RATE = 24 * 9 + 12, 24 * 11, 8
FLEET = """
step: 1h
horizon: 4h
history: {paths: [log.csv], window: 4w}
qos: {gold: {latency: 300ms, tiers: [cold]}}
applications: [{match: "*", qos: gold}]
tiers: {cold: {instance_types: [m6i.large], launch: {image_id: ami-1, zones: [us-east-1a]}}}
"""


def log(path: Path, hours: int) -> Path:
    """The first hours of a log of eight calls an hour that is down for a day."""
    rng = np.random.default_rng(5)
    at = [
        pd.Timestamp("2024-01-01T00:00Z") + pd.Timedelta(hours=h, minutes=float(m))
        for h in range(HOURS)
        for m in np.sort(rng.uniform(0, 60, rng.poisson(RATE)))
        if h < hours and not DOWN <= h < DOWN + 24
    ]
    frame = pd.DataFrame({"timestamp": [t.isoformat() for t in at], "user_id": "u", "application_id": "shop"})
    frame.to_csv(path, index=False)
    return path


def _run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


def replayed(source: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Allocations and forecasts of a one-pool replay of a log."""
    counts, quantiles = (source.parent / f"{name}-{kind}.csv" for kind in "AF")
    words = f"backtest --history {source} --pool --unit 2 --lead 1 --ask 0.01 --from 2024-01-08T00:00:00Z".split()
    assert _run([*words, "--allocations", str(counts), "--forecasts", str(quantiles)]) == 0
    return pd.read_csv(counts), pd.read_csv(quantiles)


def test_no_decision_in_a_silence_knows_how_long_it_will_last(tmp_path: Path) -> None:
    counts, quantiles = replayed(log(tmp_path / "whole.csv", HOURS), "whole")
    short = log(tmp_path / "short.csv", DOWN)
    cutoff = pd.Timestamp("2024-01-01T00:00Z") + pd.Timedelta(hours=DOWN)
    # One call after an hour of silence, which therefore was no outage.
    with short.open("a") as file:
        file.write(f"{(cutoff + pd.Timedelta(minutes=65)).isoformat()},u,shop\n")
    other_counts, other_quantiles = replayed(short, "short")
    decided, newest = ((cutoff + pd.Timedelta(hours=h)).strftime("%Y-%m-%dT%H:%M:%SZ") for h in (2, 0))
    pd.testing.assert_frame_equal(counts[counts.timestamp <= decided], other_counts[other_counts.timestamp <= decided])
    early, other = (q[q.cutoff <= newest].reset_index(drop=True) for q in (quantiles, other_quantiles))
    assert early.cutoff.max() == newest
    pd.testing.assert_frame_equal(early, other)


def test_a_score_does_not_count_an_outage_as_demand_of_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path / "log.csv", HOURS)
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    assert _run(["score", "--days", "2", "--json"]) == 0
    near = json.loads(capsys.readouterr().out)["series"][0]
    assert near["steps"] == 24, "of two days one is an outage"


def test_a_score_reads_its_log_once_for_what_was_known_and_what_is_known_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(tmp_path / "log.csv", HOURS)
    fleet = parse_fleet(yaml.safe_load(FLEET), "fleet.yaml")
    read = Mock(wraps=read_events)
    monkeypatch.setattr(history, "read_events", read)
    walked, hindsight = read_walk(fleet, base=tmp_path, as_of=None)
    assert read.call_count == 1
    assert hindsight.unrecorded.sum() > walked.unrecorded.sum() > 0
    for made, replay in ((walked, True), (hindsight, False)):
        again = history.read_history([tmp_path / "log.csv"], step=fleet.step, replay=replay)
        np.testing.assert_array_equal(made.unrecorded, again.unrecorded)
        np.testing.assert_array_equal(made.total(), again.total())
