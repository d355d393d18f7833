"""Parquet as pandas, pyarrow and DuckDB write it: every type of time, dictionaries and decimals are read alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reconciler.adapters.history.read import read_history
from reconciler.adapters.history.rules import HistoryRules

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def check(file: Path, step: timedelta = HOUR, timezone: str = "UTC") -> None:
    found = read_history([file], step=step, rules=HistoryRules(timezone=timezone))
    assert (found.start, found.total().tolist()) == (START, [1.5, 2, 3, 4])
    assert found.pairs == (("u", "a"),)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("writer", ["pandas", "pyarrow", "int96"])
def test_every_unit_and_zone_of_pandas_and_pyarrow(tmp_path: Path, unit: str, zone: str | None, writer: str) -> None:
    times = pd.date_range(START, periods=4, freq="h").as_unit(unit)
    frame = pd.DataFrame(
        {
            "timestamp": times.tz_convert(zone) if zone else times.tz_localize(None),
            "user_id": pd.Categorical(["u"] * 4),
            "application_id": pd.Categorical(["a"] * 4),
            "requests": [Decimal("1.50"), Decimal(2), Decimal(3), Decimal(4)],
        }
    )
    file = tmp_path / "h.parquet"
    if writer == "pandas":
        frame.to_parquet(file)
    else:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, file, use_deprecated_int96_timestamps=writer == "int96")
    # A type with a zone says the instant itself, whatever zone is declared for times that name none.
    check(file, timezone="Asia/Tokyo" if zone and writer != "int96" else "UTC")
    frame.drop(columns="requests").to_parquet(file)
    assert read_history([file], step=HOUR).total().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "kind",
    ["TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMPTZ", "DATE", "BIGINT", "UBIGINT", "INTEGER",
     "UINTEGER", "DOUBLE", "DECIMAL(18,3)", "VARCHAR"],
)  # fmt: skip
def test_every_type_of_time_that_duckdb_writes(tmp_path: Path, kind: str) -> None:
    file, step = tmp_path / "h.parquet", "DAY" if kind == "DATE" else "HOUR"
    number = kind.endswith(("INT", "INTEGER")) or kind.startswith(("DOUBLE", "DECIMAL"))
    base = duckdb.connect()
    base.execute("SET TimeZone='UTC'")
    base.execute(
        f"COPY (SELECT ({'epoch(t)' if number else 't'})::{kind} AS timestamp, 'u'::ENUM('u', 'v') AS user_id, "
        "'a'::ENUM('a', 'b') AS application_id, greatest(1.5, i)::DECIMAL(12, 2) AS requests FROM "
        f"(SELECT i, TIMESTAMP '2024-01-01' + (i - 1) * INTERVAL 1 {step} AS t FROM range(1, 5) AS r(i))) "
        f"TO '{file}' (FORMAT parquet)"
    )
    check(file, step=timedelta(days=1) if kind == "DATE" else HOUR)
