"""Events (one row per request) aggregated to steps by DuckDB, in one pass over the file.

The rule: demand is what was offered: served and rejected requests, each retry chain once, counted before routing. A
request with an id counts in the step of its first attempt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from forecaster.errors import HistoryError
from forecaster.history.assemble import EPOCH, cells_history, empty_history
from forecaster.history.history import History
from forecaster.history.measured import MEASURED, negative
from forecaster.history.quality import Finding, Quality
from forecaster.history.rows import Cells
from reconciler.adapters.history.clock_back import deal_out
from reconciler.adapters.history.rules import HistoryRules
from reconciler.adapters.history.scan import UNKNOWN_USER, Scan, micros_sql, naive_sql, unread_findings, zone_finding

#: Rows looked at for the order of times; the order of a log changes no count, so this is for the summary only.
ORDER_ROWS = 100_000
#: Kind of finding → what was done with its rows.
TREATMENTS = {
    "bad-row": "rows without a readable time or name, left out.",
    "rejected": "rejected requests, counted as demand.",
    "retry": "retries of one request, counted once.",
    "no-user": f'rows without a user, counted for the user "{UNKNOWN_USER}".',
}


def read_events(
    base: duckdb.DuckDBPyConnection,
    scan: Scan,
    *,
    step: timedelta,
    until: datetime | None,
    now: datetime | None = None,
    rules: HistoryRules,
    recorded: tuple[datetime, datetime] | None = None,
) -> History:
    """Offered requests per user, application and step; `recorded` is the span in which an absent step is zero.

    Without `recorded` the span is that of the events. Raises `HistoryError` for too many unreadable rows.
    """
    size = int(step / timedelta(microseconds=1))
    base.execute(f"CREATE OR REPLACE TEMP TABLE steps AS {_aggregation(scan, size, rules)}")
    nameless = base.execute("SELECT coalesce(sum(attempts), 0)::BIGINT FROM steps WHERE user_id IS NULL").fetchone()
    base.execute(f"CREATE OR REPLACE TEMP VIEW named AS {_named(bool(nameless and nameless[0]))}")
    bad, rows, first, last, rejected, naive, events = _totals(base)
    label = scan.label
    if bad > rules.bad_share * rows:
        raise HistoryError(
            f"{label}: {bad} of {rows} rows have a timestamp or application that can't be read"
            f"{_first_bad(base, scan)}; expected ISO 8601 times (or epoch numbers) and names in every row."
        )
    counts = {"bad-row": bad, "rejected": rejected, "retry": rows - bad - events}
    if nameless:
        counts["no-user"] = int(nameless[0])
    findings = [Finding(kind=kind, count=n, where=label, treatment=TREATMENTS[kind]) for kind, n in counts.items()]
    if naive > 0:
        findings.append(zone_finding(naive, rows - bad, label, rules.timezone))
        twice = 0 if first is None or last is None else deal_out(base, size, first, last, rules.timezone)
        treatment = "events of the local hour that comes twice when the clock goes back, half of them counted in each."
        findings.append(Finding(kind="clock-back", count=twice, where=label, treatment=treatment))
    findings += _order(base, scan)
    if recorded is None and not scan.has("request_id"):
        findings += _repeated(base, scan)
    numbers = {name: scan.sql(name, "DOUBLE") for name in MEASURED}
    findings += unread_findings(base, scan, {"rejected": scan.sql("rejected", "BOOLEAN"), **numbers})
    findings += _negatives(base, scan)
    if first is None or last is None:
        return empty_history(step, until or EPOCH)
    first, last = _span(base, first, last, size, until, now, recorded)
    late = _later(base, size, [moment for moment in (until, now) if moment is not None])
    findings.append(Finding(kind="future", count=late, where=label, treatment="events after the run's time, left out."))
    length = max(0, last - first + 1)
    pairs, cells = _cells(base, first, last)
    absent_is_zero = rules.absent != "missing"
    found = Cells(step=step, length=length, pair=cells["pair"], position=cells["position"], requests=cells["requests"])
    return cells_history(
        found,
        start=EPOCH + first * step,
        pairs=pairs,
        zero_absent=np.full(len(pairs), absent_is_zero),
        quality=Quality(rows=rows).with_findings(findings),
    )


def _negatives(base: duckdb.DuckDBPyConnection, scan: Scan) -> list[Finding]:
    """Findings on measurements that nothing can have measured, which the aggregation counted."""
    names = list(_off(scan))
    if not names:
        return []
    sums = ", ".join(f"coalesce(sum(off_{name}), 0)::BIGINT" for name in names)
    counts = base.execute(f"SELECT {sums} FROM steps").fetchone() or ()
    return [negative(int(count), scan.label, name) for name, count in zip(names, counts, strict=True)]


def _off(scan: Scan) -> dict[str, str]:
    """Measured column → SQL that is true for a value that is below 0 or infinite."""
    there = {name: scan.sql(name, "DOUBLE") for name in MEASURED if scan.has(name)}
    return {name: f"({number} < 0 OR isinf({number}))" for name, number in there.items()}


def _aggregation(scan: Scan, size: int, rules: HistoryRules) -> str:
    micros = micros_sql(scan)
    user, application = scan.sql("user_id", "VARCHAR"), scan.sql("application_id", "VARCHAR")
    rejected = f"coalesce({scan.sql('rejected', 'BOOLEAN')}, false)" if scan.has("rejected") else None
    naive = naive_sql(scan)
    naive_count = {"true": "count(*)", "false": "0"}.get(naive, f"count(*) FILTER (WHERE {naive})")
    off = "".join(f", count(*) FILTER (WHERE {sql}) AS off_{name}" for name, sql in _off(scan).items())
    off_sums = "".join(f", sum(off_{name})::BIGINT AS off_{name}" for name in _off(scan))
    if scan.has("request_id"):
        # The first attempt decides the step; a request is rejected in the summary if any attempt was.
        request = scan.sql("request_id", "VARCHAR")
        turned_away = f"bool_or({rejected})" if rejected else "false"
        once = (
            f"SELECT min({micros}) AS us, {user} AS u, {application} AS a, {turned_away} AS r, count(*) AS n, "
            f"{naive_count} AS z{off} FROM {scan.relation} GROUP BY u, a, "
            f"coalesce({request}, gen_random_uuid()::VARCHAR)"
        )
        return (
            f"SELECT us // {size} AS step, u AS user_id, a AS application_id, count(*) AS requests, "
            f"sum(n)::BIGINT AS attempts, count(*) FILTER (WHERE r) AS rejected, sum(z)::BIGINT AS naive{off_sums} "
            f"FROM ({once}) GROUP BY ALL"
        )
    if rejected is not None:
        return _aggregation_with_retries(scan, size, rules, micros, user, application, rejected, naive_count)
    counted = "" if naive in ("true", "false") else f", {naive_count} AS naive"
    naive_later = {"true": "requests", "false": "0"}.get(naive, "naive")
    return (
        f"SELECT step, user_id, application_id, requests, requests AS attempts, 0 AS rejected, {naive_later} AS naive"
        f"{''.join(f', off_{name}' for name in _off(scan))} "
        f"FROM (SELECT {micros} // {size} AS step, {user} AS user_id, {application} AS application_id, "
        f"count(*) AS requests{counted}{off} FROM {scan.relation} GROUP BY ALL)"
    )


def _aggregation_with_retries(
    scan: Scan, size: int, rules: HistoryRules, micros: str, user: str, application: str, rejected: str, naive: str
) -> str:
    """Without ids, an event equal to a rejected one shortly before (same user, application, program, parameters) is its
    retry. Only rejected events can be followed by a retry, so the window runs over the calls that had any rejection."""
    program, parameters = scan.sql("program", "VARCHAR"), scan.sql("parameters", "VARCHAR")
    window = int(rules.retry_window / timedelta(microseconds=1))
    call = "PARTITION BY u, a, p, q ORDER BY us, r DESC"
    off = "".join(f", coalesce({sql}, false)::INTEGER AS off_{name}" for name, sql in _off(scan).items())
    off_sums = "".join(f", sum(off_{name})::BIGINT AS off_{name}" for name in _off(scan))
    return (
        f"WITH raw AS (SELECT {micros} AS us, {user} AS u, {application} AS a, {program} AS p, {parameters} AS q, "
        f"{rejected} AS r, {'1' if naive == 'count(*)' else '0'} AS z{off} FROM {scan.relation}), "
        f"seen AS (SELECT *, coalesce(lag(r) OVER ({call}) AND us - lag(us) OVER ({call}) <= {window}, false) "
        f"AS again FROM raw) SELECT us // {size} AS step, u AS user_id, a AS application_id, "
        "count(*) FILTER (WHERE NOT again) AS requests, count(*) AS attempts, "
        f"count(*) FILTER (WHERE r) AS rejected, sum(z)::BIGINT AS naive{off_sums} FROM seen GROUP BY ALL"
    )


def _named(nameless: bool) -> str:
    """Rows without a user belong to the user "unknown"; said once per cell, which is far cheaper than per event."""
    if not nameless:
        return "SELECT step, user_id, application_id, requests FROM steps"
    return (
        f"SELECT step, coalesce(user_id, '{UNKNOWN_USER}') AS user_id, application_id, "
        "sum(requests)::BIGINT AS requests FROM steps GROUP BY ALL"
    )


def _totals(base: duckdb.DuckDBPyConnection) -> tuple[int, int, int | None, int | None, int, int, int]:
    good = "step IS NOT NULL AND application_id IS NOT NULL"
    row = base.execute(
        f"SELECT coalesce(sum(attempts) FILTER (WHERE NOT ({good})), 0)::BIGINT, coalesce(sum(attempts), 0)::BIGINT, "
        f"min(step) FILTER (WHERE {good}), max(step) FILTER (WHERE {good}), coalesce(sum(rejected), 0)::BIGINT, "
        f"coalesce(sum(naive), 0)::BIGINT, coalesce(sum(requests) FILTER (WHERE {good}), 0)::BIGINT FROM steps"
    ).fetchone()
    assert row is not None  # an aggregate without groups always has one row
    bad, rows, first, last, rejected, naive, events = row
    return int(bad), int(rows), first, last, int(rejected), int(naive), int(events)


def _first_bad(base: duckdb.DuckDBPyConnection, scan: Scan) -> str:
    time, _ = scan.columns["timestamp"]
    row = base.execute(
        f"SELECT {time}::VARCHAR FROM {scan.relation} WHERE {micros_sql(scan)} IS NULL "
        f"OR {scan.sql('application_id')} IS NULL LIMIT 1"
    ).fetchone()
    return f" (the first has the time {row[0]!r})" if row else ""


def _order(base: duckdb.DuckDBPyConnection, scan: Scan) -> list[Finding]:
    row = base.execute(
        f"SELECT count(*) FILTER (WHERE us < before) FROM (SELECT us, lag(us) OVER () AS before FROM "
        f"(SELECT {micros_sql(scan)} AS us FROM {scan.relation} LIMIT {ORDER_ROWS}))"
    ).fetchone()
    count = int(row[0]) if row else 0
    treatment = f"of the first {ORDER_ROWS} events, out of time order; the order changes no count."
    return [Finding(kind="unsorted", count=count, where=scan.label, treatment=treatment)]


def _repeated(base: duckdb.DuckDBPyConnection, scan: Scan) -> list[Finding]:
    """Equal rows, which may be one event exported twice or two events: only a name for each could tell."""
    row = base.execute(
        "SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT *, count(*) AS n FROM "
        f"(SELECT * FROM {scan.relation} LIMIT {ORDER_ROWS}) GROUP BY ALL)"
    ).fetchone()
    treatment = (
        f"of the first {ORDER_ROWS} events, equal to another in every column; each was counted, since no `request_id` says "
        "that they are one."
    )
    return [Finding(kind="repeated", count=int(row[0]) if row else 0, where=scan.label, treatment=treatment)]


def _span(
    base: duckdb.DuckDBPyConnection,
    first: int,
    last: int,
    size: int,
    until: datetime | None,
    now: datetime | None,
    recorded: tuple[datetime, datetime] | None,
) -> tuple[int, int]:
    """First and last step of the history. `until` ends it; `now` only leaves out what can't have happened yet."""
    if now is not None and last >= _micros(now) // size:
        row = base.execute(f"SELECT max(step) FROM steps WHERE step < {_micros(now) // size}").fetchone()
        last = int(row[0]) if row and row[0] is not None else first - 1
    if recorded is not None:
        first = min(first, _micros(recorded[0]) // size)
        last = max(last, (_micros(recorded[1]) - 1) // size)
    if until is not None:
        last = _micros(until) // size - 1 if recorded is None else min(last, _micros(until) // size - 1)
        first = min(first, last + 1)
    return first, last


def _later(base: duckdb.DuckDBPyConnection, size: int, ends: list[datetime]) -> int:
    """How many events lie in or after the step that is running at the earliest of `ends`."""
    if not ends:
        return 0
    step = min(_micros(end) for end in ends) // size
    row = base.execute(f"SELECT coalesce(sum(requests), 0)::BIGINT FROM steps WHERE step >= {step}").fetchone()
    return int(row[0]) if row else 0


def _micros(moment: datetime) -> int:
    return round((moment.astimezone(UTC) - EPOCH) / timedelta(microseconds=1))


def _cells(
    base: duckdb.DuckDBPyConnection, first: int, last: int
) -> tuple[tuple[tuple[str, str], ...], dict[str, NDArray[Any]]]:
    inside = f"step BETWEEN {first} AND {last} AND application_id IS NOT NULL"
    base.execute(
        "CREATE OR REPLACE TEMP TABLE pairs AS SELECT user_id, application_id, "
        "row_number() OVER (ORDER BY user_id, application_id) - 1 AS pair "
        f"FROM (SELECT DISTINCT user_id, application_id FROM named WHERE {inside})"
    )
    names = base.execute("SELECT user_id, application_id FROM pairs ORDER BY pair").fetchall()
    cells = base.execute(
        f"SELECT pair, step - {first} AS position, requests::DOUBLE AS requests FROM named "
        f"JOIN pairs USING (user_id, application_id) WHERE {inside} AND requests > 0"
    ).fetchnumpy()
    return tuple((str(user), str(application)) for user, application in names), cells
