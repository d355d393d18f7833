"""A plan uses what `train` kept where it fits the fleet and the time, and says which forecast it used."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.history.frame import history_from_frame
from forecaster.history.history import History
from forecaster.plbm import PLBM
from forecaster.plbm.serialise import from_files, to_files
from forecaster.plbm.state import PlbmState
from reconciler.demand.forecaster_settings import declared_costs, settings_of
from reconciler.demand.grouping import group, nodes_of
from reconciler.demand.trained import UNTRAINED, Trained, forecast_of, misfit, origin_of
from reconciler.fleet.file import Fleet, parse_fleet

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOURCE = "files: h.csv"
LENGTH = 10 * 24


def fleet(**changes: Any) -> Fleet:
    return parse_fleet(
        {
            "step": "1h",
            "horizon": "4h",
            "history": {"paths": ["h.csv"], "window": "4w", "series": 2},
            "qos": {"gold": {"latency": "300ms"}},
            "applications": [{"match": "*", "qos": "gold", "service_time": "100ms"}],
            "tiers": {"cold": {"instance_types": ["m5.large"], "launch": {"image_id": "a", "zones": ["z"]}}},
            **changes,
        },
        "fleet.yaml",
    )


def history(length: int) -> History:
    """Four applications of a daily rhythm; a longer one begins with a shorter one's rows."""
    rng = np.random.default_rng(5)
    rhythm = 1 + 0.5 * np.sin(np.arange(40 * 24) * 2 * np.pi / 24)
    frames = [
        pd.DataFrame(
            {
                "timestamp": pd.date_range(START, periods=length, freq="h"),
                "user_id": "u",
                "application_id": name,
                "requests": rng.poisson(mean * rhythm)[:length].astype(float),
            }
        )
        for name, mean in (("shop", 300), ("mail", 200), ("wiki", 20), ("blog", 10))
    ]
    return history_from_frame(pd.concat(frames), step=HOUR)


def trained(said: Fleet, length: int = LENGTH) -> PlbmState:
    known = history(length)
    settings = replace(settings_of(said), lstm=False, tune=False, paths=100)
    plbm = PLBM(settings, node_of=nodes_of(said, known.pairs)).train(known, declared=declared_costs(said, known.pairs))
    state = replace(plbm.state, origin=origin_of(said, SOURCE))
    return from_files(to_files(state))  # as a later run reads it


@pytest.fixture(scope="module")
def state() -> PlbmState:
    return trained(fleet())


def test_the_kept_model_is_extended_with_newer_history_and_the_plan_says_so(state: PlbmState) -> None:
    newer = history(LENGTH + 6)
    made = forecast_of(fleet(), newer, Trained(state=state, source=SOURCE))
    assert made.forecast_note == "forecast by the model trained until 2024-01-11 00:00 UTC; 6 steps newer"
    assert made.forecast.cutoff == newer.cutoff
    assert made.grouping.names == group(newer, fleet()).names == ("mail", "rest of gold", "shop")
    assert made.forecast.applications == made.grouping.names
    assert made.forecast.costs["shop"].vcpu_seconds == pytest.approx(0.1)
    assert state.history.length == LENGTH, "the kept model itself does not change"


def test_the_same_model_and_history_give_the_same_bytes(state: PlbmState) -> None:
    newer, kept = history(LENGTH + 3), Trained(state=state, source=SOURCE)
    one, two = (forecast_of(fleet(), newer, kept, seed=4).forecast for _ in range(2))
    assert one.digest() == two.digest()
    assert forecast_of(fleet(), newer, kept, seed=5).forecast.digest() != one.digest(), "the seed is the run's own"


def test_a_replay_does_not_use_a_model_that_knows_later_data(state: PlbmState) -> None:
    earlier = history(LENGTH - 5)
    said = misfit(fleet(), earlier, state, SOURCE)
    assert said == "the trained model knows data until 2024-01-11 00:00 UTC, which is later than this run"
    kept, none = (forecast_of(fleet(), earlier, one) for one in (Trained(state=state, source=SOURCE), UNTRAINED))
    assert kept.forecast.digest() == none.forecast.digest(), "it is as if no model were kept"
    assert kept.forecast_note == f"new forecast: {said}"
    assert none.forecast_note == "new forecast: no trained model, run `tiercast train`"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"applications": [{"match": "*", "user": "*", "qos": "gold"}, {"match": "x", "qos": "gold"}]}, "applications"),
        ({"calendar": {"timezone": "Europe/Berlin"}}, "calendar"),
        ({"horizon": "5h"}, "horizon"),
        ({"history": {"paths": ["h.csv"], "window": "4w", "series": 3}}, "history"),
    ],
)
def test_a_model_of_another_fleet_file_is_refused_and_the_key_named(
    state: PlbmState, changes: dict[str, Any], words: str
) -> None:
    expected = f"the trained model is for another fleet file: {words} differs, run `tiercast train`"
    assert misfit(fleet(**changes), history(LENGTH), state, SOURCE) == expected


def test_another_source_is_another_history(state: PlbmState) -> None:
    assert "another fleet file: history differs" in misfit(fleet(), history(LENGTH), state, "files: other.csv")


def test_what_changes_no_forecast_does_not_unfit_a_model(state: PlbmState) -> None:
    changes = {
        "guards": {"usd_per_hour": 3},
        "validity": "2h",
        "applications": [{"match": "*", "qos": "gold", "service_time": "70ms", "peak_factor": 2}],
    }
    made = forecast_of(fleet(**changes), history(LENGTH), Trained(state=state, source=SOURCE))
    assert made.forecast_note.endswith("; 0 steps newer")
    assert made.forecast.costs["shop"].vcpu_seconds == pytest.approx(0.07), "costs are the fleet file's of today"


def test_a_model_older_than_a_refit_is_not_fresh(state: PlbmState) -> None:
    week = history(LENGTH + 7 * 24)
    assert misfit(fleet(), week.tail(week.length), state, SOURCE) == (
        "the trained model is 7 days old (limit 7), run `tiercast train`"
    )
    assert misfit(fleet(), history(LENGTH + 7 * 24 - 1), state, SOURCE) == ""
