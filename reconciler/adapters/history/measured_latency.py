"""The latency that users had in the last step: per QoS class at its own percentile, where the history measured it.

The rule: rows of the last known step only, each weighing the requests that it stands for; a class with fewer requests than
its percentile needs (1 / (1 − p)) has no measured latency rather than a guessed one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np

from forecaster.history.history import History
from reconciler.adapters.history.read import scans_of_rows
from reconciler.adapters.history.rules import history_rules
from reconciler.adapters.history.scan import Scan, connection, micros_sql, unreadable, user_sql
from reconciler.adapters.sources.known import source_of
from reconciler.adapters.sources.protocol import ReadWindow, Rows
from reconciler.fleet.file import Fleet

#: Rows per file and step that are looked at, taken by a hash of their content.
SAMPLE = 50_000

#: User, application, ms, requests.
_Row = tuple[str, str, float, float]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def latency_now(fleet: Fleet, history: History, *, base: Path) -> dict[str, float]:
    """QoS class → ms at its percentile in the history's last step; classes without measurements are left out.

    Raises HistoryError where a file can't be read.
    """
    held = source_of(fleet, base).read(ReadWindow(until=history.end, step=history.step, length=history.step))
    try:
        rows = _read(fleet, held, history, text_times=False)
    except duckdb.Error:
        # As where the demand is read: times that are written in more than one way are read as text.
        try:
            rows = _read(fleet, held, history, text_times=True)
        except duckdb.Error as problem:
            raise unreadable(held[0].label, problem) from None
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for user, application, latency, weight in rows:
        rule = fleet.rule(user, application)
        if rule is not None and fleet.history.counts(user, application):
            found[rule.qos].append((latency, weight))
    measured = {}
    for name, promise in fleet.qos.items():
        latencies, weights = np.array(sorted(found.get(name, ())), dtype=float).reshape(-1, 2).T
        if weights.sum() >= 1 / (1 - promise.percentile) - 1e-9:
            reached = np.searchsorted(np.cumsum(weights), promise.percentile * weights.sum() * (1 - 1e-12))
            measured[name] = float(latencies[min(int(reached), len(latencies) - 1)])
    return measured


def _read(fleet: Fleet, held: Sequence[Rows], history: History, *, text_times: bool) -> list[_Row]:
    """The rows of all parts that measure latency."""
    rules, rows = history_rules(fleet), []
    database = connection(rules.timezone)
    try:
        for part in held:
            for scan in scans_of_rows(database, part, rules, text_times=text_times):
                if scan.has("latency_ms"):
                    rows += _rows(database, scan, history)
    finally:
        database.close()
    return rows


def _rows(database: duckdb.DuckDBPyConnection, scan: Scan, history: History) -> list[_Row]:
    """(user, application, ms, requests) of the history's last step, in an order that does not depend on the file's."""
    first, end = (int((t - _EPOCH).total_seconds()) * 1_000_000 for t in (history.cutoff, history.end))
    weight = scan.sql("requests", "DOUBLE") if scan.has("requests") else "1.0"
    columns = (
        f"{user_sql(scan)} AS u, {scan.sql('application_id', 'VARCHAR')} AS a, "
        f"{scan.sql('latency_ms', 'DOUBLE')} AS ms, {weight} AS w"
    )
    inside = f"{micros_sql(scan)} >= {first} AND {micros_sql(scan)} < {end}"
    rows = database.execute(
        f"SELECT u, a, ms, w FROM (SELECT {columns} FROM {scan.relation} WHERE {inside}) AS t "
        f"WHERE u IS NOT NULL AND a IS NOT NULL AND isfinite(ms) AND ms > 0 AND w > 0 "
        f"ORDER BY hash(t), u, a, ms, w LIMIT {SAMPLE}"
    ).fetchall()
    return [(str(u), str(a), float(ms), float(w)) for u, a, ms, w in rows]
