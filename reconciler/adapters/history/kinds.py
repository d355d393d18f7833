"""Whether rows are counts or events, where the fleet file does not declare it, and columns whose names are misspelt.

The rule: a column that looks like a misspelt column of demand is an error, since the rows would be a small part of the
demand without it. One that looks like a misspelt measurement is a finding: the demand is right without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher, get_close_matches

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

#: Optional columns: those that are part of the demand, and those that measure it (of series, of events).
DEMAND = ("rejected", "shed")
SERIES = ("cpu", "memory", "network_in", "network_out", "latency_ms")
EVENTS = (*EVENTS_ONLY, "latency_ms")
#: Likeness from which a column counts as a misspelt optional one: `latency` has 0.82, `shared` for `shed` 0.8.
LIKE_OPTIONAL = 0.81


def misspelt(scan: Scan, rules: HistoryRules, *, events: bool) -> list[Finding]:
    """Findings on columns that look like a missing optional column; `HistoryError` where it is one of demand."""
    unread = [name for name in scan.columns if name not in (*DEMAND, *SERIES, *EVENTS, *rules.columns.values())]
    spelt = {name.strip().casefold(): name for name in unread}
    found = []
    for meant in (*DEMAND, *(EVENTS if events else SERIES)):
        close = get_close_matches(meant, spelt, n=1, cutoff=LIKE_OPTIONAL)
        if scan.has(meant) or not close:
            continue
        name = spelt[close[0]]
        kind = scan.columns[name][1]
        if meant in DEMAND and (_is_number(kind) or kind == "BOOLEAN"):
            mapped = f", map it under `history.columns` in {rules.said_in}," if rules.said_in else ""
            raise HistoryError(
                f"{scan.label}: has a column `{name}`, which is not read; did you mean `{meant}`, which is part of the "
                f"demand? Rename the column{mapped} or remove it."
            )
        if meant not in DEMAND:
            treatment = f"the column `{name}` is not read; did you mean `{meant}`?"
            found.append(Finding(kind=f"unread-{meant}", count=1, where=scan.label, treatment=treatment))
    return found


def refuse_other_types(scan: Scan, *names: str) -> None:
    """Raise `HistoryError` where a column has a type that holds no numbers, whose values would all be missing."""
    for name in names:
        _, kind = scan.columns.get(name, ("", "VARCHAR"))
        if not (_is_number(kind) or kind in ("VARCHAR", "BOOLEAN", '"NULL"') or kind.startswith("ENUM")):
            raise HistoryError(
                f"{scan.label}: the column `{name}` has the type {kind}; expected numbers, of 64 bits or less in Parquet."
            )


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
    if "[" in kind:  # a list
        return False
    return kind in ("DOUBLE", "FLOAT") or kind.endswith("INT") or kind.startswith(("DECIMAL", "INTEGER", "UINTEGER"))


def guess_finding(scan: Scan, rows: int) -> list[Finding]:
    """The finding on rows that were taken for events only because nothing else was known."""
    if scan.has(*EVENTS_ONLY):
        return []
    treatment = "rows read as events, one request each: there is no column of counts, and `history.kind` is not set."
    return [Finding(kind="guessed-events", count=rows, where=scan.label, treatment=treatment)]
