"""How a hierarchy of many sparse pairs grows: time and memory of training, forecasting, updating and keeping.

`python -m benchmarks.forecast.hierarchy [--pairs 100000] [--json OUT]` draws an event log of users × applications with a few big
and very many sparse pairs over eight weeks of hours, and prints one row per size: half the pairs, then all of them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from forecaster.hierarchy.settings import PlbmSettings
from forecaster.history.assemble import cells_history
from forecaster.history.history import History
from forecaster.history.rows import Cells
from forecaster.plbm import PLBM
from reconciler.adapters.model_store import load_state, save_state

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 8 * 7 * 24
#: Users per application on average.
USERS = 500


def sparse_history(pairs: int, seed: int) -> History:
    """An event log: volumes of pairs fall as a power law, demand follows the day, most hours of most pairs are empty."""
    rng = np.random.default_rng(seed)
    applications = max(1, pairs // USERS)
    names = sorted((f"user-{k // applications:05d}", f"app-{k % applications:04d}") for k in range(pairs))
    volume = np.minimum(3000.0, 12.0 * (rng.pareto(1.2, pairs) + 0.3))
    wave = 1 + 0.6 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
    share = wave / wave.sum()
    counts = rng.poisson(volume)
    owner = np.repeat(np.arange(pairs), counts)
    hour = rng.choice(HOURS, size=len(owner), p=share)
    key, requests = np.unique(owner * HOURS + hour, return_counts=True)
    cells = Cells(
        step=timedelta(hours=1),
        length=HOURS,
        pair=key // HOURS,
        position=key % HOURS,
        requests=requests.astype(np.float64),
    )
    return cells_history(cells, start=START, pairs=names, zero_absent=np.ones(pairs, dtype=bool))


def measured(pairs: int) -> dict[str, Any]:
    """Seconds of each stage and peak memory of this process, for a log of `pairs`."""
    history = sparse_history(pairs, seed=0)
    before = _peak_gib()
    row: dict[str, Any] = {"pairs": pairs, "applications": len(history.applications), "cells": len(history.requests)}
    plbm = PLBM(PlbmSettings(horizon=24, paths=400))
    _timed(row, "train_s", lambda: plbm.train(history))
    row["series"] = len(plbm.structure.series)
    _timed(row, "forecast_s", plbm.forecast)
    _timed(row, "users_s", lambda: plbm.forecast(level="user"))
    user, application = history.pairs[len(history.pairs) // 2]
    _timed(row, "predict_s", lambda: plbm.predict(user, application, history.end + timedelta(hours=5)))
    joint = plbm.joint_forecast()
    _timed(row, "all_pairs_s", lambda: [joint.pair_quantiles(node) for node in range(len(joint.structure.nodes))])
    with tempfile.TemporaryDirectory() as folder:
        _timed(row, "save_s", lambda: save_state(Path(folder), plbm.state))
        _timed(row, "load_s", lambda: load_state(Path(folder)))
    newer = sparse_history(pairs, seed=1)
    first = newer.position == 0
    cells = Cells(
        step=newer.step,
        length=1,
        pair=np.repeat(np.arange(pairs), np.diff(newer.offsets))[first],
        position=np.zeros(int(first.sum()), dtype=np.int64),
        requests=newer.requests[first],
    )
    rows = cells_history(cells, start=history.end, pairs=newer.pairs, zero_absent=newer.zero_absent)
    _timed(row, "update_s", lambda: plbm.update(rows))
    row |= {"history_gib": round(before, 2), "peak_gib": round(_peak_gib(), 2)}
    return row


def _timed(row: dict[str, Any], name: str, run: Callable[[], object]) -> None:
    begin = time.perf_counter()
    run()
    row[name] = round(time.perf_counter() - begin, 2)


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast.hierarchy", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for pairs in (given.pairs // 2, given.pairs):
        # Its own process, so that the peak of one size is not that of the other.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measured, (pairs,)))
        sys.stdout.write("  ".join(f"{name} {value}" for name, value in rows[-1].items()) + "\n")
        sys.stdout.flush()
    if given.json:
        given.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
