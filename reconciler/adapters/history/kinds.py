"""Whether rows are counts or events, where the fleet file does not declare it, and the columns that decide it.

The rule: a column that looks like a misspelt column of counts is an error, since rows read as one request each would be
a small part of the demand.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

from forecaster.errors import HistoryError
from forecaster.history.quality import Finding
from reconciler.adapters.history.rules import HistoryRules
from reconciler.adapters.history.scan import Scan

#: Columns that only an event log has.
EVENTS_ONLY = ("program", "parameters", "request_id", "cpu_seconds", "memory_bytes", "network_bytes")
#: All columns of the two formats besides those of counts.
OTHER = (
    *EVENTS_ONLY, "timestamp", "user_id", "application_id", "rejected", "shed", "latency_ms", "cpu", "memory", "network_in",
    "network_out",
)  # fmt: skip
#: Other words for a count of requests.
SYNONYMS = frozenset({"count", "counts", "hits", "calls", "invocations", "rps", "qps", "volume", "n"})
#: Last words of columns that measure a request and count none.
MEASURES = frozenset(
    {"id", "size", "bytes", "time", "ms", "s", "seconds", "latency", "duration", "path", "type", "status"}
)
#: Likeness (0 to 1, difflib) from which a name counts as a misspelling: `reqs` has 0.67.
LIKE = 0.65


def refuse_near_miss(scan: Scan, rules: HistoryRules) -> None:
    """Raise `HistoryError` where a scan without a column of counts has one that looks like it."""
    found = _near_miss(scan.columns)
    if found is None:
        return
    declared = (
        f", map it under `history.columns` in {rules.said_in}, or set `history.kind: events` there if each row is one request"
        if rules.said_in
        else ""
    )
    raise HistoryError(
        f"{scan.label}: has no column `requests`, but a column `{found}`; did you mean `requests`? "
        f"Rename the column{declared}."
    )


def _near_miss(columns: Mapping[str, tuple[str, str]]) -> str | None:
    """The column that looks most like `requests`, or None; text counts only where the name is the same but for case."""
    best, likeness = None, LIKE
    for name, (_, kind) in columns.items():
        if name in OTHER:
            continue
        word = name.strip().casefold()
        alike = 1.0 if word in ("requests", "requests_total") else 0.0
        if not alike and _is_number(kind) and word.rpartition("_")[2] not in MEASURES:
            alike = 0.99 if word in SYNONYMS else SequenceMatcher(None, word, "requests").ratio()
        if alike >= likeness:
            best, likeness = name, alike
    return best


def _is_number(kind: str) -> bool:
    return kind in ("DOUBLE", "FLOAT") or kind.endswith("INT") or kind.startswith(("DECIMAL", "INTEGER", "UINTEGER"))


def guess_finding(scan: Scan, rows: int) -> list[Finding]:
    """The finding on rows that were taken for events only because nothing else was known."""
    if scan.has(*EVENTS_ONLY):
        return []
    treatment = "rows read as events, one request each: there is no column of counts, and `history.kind` is not set."
    return [Finding(kind="guessed-events", count=rows, where=scan.label, treatment=treatment)]
