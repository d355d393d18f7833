"""Kept models: read back exactly, refused when old or damaged, and safe against a kill at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.calendar.clock import CalendarEvent, DemandCalendar
from forecaster.calendar.effects import Effect
from forecaster.errors import ModelStoreError
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.plbm import PLBM
from forecaster.plbm.plain import from_plain, to_plain
from forecaster.plbm.serialise import FORMAT, from_files, to_files
from forecaster.plbm.state import RunningScore
from reconciler.adapters.model_store import load_state, save_state

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def plbm() -> PLBM:
    values = np.random.default_rng(0).poisson(30, 96).astype(float)
    times = pd.date_range(START, periods=96, freq="h")
    frame = pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": "a", "requests": values})
    frame.loc[7, "requests"] = np.nan
    events = pd.DataFrame({"application_id": ["a"] * 60, "program": "p", "cpu_seconds": np.linspace(0.1, 0.9, 60)})
    sale = CalendarEvent(name="sale", start=START, end=START + timedelta(hours=2))
    calendar = DemandCalendar(timezone="Europe/Berlin", country="DE", events=(sale,))
    return PLBM(PlbmSettings(horizon=4, paths=50, calendar=calendar)).train(
        frame, measurements=events.assign(parameters='{"n": 1}')
    )


def test_a_kept_model_forecasts_the_same_to_the_last_byte(tmp_path: Path, plbm: PLBM) -> None:
    save_state(tmp_path / "models", plbm.state)
    kept = load_state(tmp_path / "models")
    assert to_files(kept) == to_files(plbm.state)
    again = PLBM.resumed(kept)
    assert again.forecast().digest() == plbm.forecast().digest()
    assert again.costs() == plbm.costs()
    assert again.state.history.quality == plbm.state.history.quality


def test_a_resumed_model_takes_updates(tmp_path: Path, plbm: PLBM) -> None:
    plbm.forecast()
    save_state(tmp_path / "models", plbm.state)
    again = PLBM.resumed(load_state(tmp_path / "models"))
    start = START + timedelta(hours=96)
    rows = pd.DataFrame({"timestamp": [start], "user_id": "u", "application_id": "a", "requests": [31.0]})
    assert again.update(rows).scored == 1


def test_no_file_holds_a_pickle(plbm: PLBM) -> None:
    for name, content in to_files(plbm.state).items():
        assert name.endswith((".json", ".npz"))
        assert b"\x80\x04\x95" not in content


def test_nothing_kept_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelStoreError, match=r"holds no kept model; run `tiercast train` first"):
        load_state(tmp_path)


def test_another_version_is_refused_by_name(tmp_path: Path, plbm: PLBM) -> None:
    name = save_state(tmp_path, plbm.state)
    manifest = tmp_path / name / "manifest.json"
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(document | {"format": FORMAT + 1}))
    with pytest.raises(
        ModelStoreError, match=rf"format {FORMAT + 1}, this version reads {FORMAT}; run `tiercast train`"
    ):
        load_state(tmp_path)
    files = to_files(plbm.state)
    older = json.loads(files["state.json"]) | {"format": 0}
    with pytest.raises(ModelStoreError, match="format 0"):
        from_files(files | {"state.json": json.dumps(older).encode()})


@pytest.mark.parametrize("name", ["state.json", "history.npz", "forecasts.npz", "manifest.json"])
@pytest.mark.parametrize("how", ["cut", "gone", "changed"])
def test_a_folder_cut_short_is_refused_in_one_sentence(tmp_path: Path, plbm: PLBM, name: str, how: str) -> None:
    file = tmp_path / save_state(tmp_path, plbm.state) / name
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if how == "cut" else b"{}" + content[2:])
    with pytest.raises(ModelStoreError) as caught:
        load_state(tmp_path)
    assert "tiercast train" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["state.json", "history.npz", "forecasts.npz"])
def test_files_that_pass_the_digest_but_make_no_sense_are_refused(plbm: PLBM, name: str) -> None:
    files = to_files(plbm.state)
    for content in (b"", b"[]", files[name][: len(files[name]) // 3]):
        with pytest.raises(ModelStoreError):
            from_files(files | {name: content})


def test_old_versions_are_kept_for_a_while_and_no_longer(tmp_path: Path, plbm: PLBM) -> None:
    names = [save_state(tmp_path, plbm.state) for _ in range(5)]
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == names[-3:]


SAVER = """
import sys
from pathlib import Path
from forecaster.plbm.serialise import from_files
from reconciler.adapters import model_store
folder = Path(sys.argv[1])
state = model_store.load_state(folder)
print("ready", flush=True)
while True:
    model_store.save_state(folder, state)
"""


def test_a_kill_while_saving_leaves_a_whole_model(tmp_path: Path, plbm: PLBM) -> None:
    save_state(tmp_path, plbm.state)
    whole = to_files(plbm.state)
    rng = np.random.default_rng(0)
    for _ in range(6):
        saver = subprocess.Popen([sys.executable, "-c", SAVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert saver.stdout is not None
        assert saver.stdout.readline() == "ready\n"
        time.sleep(float(rng.uniform(0, 0.08)))
        os.kill(saver.pid, signal.SIGKILL)
        saver.communicate()
        assert to_files(load_state(tmp_path)) == whole
    save_state(tmp_path, plbm.state)
    assert all((p / "manifest.json").exists() for p in tmp_path.iterdir() if p.is_dir())


numbers = st.floats(allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    seen=numbers, names=st.lists(st.tuples(st.text(max_size=5), numbers), max_size=4),
    days=st.integers(-9999, 9999), micros=st.integers(0, 10**11),
)  # fmt: skip
def test_plain_values_are_read_back_exactly(
    seen: float, names: list[tuple[str, float]], days: int, micros: int
) -> None:
    score = RunningScore(seen=seen)
    assert from_plain(RunningScore, json.loads(json.dumps(to_plain(score)))) == score
    span = timedelta(days=days, microseconds=micros)
    assert from_plain(timedelta, to_plain(span)) == span
    effects = {name: Effect(factor=value, spread=0.0, occasions=1, source="learned") for name, value in names}
    assert from_plain(dict[str, Effect], to_plain(effects)) == effects


def test_what_can_t_be_read_back_is_not_written() -> None:
    with pytest.raises(TypeError, match="can't be kept"):
        to_plain({"x": object()})
    with pytest.raises(KeyError, match="other fields: seen"):
        from_plain(RunningScore, {k: v for k, v in to_plain(RunningScore()).items() if k != "seen"})
