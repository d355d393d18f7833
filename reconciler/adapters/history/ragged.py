"""The line of a CSV file that has another number of fields than its header: what a half-written row looks like.

DuckDB, which reads the files, then finds no dialect or takes whole lines for one column, and says neither where nor why.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

from forecaster.errors import HistoryError

#: Lines looked at; DuckDB guesses the dialect from fewer.
LINES = 100_000


def refuse_ragged(file: Path) -> None:
    """Raise `HistoryError` naming the first line with more or fewer fields than the header; else do nothing."""
    try:
        with gzip.open(file, "rb") if file.name.lower().endswith(".gz") else file.open("rb") as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            header = text.readline()
            separator = max(",;\t|", key=header.count)
            wanted = len(next(csv.reader([header], delimiter=separator), []))
            rows = csv.reader(text, delimiter=separator)
            for row in rows:
                if row and len(row) != wanted:
                    raise HistoryError(
                        f"{file}: line {rows.line_num + 1} has {len(row)} fields where the header has {wanted}; fix "
                        "or remove that line."
                    )
                if rows.line_num > LINES:
                    return
    except (OSError, EOFError, ValueError, csv.Error):
        return  # not even text: what DuckDB says holds
