"""A small history, its forecasts and runs over it, that the tests of the feedback share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS, DemandForecast
from forecaster.history.history import History
from reconciler.demand.grouping import group
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.trust.feedback import Judged, judge
from reconciler.trust.memory import RunMemory, from_json, to_json

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


def run(length: int, memory: RunMemory | None, factor: float = 1.0, *, late: timedelta = timedelta(0)) -> Judged:
    """One run at the end of a history of that length, as the loop makes it: the memory goes through its file's text."""
    known = history(length)
    kept = None if memory is None else from_json(json.loads(json.dumps(to_json(memory))))
    grouping = group(known, FLEET)
    end = known.end + late
    return judge(FLEET, known, grouping, forecast(known, factor), kept, as_of=end, replay=False)


def follow(first: int, last: int, factor: float, memory: RunMemory | None = None) -> list[Judged]:
    """Runs every three hours."""
    found = []
    for length in range(first, last, 3):
        found.append(run(length, memory, factor))
        memory = found[-1].memory
    return found
