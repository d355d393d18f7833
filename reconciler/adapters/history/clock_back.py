"""The local hour that comes twice when the clock goes back, where times name no zone.

The rule: DuckDB maps such a time to one of its two instants. Rows of a series are told apart by their order in the file
(history_series); events are counted before anyone could look at their order, so half of them go to each hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb


def doubled_hours(first: int, last: int, timezone: str) -> list[tuple[int, int, bool]]:
    """Spans of UTC (µs) whose local time comes twice, between two times (µs) or a day beyond: the earlier of each (True:
    its twin is later), then the later."""
    zone, hour = ZoneInfo(timezone), 3600
    begin, end = first // 1_000_000, last // 1_000_000
    spans: list[tuple[int, int, bool]] = []
    before: int | None = None
    for moment in range(begin - begin % hour - 24 * hour, end + 25 * hour, hour):
        offset = datetime.fromtimestamp(moment, tz=zone).utcoffset() or timedelta(0)
        seconds = round(offset.total_seconds())
        if before is not None and seconds < before:
            change, width = moment * 1_000_000, (before - seconds) * 1_000_000
            spans += [(change - width, change, True), (change, change + width, False)]
        before = seconds
    return spans


def deal_out(base: duckdb.DuckDBPyConnection, size: int, first: int, last: int, timezone: str) -> int:
    """Give each of the two hours half of the events without a zone in the table `steps`, and say how many that concerns.

    `size` is the step in µs, `first` and `last` are step numbers. Steps longer than the hour are left as they are.
    """
    concerned = 0
    for begin, end, forward in doubled_hours(first * size, (last + 1) * size, timezone):
        width = end - begin
        if width % size:
            continue
        inside = f"naive > 0 AND step BETWEEN {-(-begin // size)} AND {end // size - 1}"
        found = base.execute(
            f"SELECT coalesce(sum(least(requests, naive)), 0)::BIGINT FROM steps WHERE {inside}"
        ).fetchone()
        if not found or not found[0]:
            continue
        concerned += int(found[0])
        shift, half = (width if forward else -width) // size, "least(requests, naive) // 2"
        base.execute(
            "CREATE OR REPLACE TEMP TABLE steps AS SELECT step, user_id, application_id, sum(requests)::BIGINT AS requests, "
            "sum(attempts)::BIGINT AS attempts, sum(rejected)::BIGINT AS rejected, sum(naive)::BIGINT AS naive FROM ("
            f"SELECT step, user_id, application_id, requests - CASE WHEN {inside} THEN {half} ELSE 0 END AS requests, "
            "attempts, rejected, naive FROM steps UNION ALL "
            f"SELECT step + {shift}, user_id, application_id, {half}, 0, 0, 0 FROM steps WHERE {inside}) GROUP BY ALL"
        )
    return concerned
