"""How long reading 10 million events takes, against DuckDB's bare GROUP BY over the same file.

`python -m benchmarks.forecast.history [--events N] [--folder DIR] [--json OUT]` writes a Parquet and a CSV file of events into a
folder, times both queries several times in turn, and prints the medians and their ratio. The bare query counts per
user, application and step and fetches nothing else; ours ends with a `History` and its quality summary.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

import duckdb

from reconciler.adapters.history.read import read_history

STEP = timedelta(hours=1)


def write_events(folder: Path, events: int, users: int, applications: int) -> list[Path]:
    """Synthetic events over eight weeks as Parquet and CSV; no claim of realism, the figure is about throughput."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet, csv = folder / f"events-{events}.parquet", folder / f"events-{events}.csv"
    base = duckdb.connect()
    span = 8 * 7 * 86_400
    if not parquet.exists():
        base.execute(
            f"COPY (SELECT make_timestamp(1700000000000000 + (i * {span / events!r} * 1000000)::BIGINT) AS timestamp, "
            f"'user-' || (hash(i) % {users}) AS user_id, 'app-' || (hash(i * 7) % {applications}) AS application_id, "
            "'program-' || (hash(i * 3) % 5) AS program, '{\"size\": ' || (hash(i * 5) % 1000) || '}' AS parameters "
            f"FROM range({events}) AS t(i)) TO '{parquet}'"
        )
    if not csv.exists():
        base.execute(f"COPY (FROM '{parquet}') TO '{csv}'")
    return [parquet, csv]


def bare_group_by(file: Path) -> int:
    """Rows of the bare query, executed and fetched as arrays."""
    base = duckdb.connect()
    rows = base.sql(
        f"SELECT time_bucket(INTERVAL '1 hour', timestamp) AS step, user_id, application_id, count(*) AS requests "
        f"FROM '{file}' GROUP BY ALL"
    ).to_arrow_table()
    return int(rows.num_rows)


def seconds(run: Callable[[], object]) -> float:
    """Wall seconds of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast.history", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--applications", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files = write_events(given.folder or Path(scratch), given.events, given.users, given.applications)
        rows = []
        for file in files:
            bare, ours = [], []
            for _ in range(given.rounds):
                bare.append(seconds(lambda file=file: bare_group_by(file)))  # type: ignore[misc]
                ours.append(seconds(lambda file=file: read_history([file], step=STEP)))  # type: ignore[misc]
            ratio = median(ours) / median(bare)
            row = {"file": file.suffix[1:], "events": given.events, "bare_s": median(bare), "ours_s": median(ours)}
            rows.append(row | {"ratio": ratio})
            sys.stdout.write(
                f"{file.suffix[1:]:8} {given.events} events: bare GROUP BY {median(bare):.2f} s, "
                f"read_history {median(ours):.2f} s, ratio {ratio:.2f}\n"
            )
    if given.json:
        given.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
