"""Forecasts are scored when their steps are known; what fails is replaced, and comes back when it holds again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from forecaster.demand import LEVELS, DemandForecast
from reconciler.demand.grouping import group
from reconciler.trust.demotion import Rung
from reconciler.trust.fallback import fallback_paths, season_of, with_fallbacks
from reconciler.trust.feedback import Judged, judge
from reconciler.trust.memory import RunMemory, from_json, to_json
from reconciler.trust.source_silent import usable_alone, without_history
from tests.reconciler.trust.feedback_cases import FLEET, HOUR, WEEK, demand, follow, forecast, history, run


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


def two(length: int, memory: RunMemory | None, *, keep: int = 2) -> Judged:
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
    series = FLEET.history.model_copy(update={"series": keep})
    grouping = group(known, FLEET.model_copy(update={"history": series}))
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
