"""The traces of the sizing run: judged ones, packaged ones, or any tidy file.

A file holds `timestamp` and one of `requests`, `cpu`, `memory`, `network_in`, `network_out`; with `application_id`, a trace per
application, its users added (levels averaged). Windows and cuts follow the field's protocol (`benchmarks.data.window`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.data import LEVEL_COLUMNS, Trace, declared_split, load, packaged, window

QUICK = ("clarknet", "purchase-03", "mongo-01")
COLUMNS = ("requests", "cpu", "memory", "network_in", "network_out")
#: Finer steps are joined to this one, as the protocol does.
FINEST = pd.Timedelta("5min")


def traces(data: Path | None, histories: Sequence[Path], only: Sequence[str], *, quick: bool) -> Iterator[Trace]:
    """The named traces, or all: of the files, else of the folder (its judged ones, few when `quick`), else packaged."""
    if histories:
        found: Iterator[Trace] = (trace for path in histories for trace in of_file(path))
    elif data is not None:
        yield from load(list(only or (QUICK if quick else declared_split()["judge"])), data)
        return
    else:
        found = packaged()
    yield from (trace for trace in found if not only or trace.name in only)


def of_file(path: Path) -> Iterator[Trace]:
    """A trace per application of a tidy CSV file; ValueError says what the file lacks."""
    frame = pd.read_csv(path)
    column = next((name for name in COLUMNS if name in frame and frame[name].notna().any()), None)
    if column is None or "timestamp" not in frame:
        raise ValueError(f"{path}: needs a column timestamp and one of {', '.join(COLUMNS)}")
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
    name = path.name.partition(".")[0]
    labels = frame["application_id"].astype(str) if "application_id" in frame else pd.Series(name, index=frame.index)
    for label, part in frame.groupby(labels):
        stamps = part["timestamp"].drop_duplicates().sort_values()
        if len(stamps) < 2:
            raise ValueError(f"{path}: {label} has fewer than two steps")
        step = max(pd.Timedelta(stamps.diff().mode()[0]), FINEST)
        grouped = part.groupby(part["timestamp"].dt.floor(step))[column]
        series = grouped.mean() if column in LEVEL_COLUMNS else grouped.sum(min_count=1)
        grid = pd.date_range(series.index[0], series.index[-1], freq=step)
        yield window(str(label), name, series.reindex(grid), step)
