"""Series (one row per user, application and step) read by DuckDB and cleaned by forecaster.cleaning.

The rule: DuckDB turns times into UTC microseconds and names into numbers; local times that happen twice when the clock
goes back are told apart by their order in the file.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from numpy.typing import NDArray

from forecaster.assemble import empty_history, series_history
from forecaster.cleaning import SeriesRows
from forecaster.errors import HistoryError
from forecaster.history import History
from forecaster.quality import Finding, Quality
from reconciler.adapters.duckdb_scan import Scan, micros_sql, naive_sql

if TYPE_CHECKING:
    from reconciler.adapters.history import HistoryRules

GAUGES = ("cpu", "memory", "network_in", "network_out")


def read_series(
    base: duckdb.DuckDBPyConnection,
    scan: Scan,
    *,
    step: timedelta | None,
    until: datetime | None,
    rules: HistoryRules,
) -> History:
    """The series in `scan` on steps of `step` (None: their own). Raises `HistoryError` where they can't be used."""
    counter = rules.counters or (scan.has("requests_total") and not scan.has(rules.demand))
    demand = rules.demand if scan.has(rules.demand) else "requests_total" if scan.has("requests_total") else "requests"
    if not scan.has(demand):
        raise HistoryError(f"{scan.label}: has no column {demand!r} (it has {', '.join(scan.columns)}).")
    wanted = [name for name in ("rejected", "shed", *GAUGES) if scan.has(name) and name != demand]
    rows = _fetch(base, scan, demand, wanted)
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
    if naive.any():
        kind = "naive-zone" if naive.all() else "mixed-zones"
        text = "times name no zone; they" if naive.all() else "some times name a zone and some do not; these"
        findings.append(
            Finding(
                kind=kind, count=int(naive.sum()), where=scan.label, treatment=f"{text} were read as {rules.timezone}."
            )
        )
        micros, changes = _clock_changes(micros, naive, pair, rules.timezone, scan.label)
        findings += changes
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
            absent_is_zero=rules.absent == "zero",
            counters=counter,
            mean=demand in GAUGES[:2],
            quality=quality.with_findings(findings),
        )
    except HistoryError as problem:
        raise HistoryError(f"{scan.label}: {problem}") from None


def _fetch(base: duckdb.DuckDBPyConnection, scan: Scan, demand: str, wanted: list[str]) -> dict[str, NDArray[Any]]:
    value, kind = scan.columns[demand]
    number = scan.sql(demand, "DOUBLE")
    readable = (
        f"({value} IS NULL OR {number} IS NOT NULL OR trim({value}) IN ('', 'NaN', 'nan', 'NA'))"
        if kind == "VARCHAR"
        else "true"
    )
    extra = "".join(
        f", try_cast({scan.sql(name)}::VARCHAR AS BOOLEAN)::DOUBLE AS {name}"
        if name == "shed"
        else f", {scan.sql(name, 'DOUBLE')} AS {name}"
        for name in wanted
    )
    base.execute(
        f"CREATE OR REPLACE TEMP TABLE series_rows AS SELECT {micros_sql(scan)} AS us, {scan.sql('user_id', 'VARCHAR')} AS u, "
        f"{scan.sql('application_id', 'VARCHAR')} AS a, {number} AS value, {naive_sql(scan)} AS naive, {readable} AS readable{extra} "
        f"FROM {scan.relation}"
    )
    base.execute(
        "CREATE OR REPLACE TEMP TABLE pairs AS SELECT u, a, (row_number() OVER (ORDER BY u, a) - 1)::INTEGER AS pair "
        "FROM (SELECT DISTINCT u, a FROM series_rows WHERE u IS NOT NULL AND a IS NOT NULL)"
    )
    columns = "".join(f", {name}" for name in wanted)
    rows = base.execute(
        "SELECT coalesce(us, 0) AS us, coalesce(pair, 0) AS pair, value, coalesce(naive, true) AS naive, "
        f"(us IS NOT NULL AND pair IS NOT NULL AND readable)::INTEGER AS good{columns} "
        "FROM (SELECT *, row_number() OVER () AS place FROM series_rows) LEFT JOIN pairs USING (u, a) ORDER BY place"
    ).fetchnumpy()
    return {name: np.ma.getdata(values) if name != "value" else values for name, values in _unmasked(rows).items()}


def _unmasked(rows: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {
        name: np.ma.filled(values.astype(np.float64), np.nan)
        if isinstance(values, np.ma.MaskedArray) and values.mask.any()
        else np.asarray(values)
        for name, values in rows.items()
    }


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _names(base: duckdb.DuckDBPyConnection) -> tuple[tuple[str, str], ...]:
    return tuple((str(u), str(a)) for u, a in base.execute("SELECT u, a FROM pairs ORDER BY pair").fetchall())


def _bad_sentence(base: duckdb.DuckDBPyConnection, scan: Scan, demand: str, bad: int, count: int) -> str:
    time, value = scan.columns["timestamp"][0], scan.columns[demand][0]
    number = scan.sql(demand, "DOUBLE")
    row = base.execute(
        f"SELECT n, t, v FROM (SELECT row_number() OVER () AS n, {time}::VARCHAR AS t, {value}::VARCHAR AS v, "
        f"({micros_sql(scan)} IS NULL OR {scan.sql('user_id')} IS NULL OR {scan.sql('application_id')} IS NULL "
        f"OR ({number} IS NULL AND {value} IS NOT NULL)) AS bad FROM {scan.relation}) WHERE bad LIMIT 1"
    ).fetchone()
    place = f"; the first is line {int(row[0]) + 1}: timestamp {row[1]!r}, {demand} {row[2]!r}" if row else ""
    return (
        f"{scan.label}: {bad} of {count} rows can't be read{place}; expected an ISO 8601 time, a user, an application and "
        "a number (or nothing, for missing)."
    )


def _clock_changes(
    micros: NDArray[np.int64], naive: NDArray[np.bool_], pair: NDArray[np.int64], timezone: str, label: str
) -> tuple[NDArray[np.int64], list[Finding]]:
    """Local times around clock changes: the doubled hour is split by file order, hours that never were are reported."""
    doubled, skipped = _transitions(micros, timezone)
    micros = micros.copy()
    split = 0
    for begin, end, shift, later in doubled:
        # DuckDB maps a doubled local time to one instant; a second row of the same pair and time is the other one.
        here = np.flatnonzero(naive & (micros >= begin) & (micros < end))
        other = shift if not later else -shift
        seen: dict[tuple[int, int], int] = {}
        for k in here:
            key = (int(pair[k]), int(micros[k]))
            if key in seen:
                micros[k if other > 0 else seen[key]] += other
                split += 1
            else:
                seen[key] = int(k)
    inside = sum(int((naive & (micros >= begin) & (micros < end)).sum()) for begin, end in skipped)
    _ = inside
    return micros, [
        Finding(
            kind="clock-back",
            count=split,
            where=label,
            treatment="local times that happen twice, told apart by file order.",
        ),
    ]


def _transitions(
    micros: NDArray[np.int64], timezone: str
) -> tuple[list[tuple[int, int, int, bool]], list[tuple[int, int]]]:
    zone = ZoneInfo(timezone)
    first, last = int(micros.min()) // 1_000_000, int(micros.max()) // 1_000_000
    hour = 3600
    doubled, skipped = [], []
    moments = range(first - first % hour - 24 * hour, last + 25 * hour, hour)
    before = None
    for moment in moments:
        offset = int((datetime.fromtimestamp(moment, tz=zone).utcoffset() or timedelta(0)).total_seconds())
        if before is not None and offset < before:
            fall = (before - offset) * 1_000_000
            # The doubled local hour as UTC instants: [change - fall, change) first, [change, change + fall) again.
            change = moment * 1_000_000
            doubled.append((change - fall, change, fall, False))
            doubled.append((change, change + fall, fall, True))
        elif before is not None and offset > before:
            skipped.append((moment * 1_000_000, (moment + offset - before) * 1_000_000))
        before = offset
    return doubled, skipped
