"""Reading request history from the rows that a source hands over.

The rule: events are aggregated inside DuckDB to one row per user, application and step in a single pass; series are
cleaned row by row (forecaster.history.cleaning). What comes out is a `History`, with a quality summary of all that was corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial, reduce
from pathlib import Path

import duckdb
import pandas as pd

from forecaster.errors import HistoryError
from forecaster.history.assemble import extended
from forecaster.history.history import History
from forecaster.history.measured import MEASURED
from forecaster.history.outages import with_outages
from reconciler.adapters.history.events import read_events
from reconciler.adapters.history.kinds import (
    DEMAND,
    SERIES,
    guess_finding,
    misspelt,
    refuse_near_miss,
    refuse_other_types,
)
from reconciler.adapters.history.rules import Ends, HistoryRules
from reconciler.adapters.history.scan import Scan, connection, frame_scan, micros_sql, scans_of, unreadable, user_sql
from reconciler.adapters.history.series import read_series
from reconciler.adapters.sources.known import SOURCES, named
from reconciler.adapters.sources.protocol import ReadWindow, Rows, Source

#: Events measured beyond this many are sampled for the workload model.
SAMPLE = 200_000
#: Whether it is an event log, and what was read.
Part = tuple[bool, History]


def read_history(
    sources: Sequence[str | Path],
    *,
    step: timedelta | None,
    until: datetime | None = None,
    now: datetime | None = None,
    rules: HistoryRules | None = None,
    replay: bool = False,
) -> History:
    """The offered demand in `sources` (paths, or the name of a source), on steps of `step` (None: the source's own;
    events: 1 h).

    `until` is the run's time: steps that have not ended by then, and rows after it, are left out. Without it the
    history ends with the step of the last row. `now` is the wall clock: rows that claim to be newer are left out and
    don't lengthen the history. `replay`: it will be cut and walked, so that an outage of a log is one only from the step
    on in which that was known. Raises `HistoryError` with one sentence for what can't be read, `SourceSilent` for what is
    not there.
    """
    window = ReadWindow(until=until, now=now, step=step)
    return with_outages(read_recorded(_source(sources), window, rules or HistoryRules()), as_it_came=replay)


def _source(sources: Sequence[str | Path]) -> Source:
    """The source that paths, or one name, mean."""
    if not sources:
        raise HistoryError("no history is named; name files, folders or a source under `history` in fleet.yaml.")
    section = named(sources)
    return SOURCES[section.source].declared(section, Path())


def read_recorded(source: Source, window: ReadWindow, rules: HistoryRules) -> History:
    """What `read_history` reads, with outages of logs still taken for silence."""
    step, until = window.step, window.until
    if step is not None and step <= timedelta(0):
        raise HistoryError(f"the step is {step}; it must be longer than 0, for instance 5m or 1h.")
    if until is not None and until.tzinfo is None:
        raise HistoryError(f"the run's time {until.isoformat()} has no zone; write it with Z or an offset.")
    held = source.read(window)
    base = connection(rules.timezone)
    try:
        parts = [part for rows in held for part in _read_rows(base, rows, window, rules)]
    finally:
        base.close()
    # Two logs may hold events of one step: they add up. Two series that speak of one step contradict each other.
    logs = [part for log, part in parts if log]
    whole = [reduce(partial(extended, add=True), logs)] if logs else []
    history = reduce(extended, [*whole, *(part for log, part in parts if not log)])
    if not history.quality.rows:
        raise HistoryError(f"{held[0].label}: holds no rows; expected a header and at least one row.")
    return history


def _read_rows(base: duckdb.DuckDBPyConnection, rows: Rows, window: ReadWindow, rules: HistoryRules) -> list[Part]:
    """What a source handed over, as parts of one kind and set of columns each."""
    try:
        return [_read_scan(base, scan, rows, window, rules) for scan in scans_of_rows(base, rows, rules)]
    except duckdb.Error as problem:
        if rows.frame is not None:
            raise unreadable(rows.label, problem) from None
        # Rows past DuckDB's sample are written differently from those in it: read the times as text and look again.
        scans = scans_of_rows(base, rows, rules, text_times=True)
        try:
            return [_read_scan(base, scan, rows, window, rules) for scan in scans]
        except duckdb.Error as again:
            raise unreadable(scans[0].label, again) from None


def scans_of_rows(
    base: duckdb.DuckDBPyConnection, rows: Rows, rules: HistoryRules, *, text_times: bool = False
) -> list[Scan]:
    """The scans of rows in memory or in files; `text_times` reads the times of files as text."""
    if rows.frame is not None:
        return [frame_scan(base, rows.frame, rows.label, timezone=rules.timezone)]
    return scans_of(
        base, rows.files, rules.columns, timezone=rules.timezone, said_in=rules.said_in, text_times=text_times
    )


def _read_scan(
    base: duckdb.DuckDBPyConnection, scan: Scan, rows: Rows, window: ReadWindow, rules: HistoryRules
) -> Part:
    step, ends = window.step, Ends(until=window.until, now=window.now)
    if rows.recorded is not None:
        hours = step or timedelta(hours=1)
        return True, read_events(base, scan, step=hours, **ends, rules=rules, recorded=rows.recorded)
    series = rules.kind == "series" or (rules.kind == "auto" and scan.has(rules.demand, "requests", "requests_total"))
    refuse_other_types(scan, rules.demand, "requests", *DEMAND, *SERIES, *MEASURED)
    if series:
        likely = misspelt(scan, rules, events=False)
        counts = read_series(base, scan, step=step, **ends, rules=rules)
        return False, replace(counts, quality=counts.quality.with_findings(likely))
    utilisation = [name for name in ("cpu", "memory", "network_in", "network_out") if scan.has(name)]
    if rules.kind == "auto" and utilisation and not scan.has("program", "parameters", "cpu_seconds"):
        instead = f", or set `history.demand: {utilisation[0]}` in {rules.said_in} to forecast the utilisation itself"
        raise HistoryError(
            f"{scan.label}: has utilisation ({', '.join(utilisation)}) but no column `requests`; add the counts"
            f"{instead if rules.said_in else ''}."
        )
    if rules.kind == "auto":
        refuse_near_miss(scan, rules)
    found = misspelt(scan, rules, events=True)
    events = read_events(base, scan, step=step or timedelta(hours=1), **ends, rules=rules)
    found += guess_finding(scan, events.quality.rows) if rules.kind == "auto" else []
    return True, replace(events, quality=events.quality.with_findings(found))


def read_measurements(
    source: Source, *, until: datetime | None = None, rules: HistoryRules | None = None
) -> pd.DataFrame:
    """A bounded sample of events with what they measurably cost, for the workload model; empty for series.

    Columns: user_id, application_id, program, parameters (text), cpu_seconds, memory_bytes, network_bytes, latency_ms.
    The sample takes every k-th event by a hash of its content, so the same rows give the same sample.
    """
    rules = rules or HistoryRules()
    base = connection(rules.timezone)
    frames = []
    held = source.read(ReadWindow(until=until))
    try:
        for rows in held:
            scans = scans_of_rows(base, rows, rules)
            frames += [_sample(base, scan, until) for scan in scans if scan.has(*MEASURED, "program")]
    except duckdb.Error as problem:
        raise unreadable(held[0].label, problem) from None
    finally:
        base.close()
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _sample(base: duckdb.DuckDBPyConnection, scan: Scan, until: datetime | None) -> pd.DataFrame:
    text = [f"{scan.sql(name, 'VARCHAR')} AS {name}" for name in ("application_id", "program", "parameters")]
    read = {name: scan.sql(name, "DOUBLE") for name in MEASURED}
    numbers = [f"CASE WHEN {sql} >= 0 AND isfinite({sql}) THEN {sql} END AS {name}" for name, sql in read.items()]
    limit = "true" if until is None else f"{micros_sql(scan)} < {int(until.timestamp() * 1e6)}"
    rows = base.execute(f"SELECT count(*) FROM {scan.relation} WHERE {limit}").fetchone()
    every = max(1, -(-int(rows[0] if rows else 0) // SAMPLE))
    columns = ", ".join((f"{micros_sql(scan)} AS us", f"{user_sql(scan)} AS user_id", *text, *numbers))
    return pd.DataFrame(
        base.execute(
            f"SELECT * EXCLUDE (us) FROM (SELECT {columns} FROM {scan.relation} WHERE {limit}) AS t "
            f"WHERE hash(t) % {every} = 0 ORDER BY ALL"
        ).df()
    )
