"""Forecasts are scored when their steps are known; what fails is replaced, and comes back when it holds again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from forecaster.demand import LEVELS, DemandForecast
from forecaster.history import History
from reconciler.adapters.memory import read_memory, write_memory
from reconciler.demotion import Rung
from reconciler.fallback import fallback_paths, season_of, with_fallbacks
from reconciler.feedback import Judged, judge, usable_alone, without_history
from reconciler.fleet import Fleet, parse_fleet
from reconciler.grouping import group
from reconciler.memory import Memory, from_json, to_json, with_carried
from stacks.contract import Tier
from tests.reconciler.sizing_cases import option, problem

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = 168


def demand(length: int) -> NDArray[np.float64]:
    """A daily rhythm with noise, the same for every length."""
    noise = np.random.default_rng(3).normal(0, 20, 3000)[:length]
    return np.asarray(1000 + 400 * np.sin(np.arange(length) * 2 * np.pi / 24) + noise)


def history(length: int) -> History:
    return History(
        step=HOUR,
        start=START,
        length=length,
        pairs=(("u", "shop"),),
        offsets=np.array([0, length]),
        position=np.arange(length),
        requests=demand(length),
        censored=np.zeros(length, dtype=bool),
        zero_absent=np.ones(1, dtype=bool),
        unrecorded=np.zeros(length, dtype=bool),
    )


def fleet(**history: str) -> Fleet:
    return parse_fleet(
        {
            "step": "1h",
            "validity": "1h",
            "history": {"paths": ["h.csv"], **history},
            "qos": {"gold": {"latency": "200ms"}},
            "applications": [{"match": "*", "qos": "gold"}],
            "tiers": {"cold": {"instance_types": ["m"], "launch": {"image_id": "a", "zones": ["z"]}}},
        },
        "fleet.yaml",
    )


FLEET = fleet()


def forecast(known: History, factor: float = 1.0, horizon: int = 24) -> DemandForecast:
    """What a model that knows the rhythm says, times a factor that makes it wrong."""
    rhythm = 1000 + 400 * np.sin(np.arange(known.length, known.length + horizon) * 2 * np.pi / 24)
    noise = np.random.default_rng(known.length).normal(0, 20, (100, 1, horizon))
    paths = np.maximum(factor * (rhythm + noise), 0.0)
    return DemandForecast(
        cutoff=known.cutoff,
        step=HOUR,
        applications=("shop",),
        levels=LEVELS,
        quantiles=np.quantile(paths, LEVELS, axis=0).transpose(1, 2, 0),
        paths=paths,
        models=("plbm",),
        reasons=("",),
        calibrated=(True,),
    )


def run(length: int, memory: Memory | None, factor: float = 1.0, *, late: timedelta = timedelta(0)) -> Judged:
    """One run at the end of a history of that length, as the loop makes it: the memory goes through its file's text."""
    known = history(length)
    kept = None if memory is None else from_json(json.loads(json.dumps(to_json(memory))))
    grouping = group(known, FLEET)
    end = known.end + late
    return judge(FLEET, known, grouping, forecast(known, factor), kept, as_of=end, replay=False)


def follow(first: int, last: int, factor: float, memory: Memory | None = None) -> list[Judged]:
    """Runs every three hours."""
    found = []
    for length in range(first, last, 3):
        found.append(run(length, memory, factor))
        memory = found[-1].memory
    return found


def test_a_model_that_holds_stays_in_use_and_keeps_its_bytes() -> None:
    runs = follow(4 * WEEK, 4 * WEEK + 120, 1.0)
    assert not any(r.demoted for r in runs)
    assert runs[-1].standing[0].rung is Rung.MODEL
    assert runs[-1].standing[0].scored == 3 * (len(runs) - 1)
    assert runs[-1].notes == ()
    expected = forecast(history(4 * WEEK + 3 * (len(runs) - 1)))
    assert runs[-1].forecast.digest() == expected.digest()


def test_a_model_that_fails_is_replaced_says_so_and_comes_back_when_it_holds() -> None:
    failing = follow(4 * WEEK, 4 * WEEK + 48, 0.5)
    assert not failing[0].demoted
    last = failing[-1]
    assert last.demoted
    assert last.standing[0].rung is Rung.SEASONAL_NAIVE
    assert last.forecast.models == ("seasonal naive",)
    (note,) = last.notes
    assert "forecast of shop" in note
    assert "demoted to seasonal naive" in note
    assert "misses more than" in note
    truth = demand(4 * WEEK + 100)[4 * WEEK + 45 :][:24]
    assert np.abs(np.median(last.forecast.paths[:, 0], axis=0) / truth - 1).max() < 0.15
    mended = follow(4 * WEEK + 48, 4 * WEEK + 260, 1.0, last.memory)
    assert mended[0].demoted
    assert not mended[-1].demoted
    assert mended[-1].forecast.models == ("plbm",)


def test_a_step_is_scored_once_and_only_when_it_has_ended() -> None:
    first = run(4 * WEEK, None)
    again = run(4 * WEEK, first.memory)
    assert again.standing[0].scored == 0
    later = run(4 * WEEK + 2, again.memory)
    assert later.standing[0].scored == 2
    assert run(4 * WEEK + 2, later.memory).standing[0].scored == 2


def test_equal_inputs_leave_equal_bytes(tmp_path: Path) -> None:
    base = run(4 * WEEK, None).memory
    texts = []
    for name in ("a", "b"):
        made = run(4 * WEEK + 3, base).memory
        assert made is not None
        write_memory(tmp_path / name, made)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    again = run(4 * WEEK + 3, read_memory(tmp_path / "a")[0]).memory
    assert again is not None
    write_memory(tmp_path / "c", again)
    assert (tmp_path / "c").read_bytes() == texts[0]


def test_a_replay_uses_only_what_was_known_and_leaves_the_memory_alone() -> None:
    memory = follow(4 * WEEK, 4 * WEEK + 48, 0.5)[-1].memory
    assert memory is not None
    past = history(4 * WEEK)
    grouping = group(past, FLEET)
    replayed = judge(FLEET, past, grouping, forecast(past), memory, as_of=past.end, replay=True)
    assert not replayed.demoted
    assert replayed.memory is None
    assert any("replay" in note for note in replayed.notes)
    fresh = judge(FLEET, past, grouping, forecast(past), None, as_of=past.end, replay=True)
    assert replayed.forecast.digest() == fresh.forecast.digest()
    now = history(4 * WEEK + 48)
    assert judge(FLEET, now, group(now, FLEET), forecast(now), memory, as_of=now.end, replay=True).demoted
    assert not usable_alone(FLEET, memory, as_of=past.end)


def test_old_data_falls_back_by_its_age() -> None:
    assert not run(4 * WEEK, None, late=timedelta(hours=3)).demoted
    season = run(4 * WEEK, None, late=timedelta(hours=4))
    assert season.standing[0].rung is Rung.SEASONAL_NAIVE
    assert season.demoted
    stale = run(4 * WEEK, None, late=timedelta(hours=30))
    assert stale.forecast.models == ("reactive",)
    assert run(4 * WEEK, stale.memory).forecast.models == ("plbm",)


def test_without_a_season_there_is_nothing_between_model_and_reactive() -> None:
    assert season_of(60, HOUR) == 0
    assert season_of(80, HOUR) == 24
    assert season_of(4 * WEEK, HOUR) == WEEK
    assert run(60, None, late=timedelta(hours=4)).standing[0].rung is Rung.REACTIVE


def test_when_the_source_is_silent_the_last_known_load_is_kept() -> None:
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    assert usable_alone(FLEET, memory, as_of=None)
    judged, grouping = without_history(FLEET, memory, why="gone")
    assert judged.demoted
    assert judged.memory is None
    assert "does not answer" in judged.notes[0]
    assert grouping.qos == ("gold",)
    assert dict(grouping.rules[0]) == {FLEET.applications[0]: pytest.approx(float(demand(4 * WEEK).mean()))}
    assert np.median(judged.forecast.paths[:, 0, 0]) == pytest.approx(demand(4 * WEEK)[-1], rel=0.15)
    assert not usable_alone(FLEET, replace(memory, made={}), as_of=None)


def test_tests_of_another_step_or_overlap_start_anew() -> None:
    memory = follow(4 * WEEK, 4 * WEEK + 48, 0.5)[-1].memory
    assert memory is not None
    assert not run(4 * WEEK + 48, replace(memory, rules=(288.0, 1))).demoted


def test_a_baseline_repeats_the_season_or_the_last_value_with_its_own_errors() -> None:
    row = np.tile(np.arange(24.0), 4)[None]
    season = fallback_paths(row, Rung.SEASONAL_NAIVE, season=24, horizon=30, paths=7)
    assert season.shape == (7, 1, 30)
    assert season[:, 0, :24] == pytest.approx(np.tile(np.arange(24.0), (7, 1)))
    flat = np.full((1, 50), 8.0)
    flat[0, -3:] = np.nan
    assert fallback_paths(flat, Rung.REACTIVE, season=0, horizon=5, paths=3) == pytest.approx(np.full((3, 1, 5), 8.0))
    assert fallback_paths(np.full((1, 1), np.nan), Rung.REACTIVE, season=0, horizon=2, paths=2).max() == 0.0
    with pytest.raises(ValueError, match="no baseline"):
        fallback_paths(row, Rung.MODEL, season=24, horizon=2, paths=2)


def test_only_the_demoted_rows_change() -> None:
    known = history(4 * WEEK)
    one = forecast(known)
    both = DemandForecast(
        cutoff=one.cutoff,
        step=HOUR,
        applications=("a", "b"),
        levels=LEVELS,
        quantiles=np.concatenate([one.quantiles] * 2),
        paths=np.concatenate([one.paths] * 2, axis=1),
        models=("plbm",) * 2,
        reasons=("",) * 2,
    )
    rows = np.stack([demand(4 * WEEK)] * 2)
    mixed = with_fallbacks(both, rows, (Rung.MODEL, Rung.REACTIVE), season=WEEK)
    assert mixed.models == ("plbm", "reactive")
    assert np.array_equal(mixed.paths[:, 0], both.paths[:, 0])
    assert not np.array_equal(mixed.paths[:, 1], both.paths[:, 1])


def test_a_memory_cut_short_starts_anew_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    assert read_memory(path) == (None, ())
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    write_memory(path, memory)
    whole = path.read_text()
    for text in (whole[: len(whole) // 2], "", "[]", "null", '{"version": 2}', whole.replace('"made"', '"other"')):
        path.write_text(text)
        found, notes = read_memory(path)
        assert found is None
        assert "start anew" in notes[0]


def test_a_kill_while_the_memory_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    write_memory(path, memory)
    before = path.read_bytes()
    code = (
        "import sys, time\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from reconciler.adapters import files, memory\n"
        "files.os.fsync = lambda fd: (print('writing', flush=True), time.sleep(30))\n"
        "path = Path(sys.argv[1])\nkept, _ = memory.read_memory(path)\n"
        "memory.write_memory(path, replace(kept, load={'gold': 1.0}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() == before
    assert read_memory(path)[1] == ()


def test_each_ended_step_enters_the_promise_s_record_once_by_what_the_fleet_carried() -> None:
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    assert memory.records == {}  # nothing was carried by a plan yet
    later = run(4 * WEEK + 3, replace(memory, carried={"gold": 0.2})).memory
    assert later is not None
    record = later.records["gold"]
    missed = np.maximum(demand(4 * WEEK + 3)[-3:] / 3600 - 0.2, 0).sum()
    assert record.weight == pytest.approx(3, rel=0.01)
    assert record.used == pytest.approx(missed, rel=0.01)
    again = run(4 * WEEK + 3, replace(later, carried={"gold": 0.2})).memory
    assert again is not None
    assert again.records["gold"].weight == pytest.approx(record.weight)


def test_steps_are_judged_by_the_lesser_of_what_runs_and_what_is_planned() -> None:
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    asked = problem({"gold": 60.0}, [option(Tier.WARM, observed=2)])
    few, many, one = (with_carried(memory, asked, {"warm/m": n}).carried["gold"] for n in (2, 9, 1))
    assert many == few > one > 0


def two(length: int, memory: Memory | None, *, keep: int = 2) -> Judged:
    """A run over two applications of a class, whose model is right for the first and half the demand for the second."""
    rows = demand(length)
    known = replace(
        history(length),
        pairs=(("u", "blog"), ("u", "shop")),
        offsets=np.array([0, length, 2 * length]),
        position=np.tile(np.arange(length), 2),
        requests=np.concatenate([0.9 * rows, rows]),
        censored=np.zeros(2 * length, dtype=bool),
        zero_absent=np.ones(2, dtype=bool),
        unrecorded=np.zeros(length, dtype=bool),
    )
    right, wrong = forecast(known, 0.9), forecast(known, 0.5)
    both = replace(
        right,
        applications=("blog", "shop"),
        quantiles=np.concatenate([right.quantiles, wrong.quantiles]),
        paths=np.concatenate([right.paths, wrong.paths], axis=1),
        models=("plbm",) * 2,
        reasons=("",) * 2,
        calibrated=(True,) * 2,
    )
    grouping = group(known, FLEET, keep=keep)
    kept = None if memory is None else from_json(json.loads(json.dumps(to_json(memory))))
    return judge(FLEET, known, grouping, both, kept, as_of=known.end, replay=False)


def test_only_the_group_that_fails_falls_back() -> None:
    memory, last = None, two(4 * WEEK, None)
    for length in range(4 * WEEK + 3, 4 * WEEK + 72, 3):
        memory = last.memory
        last = two(length, memory)
    assert last.forecast.models == ("plbm", "seasonal naive")
    assert [(s.group, s.rung) for s in last.standing] == [("blog", Rung.MODEL), ("shop", Rung.SEASONAL_NAIVE)]
    assert last.demoted  # tiers are shared: nothing shrinks
    (note,) = last.notes
    assert note.startswith("forecast of shop: demoted")


def test_the_rest_of_a_class_is_not_scored_against_another_set_of_applications() -> None:
    first = two(4 * WEEK, None, keep=1).memory
    assert first is not None
    assert set(first.groups) == {"rest of gold", "shop"}
    same = {s.group: s.scored for s in two(4 * WEEK + 3, first, keep=1).standing}
    assert same == {"rest of gold": 3, "shop": 3}
    moved = replace(first, qos={"rest of gold": "gold", "blog": "gold"})
    other = {s.group: s.scored for s in two(4 * WEEK + 3, moved, keep=1).standing}
    assert other == {"rest of gold": 0, "shop": 3}
