"""Parquet as pandas, polars, pyarrow, Spark and DuckDB write it: every type of time, dictionaries and decimals are read alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecaster.errors import HistoryError
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


def polars_frame(unit: str, zone: str | None, strings: str, number: Any) -> Any:
    """Four hours as polars types them; `strings` is Categorical, Enum or String."""
    pl = import_module("polars")
    kind = pl.Enum(["u", "a"]) if strings == "Enum" else getattr(pl, strings)
    times = pl.Series("timestamp", [datetime(2024, 1, 1, hour) for hour in range(4)]).cast(pl.Datetime(unit))  # noqa: DTZ001
    counts = [1.5, 2, 3, 4] if number is None else [1, 2, 3, 4]
    return pl.DataFrame(
        [
            times.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else times,
            pl.Series("user_id", ["u"] * 4).cast(kind),
            pl.Series("application_id", ["a"] * 4).cast(kind),
            pl.Series("requests", counts).cast(number or pl.Decimal(12, 2)),
        ]
    )


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("strings", ["Categorical", "Enum", "String"])
@pytest.mark.parametrize("writer", ["parquet", "pyarrow", "csv"])
def test_every_unit_and_zone_of_polars(tmp_path: Path, unit: str, zone: str | None, strings: str, writer: str) -> None:
    frame, file = polars_frame(unit, zone, strings, None), tmp_path / f"h.{'csv' if writer == 'csv' else 'parquet'}"
    if writer == "csv":
        frame.write_csv(file)
    else:
        frame.write_parquet(file, use_pyarrow=writer == "pyarrow")
    check(file, timezone="Asia/Tokyo" if zone else "UTC")


@pytest.mark.parametrize("number", ["Int8", "UInt16", "UInt64", "Float32"])
def test_every_number_of_polars(tmp_path: Path, number: str) -> None:
    frame = polars_frame("us", "UTC", "String", getattr(import_module("polars"), number))
    frame.write_parquet(tmp_path / "h.parquet")
    assert read_history([tmp_path / "h.parquet"], step=HOUR).total().tolist() == [1, 2, 3, 4]


def test_a_column_of_another_type_is_an_error_and_never_missing_values(tmp_path: Path) -> None:
    polars_frame("us", "UTC", "String", import_module("polars").Int128).write_parquet(tmp_path / "h.parquet")
    with pytest.raises(
        HistoryError, match="the column `requests` has the type BLOB; expected numbers, of 64 bits or less"
    ):
        read_history([tmp_path / "h.parquet"], step=HOUR)
    table = {"timestamp": [START], "user_id": ["u"], "application_id": ["a"], "requests": [1], "cpu": [[1, 2]]}
    pq.write_table(pa.table(table), tmp_path / "h.parquet")
    with pytest.raises(HistoryError, match=r"the column `cpu` has the type BIGINT\[\]; expected numbers"):
        read_history([tmp_path / "h.parquet"], step=HOUR)


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
