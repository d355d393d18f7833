"""Series (one row per user, application and step) read by DuckDB and cleaned by forecaster.history.cleaning.

The rule: DuckDB turns times into UTC microseconds and names into numbers; local times that happen twice when the clock
goes back are told apart by their order in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from forecaster.errors import HistoryError
from forecaster.history.assemble import empty_history
from forecaster.history.frame import series_history
from forecaster.history.history import History
from forecaster.history.measured import negative, without_negatives
from forecaster.history.quality import Finding, Quality
from forecaster.history.rows import SeriesRows
from reconciler.adapters.history.clock_back import doubled_hours
from reconciler.adapters.history.rules import HistoryRules
from reconciler.adapters.history.scan import Scan, micros_sql, naive_sql, unread_findings, user_sql, zone_finding

GAUGES = ("cpu", "memory", "network_in", "network_out")


def read_series(
    base: duckdb.DuckDBPyConnection,
    scan: Scan,
    *,
    step: timedelta | None,
    until: datetime | None,
    now: datetime | None = None,
    rules: HistoryRules,
) -> History:
    """The series in `scan` on steps of `step` (None: their own). Raises `HistoryError` where they can't be used."""
    counter = rules.counters or (scan.has("requests_total") and not scan.has(rules.demand))
    demand = rules.demand if scan.has(rules.demand) else "requests_total" if scan.has("requests_total") else "requests"
    if not scan.has(demand):
        raise HistoryError(f"{scan.label}: has no column {demand!r} (it has {', '.join(scan.columns)}).")
    wanted = [name for name in ("rejected", "shed", *GAUGES, "latency_ms") if scan.has(name) and name != demand]
    read = {name: _shed_sql(scan) if name == "shed" else scan.sql(name, "DOUBLE") for name in wanted}
    rows = _fetch(base, scan, demand, read)
    count = len(rows["us"])
    bad = ~np.isfinite(rows["good"].astype(float)) | (rows["good"] == 0)
    quality = Quality(rows=count)
    if count == 0:
        return empty_history(step or timedelta(hours=1), until or datetime(1970, 1, 1, tzinfo=UTC))
    if bad.sum() > rules.bad_share * count:
        raise HistoryError(_bad_sentence(base, scan, demand, int(bad.sum()), count))
    keep = ~bad
    micros = rows["us"][keep].astype(np.int64)
    naive = rows["naive"][keep].astype(bool)
    pair = rows["pair"][keep].astype(np.int64)
    findings = [Finding(kind="bad-row", count=int(bad.sum()), where=scan.label, treatment="unreadable rows, left out.")]
    findings += unread_findings(base, scan, read)
    if "latency_ms" in rows:  # read where it is used, in the last step alone; here only to say what is wrong with it
        _, below = without_negatives(_numbers(rows["latency_ms"]))
        findings.append(negative(below, scan.label, "latency_ms"))
    if naive.any():
        findings.append(zone_finding(int(naive.sum()), len(naive), scan.label, rules.timezone))
        micros, moved = _clock_changes(micros, pair, naive, rules.timezone)
        treatment = "local times that come twice when the clock goes back, told apart by file order."
        findings.append(Finding(kind="clock-back", count=moved, where=scan.label, treatment=treatment))
    series = SeriesRows(
        pairs=_names(base),
        pair=pair,
        micros=micros,
        requests=_numbers(rows["value"])[keep],
        rejected=_numbers(rows["rejected"])[keep] if "rejected" in rows else None,
        shed=(_numbers(rows["shed"])[keep] > 0) if "shed" in rows else None,
        utilisation={name: _numbers(rows[name])[keep] for name in GAUGES if name in rows},
    )
    try:
        return series_history(
            series,
            step=step,
            until=until,
            now=now,
            absent_is_zero=rules.absent == "zero",
            counters=counter,
            mean=demand in GAUGES[:2],
            quality=quality.with_findings(findings),
        )
    except HistoryError as problem:
        raise HistoryError(f"{scan.label}: {problem}") from None


def _fetch(
    base: duckdb.DuckDBPyConnection, scan: Scan, demand: str, read: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """Rows in file order: us, pair, value, naive, good and what `read` names; NaN where there is nothing."""
    value, kind = scan.columns[demand]
    number = scan.sql(demand, "DOUBLE")
    blank = f"{value} IS NULL OR trim({value}) IN ('', 'NaN', 'nan', 'NA')" if kind == "VARCHAR" else "true"
    columns = [
        f"{micros_sql(scan)} AS us",
        f"{user_sql(scan)} AS u",
        f"{scan.sql('application_id', 'VARCHAR')} AS a",
        f"{number} AS value",
        f"{naive_sql(scan)} AS naive",
        f"({number} IS NOT NULL OR {blank}) AS readable",
        *(f"{sql} AS {name}" for name, sql in read.items()),
    ]
    base.execute(f"CREATE OR REPLACE TEMP TABLE series_rows AS SELECT {', '.join(columns)} FROM {scan.relation}")
    base.execute(
        "CREATE OR REPLACE TEMP TABLE pairs AS SELECT u, a, (row_number() OVER (ORDER BY u, a) - 1)::INTEGER AS pair "
        "FROM (SELECT DISTINCT u, a FROM series_rows WHERE a IS NOT NULL)"
    )
    rows = base.execute(
        "SELECT coalesce(us, 0) AS us, coalesce(pair, 0) AS pair, value, coalesce(naive, true) AS naive, "
        f"(us IS NOT NULL AND pair IS NOT NULL AND readable)::INTEGER AS good{''.join(f', {n}' for n in read)} "
        "FROM (SELECT *, row_number() OVER () AS place FROM series_rows) LEFT JOIN pairs USING (u, a) ORDER BY place"
    ).fetchnumpy()
    return {name: _plain(values) for name, values in rows.items()}


def _shed_sql(scan: Scan) -> str:
    """SQL of whether load was shed: a truth value or a count, above 0 where some was."""
    text = f"{scan.sql('shed')}::VARCHAR"
    return f"coalesce(try_cast({text} AS DOUBLE), try_cast({text} AS BOOLEAN)::DOUBLE)"


def _plain(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray) and np.any(values.mask):
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    return np.asarray(np.ma.getdata(values))


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _names(base: duckdb.DuckDBPyConnection) -> tuple[tuple[str, str], ...]:
    return tuple((str(u), str(a)) for u, a in base.execute("SELECT u, a FROM pairs ORDER BY pair").fetchall())


def _bad_sentence(base: duckdb.DuckDBPyConnection, scan: Scan, demand: str, bad: int, count: int) -> str:
    time, value = scan.columns["timestamp"][0], scan.columns[demand][0]
    number = scan.sql(demand, "DOUBLE")
    row = base.execute(
        f"SELECT n, t, v FROM (SELECT row_number() OVER () AS n, {time}::VARCHAR AS t, {value}::VARCHAR AS v, "
        f"({micros_sql(scan)} IS NULL OR {scan.sql('application_id')} IS NULL "
        f"OR ({number} IS NULL AND {value} IS NOT NULL)) AS bad FROM {scan.relation}) WHERE bad LIMIT 1"
    ).fetchone()
    place = f"; the first is line {int(row[0]) + 1}: timestamp {row[1]!r}, {demand} {row[2]!r}" if row else ""
    return (
        f"{scan.label}: {bad} of {count} rows can't be read{place}; expected an ISO 8601 time, an application and "
        "a number (or nothing, for missing)."
    )


def _clock_changes(
    micros: NDArray[np.int64], pair: NDArray[np.int64], naive: NDArray[np.bool_], timezone: str
) -> tuple[NDArray[np.int64], int]:
    """Times in which the local hour that comes twice is told apart by file order, and how many rows that moved."""
    micros, moved = micros.copy(), 0
    for begin, end, forward in doubled_hours(int(micros.min()), int(micros.max()), timezone):
        # DuckDB maps a doubled local time to one of its two instants; the other row of the pair is at the other.
        width = end - begin
        first: dict[tuple[int, int], int] = {}
        for row in np.flatnonzero(naive & (micros >= begin) & (micros < end)):
            key = (int(pair[row]), int(micros[row]))
            if key not in first:
                first[key] = int(row)
            elif forward:
                micros[row] += width
                moved += 1
            else:
                micros[first[key]] -= width
                moved += 1
    return micros, moved
