"""The global LSTM: pretraining of the shipped weights, and the tables that say which class of series it helps.

    python -m benchmarks.forecast.lstm --data FOLDER --pretrain       writes forecaster/models/lstm_weights.npz
    python -m benchmarks.forecast.lstm --data FOLDER [--json OUT]     the tables: net alone, mix without it, mix with it
    python -m benchmarks.forecast.lstm --data FOLDER --speed          seconds to train on and forecast 1,000 hourly series

Classes:

- the judged series whole, and with four days of history;
- pairs of the flight panel that no net has learned from (busy, sparse), where a net trained on the other half of the pairs is
  compared with the shipped one.

All numbers are weighted quantile losses over that of the seasonal naive with quantiles of its training residuals, geometric
means.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import declared_split, load
from benchmarks.forecast.lstm_pool import HOUR, flight_pairs, pretrain
from forecaster.demand import LEVELS
from forecaster.models.base import stretch_of
from forecaster.models.features import seasons_of
from forecaster.models.lstm import QuantileLstm, Training, dump, fitted, pretrained, untrained
from forecaster.models.lstm_features import Grid
from forecaster.models.lstm_net import NetSize
from forecaster.rolling.walk import walk
from forecaster.series.forecast import SeriesInput
from forecaster.series.knots import Pipeline
from forecaster.series.loss import pinball

Floats = NDArray[np.float64]
WEIGHTS = Path(__file__).parents[2] / "forecaster" / "models" / "lstm_weights.npz"
#: How the shipped weights were made.
SHIPPED_SEED, SHIPPED_SERIES = 0, 2400
SHIPPED_TRAINING = Training(draws=320_000, epochs=6, learning_rate=3e-3)
SHIPPED_SIZE = NetSize(lstm_units=40, hidden_units=64)
SCORED = [k for k, level in enumerate(LEVELS) if 0.05 <= level <= 0.99]
DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Series:
    """One judged series of a class; rows from `cut` on are scored. `nets` stand alone beside mix and shipped net."""

    kind: str
    name: str
    grid: Grid
    cut: int
    nets: Mapping[str, QuantileLstm]


def weighted_loss(truth: Floats, quantiles: Floats) -> float:
    """Sum over steps of twice the pinball loss, mean over the scored levels: the numerator of the WQL."""
    return float(2 * pinball(truth, quantiles, np.asarray(LEVELS))[:, SCORED].sum(axis=0).mean())


def naive(grid: Grid, cut: int, h: int, rows: NDArray[np.int64]) -> Floats:
    """FIELD's benchmark: the week before where the training holds two, else the day, plus quantiles of its residuals."""
    season = 7 * grid.day if cut >= 14 * grid.day else grid.day
    lag = -(-h // season) * season
    values = stretch_of(
        grid.values, start=grid.start, step=grid.step, seasons=(grid.day,), trained=cut
    ).values  # gaps filled from the past
    known = np.arange(lag, cut)
    if len(known) == 0:
        return np.repeat(np.quantile(values[:cut], LEVELS)[None], len(rows), axis=0)
    residuals = values[known] - values[known - lag]
    return np.asarray(np.maximum(values[rows - lag][:, None] + np.quantile(residuals, LEVELS), 0.0))


def score(series: Series) -> dict[str, float]:
    """Ratio to the seasonal naive per contender and horizon (`near`, `day`); those without a meaning are left out."""
    grid, cut = series.grid, series.cut
    times = (grid.start + grid.step * np.arange(len(grid.values))).astype("datetime64[s]")
    stretch = stretch_of(grid.values, start=grid.start, step=grid.step, seasons=seasons_of(grid.step), trained=cut)
    result: dict[str, float] = {}
    given = SeriesInput(values=grid.values, times=times, step=timedelta(seconds=grid.step))
    walked = {
        "mix without": walk(given, lead=1, start=cut),
        "mix with": walk(given, lead=1, start=cut, pipeline=Pipeline(quantile_models=(pretrained(),))),
    }
    for label in ("near", "day"):
        ahead = getattr(walked["mix without"], label)
        if ahead is None:
            continue
        keep = (ahead.rows >= cut) & (ahead.rows < len(grid.values))
        rows = ahead.rows[keep]
        seen = np.isfinite(grid.values[rows])
        truth = grid.values[rows][seen]
        base = weighted_loss(truth, naive(grid, cut, ahead.h, rows)[seen])
        if not base > 0:
            continue
        for name, made in walked.items():
            result[f"{name} {label}"] = weighted_loss(truth, getattr(made, label).quantiles[keep][seen]) / base
        for name, net in series.nets.items():
            quantiles = net.quantiles_ahead(stretch, ahead.h, LEVELS)[rows][seen]
            if np.isfinite(quantiles).all():
                result[f"{name} {label}"] = weighted_loss(truth, quantiles) / base
    return result


def classes(folder: Path, *, pairs: int) -> Iterator[Series]:
    """The judged series of all classes; `pairs` of the panel."""
    alone = {"lstm": pretrained()}
    for trace in load(declared_split()["judge"], folder):
        step = int(trace.step.total_seconds())
        grid = Grid(values=trace.values, start=int(trace.index[0].timestamp()), step=step)
        yield Series(kind="whole history", name=trace.name, grid=grid, cut=trace.cut, nets=alone)
        first = max(0, trace.cut - 4 * grid.day)
        last = min(len(trace.values), trace.cut + 10 * grid.day)
        short = Grid(values=trace.values[first:last], start=grid.start + first * step, step=step)
        yield Series(kind="four days of history", name=trace.name, grid=short, cut=trace.cut - first, nets=alone)
    every = flight_pairs(folder)
    learned = [replace(p.grid, values=p.grid.values[: p.cut]) for p in every if p.even]
    rng = np.random.default_rng(0)
    cut_moment = every[0].grid.start + every[0].cut * HOUR
    fresh = untrained().updated(learned, since=cut_moment - 1, rng=rng, training=Training())
    warm = pretrained().updated(learned, since=cut_moment - 1, rng=rng, training=Training(draws=20_000, epochs=2))
    # The nets may speak from the cut on; the first forecasts are made a day before it.
    nets = alone | {"panel": _ever(fresh), "shipped + panel": _ever(warm)}
    odd = [p for p in every if not p.even and p.grid.values[p.cut :].sum() > 5]
    for part in odd[:: max(1, len(odd) // pairs)]:
        kind = "panel, sparse" if (part.grid.values[: part.cut] > 0).mean() < 0.08 else "panel, busier"
        yield Series(kind=kind, name=part.name, grid=part.grid, cut=part.cut, nets=nets)


def _ever(net: QuantileLstm) -> QuantileLstm:
    """The newest stage alone, free to speak about series it has not learned from."""
    return replace(net, stages=(replace(net.stages[-1], since=0),))


def summary(scores: Sequence[tuple[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Per class geometric means, and the number of series."""
    result: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(k for k, _ in scores):
        rows = [s for k, s in scores if k == kind and s]
        names = dict.fromkeys(name for row in rows for name in row)
        result[kind] = {"series": float(len(rows))} | {
            name: float(np.exp(np.mean([np.log(max(r[name], 1e-3)) for r in rows if name in r]))) for name in names
        }
    return result


def speed(*, series: int, weeks: int) -> dict[str, float]:
    """Seconds to warm-start on and to forecast made-up hourly series: (two stages, and 24 horizons of one origin)."""
    rng = np.random.default_rng(0)
    rows = np.arange(weeks * 168)
    grids = [
        Grid(values=rng.poisson(10 * (1.2 + np.sin(2 * np.pi * (rows + k) / 24))).astype(float), start=0, step=HOUR)
        for k in range(series)
    ]
    begun = time.perf_counter()
    net = fitted(grids, rng=rng)
    trained = time.perf_counter()
    for grid in grids:
        net.forecast(grid, np.array([len(rows) - 1]), np.arange(1, 25)[None])
    done = time.perf_counter()
    return {"series": series, "train_seconds": trained - begun, "forecast_seconds": done - trained}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast.lstm", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of traces (see benchmarks.data)")
    parser.add_argument("--pretrain", action="store_true", help="replace the shipped weights")
    parser.add_argument("--speed", action="store_true", help="only the time for 1,000 series of 8 weeks")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of the panel that are judged")
    parser.add_argument("--json", type=Path, help="write the tables here")
    options = parser.parse_args(arguments)
    if options.pretrain:
        net = pretrain(
            options.data, seed=SHIPPED_SEED, series=SHIPPED_SERIES, training=SHIPPED_TRAINING, size=SHIPPED_SIZE
        )
        WEIGHTS.write_bytes(dump(net))
        print(f"{WEIGHTS.name}: loss per epoch {', '.join(f'{x:.4f}' for x in net.losses)}")
        return
    if options.speed:
        print(json.dumps(speed(series=1000, weeks=8), indent=1))
        return
    scores = []
    for one in classes(options.data, pairs=options.pairs):
        scores.append((one.kind, score(one)))
        print(f"{one.kind:22s}{one.name:18s}" + "  ".join(f"{k} {v:.3f}" for k, v in scores[-1][1].items()), flush=True)
    made = summary(scores)
    print(f"\n{'class':22s}{'series':>7s}")
    for kind, row in made.items():
        print(f"{kind:22s}{row['series']:7.0f}  " + "  ".join(f"{k} {v:.3f}" for k, v in row.items() if k != "series"))
    if options.json:
        options.json.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
