"""What the shipped LSTM is pretrained on: the tune split, augmented, and made-up series.

Never seen: the judged windows of `split.json`, the odd half (by a hash of the name) of the flight panel's pairs and of
the virtual machines, and of the even pairs the hours after the judged cut. Series are shifted in time, cut short,
joined to longer steps, thinned and added up, so that the net knows no zone, no level and no step.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data import declared_split, load
from forecaster.models.lstm import ALWAYS, QuantileLstm, Training, untrained
from forecaster.models.lstm_features import Grid
from forecaster.models.lstm_net import NetSize

HOUR = 3600
#: Weeks of the panel before and after the cut at 70 % of the year.
PANEL_WEEKS = (8, 4)


@dataclass(frozen=True, kw_only=True)
class PanelSeries:
    """One series of many: `grid`, first judged row `cut`, `even` True for the half that may be learned from."""

    name: str
    grid: Grid
    cut: int

    @property
    def even(self) -> bool:
        """By a hash of the name: the same on every machine."""
        return zlib.crc32(self.name.encode()) % 2 == 0


def flight_pairs(folder: Path) -> list[PanelSeries]:
    """The flight panel's carrier × route pairs, hourly: 8 weeks before 70 % of the year and 4 after; absent is zero."""
    frame = pd.read_csv(folder / "panel_flights_hourly.csv.gz")
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
    index = pd.date_range(frame.timestamp.min(), frame.timestamp.max(), freq="1h")
    cut = int(0.7 * len(index))
    first, last = cut - PANEL_WEEKS[0] * 168, cut + PANEL_WEEKS[1] * 168
    parts = []
    for (user, application), rows in frame.groupby(["user_id", "application_id"]):
        values = rows.groupby("timestamp")["requests"].sum().reindex(index).fillna(0.0).to_numpy(dtype=float)
        grid = Grid(values=values[first:last], start=int(index[first].timestamp()), step=HOUR)
        parts.append(PanelSeries(name=f"{user}/{application}", grid=grid, cut=cut - first))
    return parts


def machines(folder: Path) -> list[PanelSeries]:
    """The virtual machines' CPU use in steps of five minutes; judged from 70 % on."""
    frame = pd.read_csv(folder / "vm_bitbrains_5min.csv.gz")
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
    parts = []
    for name, rows in frame.groupby("application_id"):
        series = rows.groupby(rows.timestamp.dt.floor("5min"))["cpu"].mean()
        series = series.reindex(pd.date_range(series.index[0], series.index[-1], freq="5min"))
        grid = Grid(values=series.to_numpy(dtype=float), start=int(series.index[0].timestamp()), step=300)
        parts.append(PanelSeries(name=str(name), grid=grid, cut=int(0.7 * len(series))))
    return parts


def pool(folder: Path, *, without: frozenset[str] = frozenset()) -> list[list[Grid]]:
    """Series that may be learned from, by source; `without` leaves whole sources out."""
    sources: dict[str, list[Grid]] = {}
    for trace in load([n for n in declared_split()["tune"] if not n.startswith("bitbrains")], folder):
        # The panel's sums would hold its odd pairs.
        if trace.source not in without | {"panel"}:
            step = int(trace.step.total_seconds())
            grid = Grid(values=trace.values, start=int(trace.index[0].timestamp()), step=step)
            sources.setdefault(trace.source, []).append(grid)
    if "panel" not in without:
        pairs = [p for p in flight_pairs(folder) if p.even]
        sources["panel"] = [replace(p.grid, values=p.grid.values[: p.cut]) for p in pairs]
    if "vm" not in without:
        sources["vm"] = [p.grid for p in machines(folder) if p.even]
    return list(sources.values())


def synthetic(rng: np.random.Generator) -> Grid:
    """A made-up series: daily and weekly profiles, noise that grows with the level, shifts, bursts, rare requests."""
    step = int(rng.choice([300, 900, 1800, 3600]))
    day = 86_400 // step
    rows = np.arange(int(rng.uniform(3, 42)) * day)
    clock, week = 2 * np.pi * rows / day, 2 * np.pi * rows / (7 * day)
    log = rng.uniform(0, 0.4) * np.sin(week + rng.uniform(0, 6.3)) * rng.choice([0.0, 1.0])
    for k in (1, 2, 3, 4):
        log = log + rng.normal(0, 0.6 / k) * np.sin(k * clock + rng.uniform(0, 6.3))
    weekend = (rows // day + int(rng.integers(7))) % 7 >= 5
    log = log - rng.choice([0.0, 0.5, 1.5]) * weekend
    log = log + np.cumsum(rng.normal(0, 1, len(rows))) * rng.choice([0.0, 0.02, 0.1]) / np.sqrt(day)
    shocks, memory = rng.normal(0, rng.choice([0.02, 0.1, 0.3]), len(rows)), rng.uniform(0, 0.98)
    noise = np.zeros(len(rows))
    for k in range(1, len(rows)):
        noise[k] = memory * noise[k - 1] + shocks[k]
    log = log + noise
    if rng.random() < 0.3:
        log = log + np.where(rows >= rng.integers(len(rows)), rng.normal(0, 1.5), 0.0)
    rate = np.exp(np.clip(log, -6, 6)) * 10 ** rng.uniform(-1.5, 4)
    bursts = rng.random(len(rows)) < rng.choice([0.0, 0.002, 0.01])
    rate = rate * np.where(bursts, 10 ** rng.uniform(0.3, 1.5, len(rows)), 1.0)
    values = rng.poisson(np.minimum(rate, 1e8)).astype(float) if rng.random() < 0.7 else rate
    return Grid(values=values, start=int(rng.integers(10**6)) * HOUR, step=step)


def augmented(grid: Grid, rng: np.random.Generator) -> Grid:
    """The series at another time of day and week, perhaps joined to longer steps, thinned to few requests or cut."""
    values, step = grid.values, grid.step
    longer = [k for k in (2, 3, 6, 12) if step * k <= HOUR and len(values) // k > 200]
    if longer and rng.random() < 0.4:
        k = int(rng.choice(longer))
        values, step = values[len(values) % k :].reshape(-1, k).mean(axis=1), step * k
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    if mean > 0 and rng.random() < 0.2:
        thin = rng.poisson(np.nan_to_num(values) / mean * 10 ** rng.uniform(-1.3, 1.0)).astype(float)
        values = np.where(np.isfinite(values), thin, np.nan)
    day = 86_400 // step
    if rng.random() < 0.4 and len(values) > 3 * day:
        keep = int(rng.uniform(2 * day, min(len(values), 28 * day)))
        begin = int(rng.integers(0, len(values) - keep + 1))
        values = values[begin : begin + keep]
    return Grid(values=values, start=grid.start + int(rng.integers(0, 7 * 24)) * HOUR, step=step)


def drawn(sources: list[list[Grid]], count: int, rng: np.random.Generator) -> Iterator[Grid]:
    """`count` series: as many from each source as from another, every fourth made up, every seventh a sum of a few."""
    for number in range(count):
        if number % 4 == 3:
            yield synthetic(rng)
            continue
        source = sources[int(rng.integers(len(sources)))]
        grid = source[int(rng.integers(len(source)))]
        if number % 7 == 1:
            some = [source[int(k)] for k in rng.integers(0, len(source), 4)]
            shortest = min(len(g.values) for g in some)
            total = np.sum([np.nan_to_num(g.values[-shortest:]) for g in some], axis=0)
            grid = replace(some[0], values=total)
        yield augmented(grid, rng)


def pretrain(
    folder: Path,
    *,
    seed: int,
    series: int,
    training: Training,
    size: NetSize | None = None,
    without: frozenset[str] = frozenset(),
) -> QuantileLstm:
    """A net trained on `series` drawn series, allowed to speak for any moment: a constant for every later series."""
    rng = np.random.default_rng(seed)
    grids = list(drawn(pool(folder, without=without), series, rng))
    since = max(grid.start + len(grid.values) * grid.step for grid in grids)
    net = untrained(size).updated(grids, since=since, rng=rng, training=training)
    return replace(net, stages=(replace(net.stages[0], since=ALWAYS),))
