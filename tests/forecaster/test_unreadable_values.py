"""Texts where a number or a truth value belongs are never ignored in silence: the data-quality summary counts them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from forecaster.history import History
from reconciler.adapters.history import read_history

HEADER = "timestamp,user_id,application_id"


def read(folder: Path, columns: str, values: list[str]) -> History:
    file = folder / "h.csv"
    rows = [f"2024-01-01T{hour:02d}:00:00Z,u,a,{value}" for hour, value in enumerate(values)]
    file.write_text("\n".join([f"{HEADER},{columns}", *rows]) + "\n")
    return read_history([file], step=timedelta(hours=1))


def unreadable(history: History) -> dict[str, int]:
    """Count per column."""
    found = [f for f in history.quality.findings if f.kind == "unreadable-value"]
    return {f.where.rpartition(", ")[2]: f.count for f in found}


@pytest.mark.parametrize(
    ("columns", "values", "expected"),
    [
        ("program,cpu_seconds,latency_ms", ["p,0.1,5", "p,fast,5", "p,,slow", "p,0.2 s,NaN"], {"cpu_seconds": 2, "latency_ms": 1}),
        ("program,cpu_seconds", ["p,0.1", "p,", "p,0.3"], {}),
        ("program,rejected", ["p,true", "p,perhaps", "p,false"], {"rejected": 1}),
        ("requests,shed", ["5,true", "5,maybe", "5,", "5,no idea"], {"shed": 2}),
        ("requests,rejected,cpu", ["5,1,0.5", "5,some,0.5", "5,2,busy"], {"rejected": 1, "cpu": 1}),
    ],
)  # fmt: skip
def test_what_cannot_be_read_in_a_column_that_may_be_absent_is_counted(
    columns: str, values: list[str], expected: dict[str, int], tmp_path: Path
) -> None:
    assert unreadable(read(tmp_path, columns, values)) == expected


def test_shed_may_also_be_how_many_were_turned_away(tmp_path: Path) -> None:
    history = read(tmp_path, "requests,shed", ["5,0", "5,3", "5,0"])
    assert history.quality.count("censored") == 1
    assert unreadable(history) == {}
