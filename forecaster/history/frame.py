"""Histories from tidy rows in memory: series with counts, or events without.

The rule: whatever comes in, in whatever order, one cell per pair and step comes out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecaster.errors import HistoryError
from forecaster.history.assemble import EPOCH, cells_history, empty_history
from forecaster.history.cleaning import clean_series
from forecaster.history.history import History, Ints, Pair
from forecaster.history.measured import MEASURED, numbers, read_measurements, unreadable
from forecaster.history.outages import with_outages
from forecaster.history.quality import Finding, Quality
from forecaster.history.retries import are_events, retries
from forecaster.history.rows import Cells, SeriesRows

#: Columns of the sample of events that the workload model learns from.
SAMPLED = ("user_id", "application_id", "program", "parameters", *MEASURED)


def history_from_frame(
    frame: pd.DataFrame,
    *,
    step: timedelta | None = None,
    until: datetime | None = None,
    absent: str = "auto",
    counters: bool = False,
) -> History:
    """A history from tidy rows in memory: series (with `requests`) or events (without).

    Attempts of one event are counted once: rows with the same `request_id` or, without ids, rows equal to one that was
    `rejected` in the 30 s before.

    Args:
        frame: columns `timestamp` (without a zone: UTC), `user_id`, `application_id` and, for series, `requests` (count per
            step) with optional `rejected`, `shed`, `cpu`, `memory`, `network_in`, `network_out`.
        step: length of a step; None: the one of the rows.
        until: rows at or after this time are left out.
        absent: what a step without a row means: "missing", "zero" or "auto" (series: missing, events: zero).
        counters: `requests` only grows; differences are taken.

    Raises:
        HistoryError: a column is missing, a time can't be read, or two steps are mixed.
    """
    _refuse_lacking(frame)
    if frame.empty:
        return empty_history(step or timedelta(hours=1), until or EPOCH)
    micros = _micros(frame)
    names = pd.MultiIndex.from_arrays([frame["user_id"].astype(str), frame["application_id"].astype(str)])
    codes, unique = names.factorize(sort=True)
    pairs: tuple[Pair, ...] = tuple((str(user), str(application)) for user, application in unique)
    if are_events(frame):
        return with_outages(_event_history(frame, codes, micros, pairs, step=step or timedelta(hours=1), until=until))
    rows, findings = _series_rows(frame, pairs, codes, micros)
    return series_history(
        rows,
        step=step,
        until=until,
        absent_is_zero=absent == "zero",
        counters=counters,
        quality=Quality().with_findings(findings),
    )


def _refuse_lacking(frame: pd.DataFrame) -> None:
    lacking = {"timestamp", "user_id", "application_id"} - set(frame.columns)
    if lacking:
        raise HistoryError(
            f"the history has no column {', '.join(sorted(lacking))} (it has {', '.join(map(str, frame.columns))}); "
            "rename the columns that hold them."
        )


def _micros(frame: pd.DataFrame) -> Ints:
    """(rows,) times in µs since 1970 UTC. Raises `HistoryError`."""
    try:
        moment = pd.to_datetime(
            frame["timestamp"], utc=True, format="ISO8601" if frame["timestamp"].dtype == object else None
        )
    except (ValueError, TypeError) as problem:
        raise HistoryError(
            f"a timestamp of the history can't be read ({problem}); write times in ISO 8601, such as 2026-01-05T13:00Z."
        ) from None
    return np.asarray(moment.to_numpy(dtype="datetime64[us]").astype(np.int64))


def _series_rows(
    frame: pd.DataFrame, pairs: tuple[Pair, ...], codes: Ints, micros: Ints
) -> tuple[SeriesRows, list[Finding]]:
    """The columns of a series, and findings on what is no number in them."""
    column, findings = {}, []
    for name in ("requests", "rejected", "shed", "cpu", "memory", "network_in", "network_out"):
        if name in frame.columns:
            column[name], odd = numbers(frame[name])
            findings.append(unreadable(odd, "series", name))
    rows = SeriesRows(
        pairs=pairs,
        pair=codes.astype(np.int64),
        micros=micros,
        requests=column.pop("requests"),
        rejected=column.pop("rejected", None),
        shed=column.pop("shed") > 0 if "shed" in column else None,
        utilisation=column,
    )
    return rows, findings


def series_history(
    rows: SeriesRows,
    *,
    step: timedelta | None,
    until: datetime | None,
    now: datetime | None = None,
    absent_is_zero: bool = False,
    counters: bool = False,
    mean: bool = False,
    quality: Quality | None = None,
) -> History:
    """A history from rows of the series format, cleaned as `clean_series` says."""
    cleaned = clean_series(
        rows, step=step, until=until, now=now, absent_is_zero=absent_is_zero, counters=counters, mean=mean
    )
    base = quality or Quality()
    base = replace(base, rows=max(base.rows, len(rows.micros)))
    return cells_history(
        cleaned.cells,
        start=EPOCH + cleaned.first * cleaned.cells.step,
        pairs=rows.pairs,
        zero_absent=np.full(len(rows.pairs), absent_is_zero),
        quality=base.with_findings(cleaned.findings),
    )


def _event_history(
    frame: pd.DataFrame, codes: Ints, micros: Ints, pairs: tuple[Pair, ...], *, step: timedelta, until: datetime | None
) -> History:
    keep = np.ones(len(frame), dtype=bool)
    findings = []
    if until is not None:
        keep = micros < int((until - EPOCH) / timedelta(microseconds=1))
        late = int((~keep).sum())
        findings.append(
            Finding(kind="future", count=late, where="events", treatment="events at or after the run's time, left out.")
        )
    again = keep & retries(frame, micros)
    findings.append(
        Finding(
            kind="retry",
            count=int(again.sum()),
            where="events",
            treatment="repeated attempts of one request, counted once.",
        )
    )
    keep &= ~again
    size = int(step / timedelta(microseconds=1))
    bins = micros[keep] // size
    if not len(bins):
        return empty_history(step, until or EPOCH)
    first = int(bins.min())
    last = int(until.timestamp() * 1e6) // size - 1 if until is not None else int(bins.max())
    inside = bins <= last
    length = max(0, last - first + 1)
    key, counts = np.unique(codes[keep][inside] * max(length, 1) + (bins[inside] - first), return_counts=True)
    events, odd = read_measurements(frame[[c for c in SAMPLED if c in frame.columns]], "events")
    cells = Cells(
        step=step,
        length=length,
        pair=key // max(length, 1),
        position=key % max(length, 1),
        requests=counts.astype(np.float64),
    )
    return cells_history(
        cells,
        start=EPOCH + first * step,
        pairs=pairs,
        zero_absent=np.ones(len(pairs), dtype=bool),
        measurements=events[keep].reset_index(drop=True) if len(events.columns) > 2 else pd.DataFrame(),
        quality=Quality(rows=len(frame)).with_findings([*findings, *odd]),
    )
