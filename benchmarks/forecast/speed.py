"""The goals for time and memory, ours and the library in the same run on the same cores.

A panel of hourly series (8 weeks): one LSTM warm-started on all of them, then a day ahead for each, against AutoETS on a
sample; a 5-minute series of 4 weeks against MSTL of the day, and of day and week; and twice the series against once.
Seconds are processor seconds of this process, all its threads: the wall clock of a machine that others use too would tell of
them.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forecast.peers import DECOMPOSED
from benchmarks.memory import peak_above
from forecaster.models.lstm import fitted
from forecaster.models.lstm_features import Grid
from forecaster.series.forecast import SeriesInput, forecast_series
from forecaster.series.knots import ONE_ORIGIN

Floats = NDArray[np.float64]
HOUR = 3600


def panel(series: int, *, weeks: int = 8, step: int = HOUR, seed: int = 0) -> list[Floats]:
    """Made-up counts (weeks · steps) with daily and weekly profiles at levels from a few to thousands."""
    rng = np.random.default_rng(seed)
    day = 86_400 // step
    rows = np.arange(weeks * 7 * day)
    out = []
    for k in range(series):
        shape = 1.2 + np.sin(2 * np.pi * (rows / day + k / 24)) + 0.2 * np.sin(2 * np.pi * rows / (7 * day))
        out.append(rng.poisson(10 ** rng.uniform(0.5, 3) * np.maximum(shape, 0.05)).astype(float))
    return out


def ours(values: list[Floats], *, step: int, horizon: int, train: bool) -> dict[str, float]:
    """Processor seconds to train the LSTM on the panel (if `train`) and to forecast every series `horizon` steps ahead."""
    times = (np.arange(len(values[0])) * step).astype("datetime64[s]")
    rng = np.random.default_rng(0)
    with peak_above() as memory:
        begun = time.process_time()
        nets = (fitted([Grid(values=v, start=0, step=step) for v in values], rng=rng),) if train else ()
        trained = time.process_time()
        for one in values:
            given = SeriesInput(values=one, times=times, step=timedelta(seconds=step))
            forecast_series(given, horizon=horizon, rng=rng, pipeline=replace(ONE_ORIGIN, quantile_models=nets))
        done = time.process_time()
    return {"train_seconds": trained - begun, "seconds": done - begun, "memory_mib": memory()}


def theirs(model: Any, values: list[Floats], horizon: int) -> float:
    """Processor seconds that a statsforecast model takes to fit and forecast each of `values`."""
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in values:
            model.new().forecast(one, h=horizon, level=[50, 80, 90, 98])
    return time.process_time() - begun


def speed(*, series: int = 1000, sample: int = 40) -> dict[str, Any]:
    """All figures; up to `sample` series stand for the panel where AutoETS and the doubling are timed."""
    from statsforecast.models import MSTL, AutoETS

    hourly = panel(series)
    sample = max(1, min(sample, series // 2))
    small = hourly[:3]
    theirs(AutoETS(season_length=24), small, 24)
    ours(small, step=HOUR, horizon=24, train=False)
    ets = theirs(AutoETS(season_length=24), hourly[:sample], 24) / sample
    whole = ours(hourly, step=HOUR, horizon=24, train=True)
    once = ours(hourly[:sample], step=HOUR, horizon=24, train=False)
    twice = ours(hourly[: 2 * sample], step=HOUR, horizon=24, train=False)
    fine = panel(1, weeks=4, step=300)
    mstl = theirs(MSTL(season_length=[288]), fine, 288)
    weekly = {name: theirs(make([288, 2016]), fine, 288) for name, make in DECOMPOSED.items()}
    own = ours(fine, step=300, horizon=288, train=False)
    return {
        "panel_series": series,
        "panel_seconds": whole["seconds"],
        "panel_train_seconds": whole["train_seconds"],
        "panel_seconds_autoets": ets * series,
        "panel_seconds_per_series": whole["seconds"] / series,
        "panel_ratio_to_autoets": whole["seconds"] / (ets * series),
        "panel_memory_mib": whole["memory_mib"],
        "fine_seconds": own["seconds"],
        "fine_seconds_mstl": mstl,
        "fine_ratio_to_mstl": own["seconds"] / mstl,
        "fine_seconds_with_week": weekly,
        "fine_ratio_with_week": {name: own["seconds"] / seconds for name, seconds in weekly.items()},
        "twice_ratio": twice["seconds"] / once["seconds"],
        "twice_memory_mib": [once["memory_mib"], twice["memory_mib"]],
    }
