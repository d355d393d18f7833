"""The three-tier fixture: its limits bound what they should, and no decision reads what comes after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.data import Trace
from benchmarks.fleet.fixture import ZONES, Fixture, InterruptionPath, fixture, interruption_path
from benchmarks.fleet.limits import best_static, clairvoyant
from benchmarks.fleet.run import captured, summarised
from benchmarks.fleet.walk import Sizer, walked

DAY = 288


@pytest.fixture(scope="module")
def trace() -> Trace:
    t = np.arange(4 * DAY)
    noise = np.random.default_rng(1).standard_normal(len(t))
    values = 1000 * (1.5 + np.sin(2 * np.pi * t / DAY)) * np.exp(0.05 * noise)
    index = pd.date_range("2024-01-01", periods=len(t), freq="5min", tz="UTC")
    return Trace(name="made", source="made", step=pd.Timedelta("5min"), index=index, values=values, cut=3 * DAY)


@pytest.fixture(scope="module")
def it(trace: Trace) -> Fixture:
    return fixture(trace)


def _quiet(steps: int) -> InterruptionPath:
    return InterruptionPath(interrupted=np.full(steps, -1), alone=np.ones((steps, len(ZONES), 400)))


def test_no_forecast_or_constant_moves_when_later_demand_changes(trace: Trace, it: Fixture) -> None:
    for newest in (trace.cut + 10, trace.cut + 100):
        changed = trace.values.copy()
        changed[newest + 1 :] *= 3
        again = fixture(replace(trace, values=changed))
        np.testing.assert_array_equal(it.quantiles[: newest + 2], again.quantiles[: newest + 2])
        np.testing.assert_array_equal(it.ranks, again.ranks)
        assert (it.hot, it.committed) == (again.hot, again.committed)


def test_no_capacity_moves_when_later_demand_or_interruptions_change(trace: Trace, it: Fixture) -> None:
    steps, newest = 10, 5
    before = walked(Sizer(it=it, share=0.01), interruption_path(steps, 0, of_zones=False), steps)
    changed = trace.values.copy()
    changed[trace.cut + newest + 1 :] *= 3
    path = interruption_path(steps, 0, of_zones=False)
    path.interrupted[newest + 2 :] = 0
    after = walked(Sizer(it=fixture(replace(trace, values=changed)), share=0.01), path, steps)
    np.testing.assert_array_equal(before.capacity[: newest + 2], after.capacity[: newest + 2])


def test_a_question_is_asked_once_on_paths_that_agree(it: Fixture) -> None:
    sizer = Sizer(it=it, share=0.01)
    first = walked(sizer, _quiet(6), 6)
    asked = len(sizer.kept)
    again = walked(sizer, _quiet(6), 6)
    assert asked == 6 == len(sizer.kept)
    np.testing.assert_array_equal(first.capacity, again.capacity)


def test_foresight_is_a_bound_on_ours_and_on_the_static_mix(it: Fixture) -> None:
    steps = 24
    path = interruption_path(steps, 1)
    made = walked(Sizer(it=it, share=0.01), path, steps)
    limit = clairvoyant(it, path, steps, made.unserved)
    assert limit <= made.cost + 1e-6
    assert limit <= best_static(it, path, steps, made.unserved) + 1e-6


def test_a_larger_allowed_volume_never_costs_more(it: Fixture) -> None:
    path = interruption_path(60, 2)
    for limit in (best_static, clairvoyant):
        costs = [limit(it, path, 60, allowed) for allowed in (0.0, 1.0, 20.0)]
        assert costs == sorted(costs, reverse=True)


def test_every_path_with_zone_interruptions_has_one() -> None:
    for seed in range(5):
        path = interruption_path(200, seed)
        (when,) = np.flatnonzero(path.interrupted >= 0)
        zone = int(path.interrupted[when])
        assert path.survivors(int(when), zone, 30) == 0
        assert path.survivors(int(when), 1 - zone, 30) > 0
        assert path.survivors_of_all(zone, 30)[when] == 0
    assert (interruption_path(200, 0, of_zones=False).interrupted < 0).all()


def test_the_figures_are_those_of_the_paths_with_zone_interruptions() -> None:
    keys = ("vs_static_mix", "gap", "vs_static_mix_at_promised", "gap_at_promised", "captured")
    rows = [
        {
            "trace": "a",
            "promised_share": 0.01,
            "with_zone_interruptions": of_zones,
            "share": 0.001,
            **dict.fromkeys(keys, value),
        }
        for of_zones, value in ((True, 0.5), (True, 2.0), (False, 9.0))
    ]
    made = summarised(rows)
    assert made["tiers_vs_static_mix"] == pytest.approx(1.0)
    assert made["without_zone_interruptions"]["vs_static_mix"] == pytest.approx(9.0)
    assert list(made["distribution"]) == [
        "a, 1 % promised, with interruptions of zones",
        "a, 1 % promised, without interruptions of zones",
    ]


def test_what_is_captured_is_a_share_of_what_foresight_saves() -> None:
    assert captured(80.0, 100.0, 60.0) == pytest.approx(0.5)
    assert np.isnan(captured(100.0, 100.0, 100.0))
