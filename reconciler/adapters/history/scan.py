"""Opening history files with DuckDB: which columns they have, how their times are read.

The rule: DuckDB reads and aggregates, in one pass over the file; what it can't read ends in one sentence that names the
file. Times are compared as microseconds since 1970 UTC, so no session setting can change them.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

import duckdb
import pandas as pd

from forecaster.errors import HistoryError
from forecaster.history.measured import BLANK
from forecaster.history.measured import unreadable as unreadable_values
from forecaster.history.quality import Finding
from reconciler.adapters.history.disguise import refuse_disguised
from reconciler.adapters.history.ragged import refuse_ragged

#: User of rows that name none.
UNKNOWN_USER = "unknown"
#: Columns that every row needs.
ROW = ("timestamp", "user_id", "application_id")
#: Rows looked at to see whether times that name a zone are mixed with times that do not.
ZONE_ROWS = 20_000
#: DuckDB's type of nanoseconds with a zone, which is what pandas writes to Parquet.
ZONED_NS = "TIMESTAMPTZ_NS"
#: DuckDB types of epoch times, besides DECIMAL.
NUMBERS = frozenset({"INTEGER", "UINTEGER", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DOUBLE", "FLOAT"})


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A relation over files of one layout.

    `relation` SQL that reads them, `columns` our name → (SQL of the column, DuckDB type), `label` for sentences,
    `timezone` of times that name none.
    """

    timezone: str
    relation: str
    columns: Mapping[str, tuple[str, str]]
    label: str

    def sql(self, name: str, cast: str | None = None) -> str:
        """SQL of a column, or NULL where the source lacks it; `cast` reads text as that type, NULL where it can't."""
        if name not in self.columns:
            return f"NULL::{cast}" if cast else "NULL"
        column, kind = self.columns[name]
        if cast is None or kind == cast:
            return column
        # DuckDB 2.0 moves a bare cast of text into its CSV reader, which then stops at what try_cast would make NULL.
        return f"try_cast({f'trim({column})' if kind == 'VARCHAR' else column} AS {cast})"

    def has(self, *names: str) -> bool:
        """Whether the source has any of these columns."""
        return any(name in self.columns for name in names)


def connection(timezone: str) -> duckdb.DuckDBPyConnection:
    """A database in memory whose naive times are read in `timezone`."""
    base = duckdb.connect(":memory:")
    try:
        base.execute(f"SET TimeZone={quoted(timezone)}")
    except duckdb.Error:
        raise HistoryError(
            f"the time zone {timezone!r} is not known; use an IANA name such as Europe/Berlin or UTC."
        ) from None
    return base


def quoted(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def scans_of(
    base: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    names: Mapping[str, str],
    *,
    timezone: str,
    said_in: str,
    text_times: bool = False,
) -> list[Scan]:
    """One scan per set of files with the same columns and format; `names` maps our column names to the files' own, as
    the file `said_in` says ("": no file could).

    `text_times` reads CSV times as text, for files whose times are written in more than one way.
    """
    timestamp = names.get("timestamp", "timestamp")
    groups: dict[tuple[bool, bool, bool, tuple[tuple[str, str], ...]], list[Path]] = {}
    for file in files:
        if file.stat().st_size == 0:
            raise HistoryError(f"{file}: the file is empty; expected a header and rows.")
        refuse_disguised(file)
        parquet = file.name.lower().endswith(".parquet")
        text = text_times and not parquet
        described = _described(base, [file], parquet, text, timestamp)
        if not parquet and not text and dict(described).get(timestamp) == "TIMESTAMP WITH TIME ZONE":
            text = _zones_are_mixed(base, file, timestamp)
            described = _described(base, [file], parquet, True, timestamp) if text else described
        groups.setdefault((parquet, text, _packed(file), described), []).append(file)
    return [
        _scan(members, parquet, described, names, timezone, said_in, text)
        for (parquet, text, _, described), members in groups.items()
    ]


def frame_scan(base: duckdb.DuckDBPyConnection, frame: pd.DataFrame, label: str, *, timezone: str) -> Scan:
    """The scan of rows in memory, under their `label` in `base`."""
    base.register(label, frame)
    relation = _identifier(label)
    rows = base.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    columns = {str(row[0]): (_identifier(str(row[0])), str(row[1])) for row in rows}
    return Scan(timezone=timezone, relation=relation, columns=columns, label=label)


def _zones_are_mixed(base: duckdb.DuckDBPyConnection, file: Path, timestamp: str) -> bool:
    """Whether some of the first times name a zone and some do not: DuckDB takes both for times with a zone."""
    column = _identifier(timestamp)
    row = base.execute(
        f"SELECT count(*) FILTER (WHERE {_names_no_zone(column)}) FROM "
        f"(SELECT {column} FROM {_relation([file], False, timestamp)} LIMIT {ZONE_ROWS})"
    ).fetchone()
    return bool(row and row[0])


def _described(
    base: duckdb.DuckDBPyConnection, files: Sequence[Path], parquet: bool, text_times: bool, timestamp: str
) -> tuple[tuple[str, str], ...]:
    relation = _relation(files, parquet, timestamp if text_times else None)
    try:
        rows = base.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except (duckdb.Error, UnicodeDecodeError) as problem:
        if not parquet:
            refuse_ragged(files[0])
        raise unreadable(files[0], problem) from None
    if len(rows) == 1 and not parquet:
        refuse_ragged(files[0])
    return tuple((str(row[0]), str(row[1])) for row in rows)


def unreadable(where: object, problem: Exception) -> HistoryError:
    """The sentence for rows that DuckDB refuses; of its own words only the line's number is kept."""
    found = re.search(r"\bLine: (\d+)", str(problem))
    place = f", line {found.group(1)}" if found else ""
    return HistoryError(
        f"{where}{place}: can't be read as a history; expected UTF-8 text with one row a line, or Parquet. Fix or remove the "
        f"{'line' if found else 'file'}."
    )


def _relation(files: Sequence[Path], parquet: bool, text_column: str | None) -> str:
    # DuckDB takes names for patterns: a file named like one would be read together with all files that fit it.
    listed = "[" + ", ".join(quoted(glob.escape(str(file))) for file in files) + "]"
    if parquet:
        return f"read_parquet({listed})"
    types = f", types={{{quoted(text_column)}: 'VARCHAR'}}" if text_column else ""
    # Said, because DuckDB cuts names at a `?` before it looks at their end.
    packing = "gzip" if _packed(files[0]) else "none"
    return f"read_csv({listed}, header=true, compression='{packing}'{types})"


def _packed(file: Path) -> bool:
    return file.name.lower().endswith(".gz")


def _scan(
    files: Sequence[Path],
    parquet: bool,
    described: tuple[tuple[str, str], ...],
    names: Mapping[str, str],
    timezone: str,
    said_in: str,
    text_times: bool,
) -> Scan:
    own = dict(described)
    columns = {name: (_identifier(name), kind) for name, kind in described}
    for ours, theirs in names.items():
        if theirs not in own:
            raise HistoryError(
                f"{files[0]}: has no column {theirs!r} (it has {_named(own)}); fix `history.columns` in {said_in}."
            )
        columns[ours] = (_identifier(theirs), own[theirs])
    lacking = [name for name in ROW if name not in columns]
    if lacking:
        mapped = f", or name the column that holds it under `history.columns` in {said_in}" if said_in else ""
        close = [
            (name, found[0])
            for name in lacking
            if (found := get_close_matches(name, [n for n in own if n not in ROW], n=1))
        ]
        meant = "".join(f" Did you mean `{name}` by `{found}`?" for name, found in close)
        raise HistoryError(
            f"{files[0]}: has no column {', '.join(lacking)} (it has {_named(own)}); add it{mapped}.{meant}"
        )
    text = names.get("timestamp", "timestamp") if text_times else None
    label = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    return Scan(timezone=timezone, relation=_relation(files, parquet, text), columns=columns, label=label)


def _named(columns: Iterable[str]) -> str:
    """Column names for a sentence, which stays one line although a damaged header may hold whole rows."""
    return ", ".join(" ".join(name.split())[:40] for name in islice(columns, 20))


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def micros_sql(scan: Scan) -> str:
    """SQL of the row's time in µs since 1970 UTC, NULL where unreadable; naive times are in the session's zone."""
    column, kind = scan.columns["timestamp"]
    if kind == ZONED_NS:
        return f"(epoch_ns({column}) // 1000)"  # DuckDB has neither epoch_us nor a cast for this type
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({column})"
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        # Going through the zone costs as much as the whole aggregation; for UTC it changes nothing.
        return f"epoch_us({column}::TIMESTAMP)" if scan.timezone == "UTC" else f"epoch_us({column}::TIMESTAMPTZ)"
    if kind in NUMBERS or kind.startswith("DECIMAL"):
        if kind not in ("BIGINT", "HUGEINT"):  # in the narrower types the product below does not fit
            column = f"{column}::{'HUGEINT' if kind.endswith(('INT', 'INTEGER')) else 'DOUBLE'}"
        # Epoch times: the unit follows from the size, since 1e11 s lies in the year 5138.
        return (
            f"(CASE WHEN abs({column}) >= 1e17 THEN {column} / 1000 WHEN abs({column}) >= 1e14 THEN {column} "
            f"WHEN abs({column}) >= 1e11 THEN {column} * 1000 ELSE {column} * 1000000 END)::BIGINT"
        )
    return f"epoch_us(try_cast({column} AS TIMESTAMPTZ))"


def naive_sql(scan: Scan) -> str:
    """SQL that is true for a row whose time names no zone; constant where the column's type decides for all."""
    column, kind = scan.columns["timestamp"]
    if kind == "VARCHAR":
        return _names_no_zone(column)
    return "true" if kind in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE") else "false"


def _names_no_zone(column: str) -> str:
    offset = f"length({column}) > 11 AND regexp_matches({column}, '[+-][0-9]{{2}}(:?[0-9]{{2}})?$')"
    return f"NOT (right({column}, 1) IN ('Z', 'z') OR ({offset}))"


def unread_findings(base: duckdb.DuckDBPyConnection, scan: Scan, read: Mapping[str, str]) -> list[Finding]:
    """Findings on texts that a column's reading (`read`: our column name to SQL, NULL where it can't) makes nothing of.

    Only a column that DuckDB took for text can hold such; where there is none this costs nothing, else one pass.
    """
    texts = {
        name: scan.columns[name][0] for name in read if name in scan.columns and scan.columns[name][1] == "VARCHAR"
    }
    if not texts:
        return []
    blank = ", ".join(quoted(word) for word in BLANK)
    counts = ", ".join(
        f"count(*) FILTER (WHERE trim({text}) NOT IN ({blank}) AND ({read[name]}) IS NULL)"
        for name, text in texts.items()
    )
    row = base.execute(f"SELECT {counts} FROM {scan.relation}").fetchone() or ()
    return [unreadable_values(int(count), scan.label, name) for name, count in zip(texts, row, strict=False)]


def user_sql(scan: Scan) -> str:
    """SQL of the row's user; a row without one belongs to the user "unknown".

    Costs a string operation per row: after an aggregation it is cheaper.
    """
    return f"coalesce({scan.sql('user_id', 'VARCHAR')}, '{UNKNOWN_USER}')"


def zone_finding(naive: int, rows: int, label: str, timezone: str) -> Finding:
    """The finding about times that name no zone."""
    mixed = naive < rows
    found = "some times name a zone and some do not; these" if mixed else "times name no zone; they"
    kind = "mixed-zones" if mixed else "naive-zone"
    return Finding(kind=kind, count=naive, where=label, treatment=f"{found} were read as {timezone}.")
