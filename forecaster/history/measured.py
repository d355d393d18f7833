"""Columns that may be absent, read from a frame: values that are not measurements count as missing.

The rule: a measurement is a finite number of at least 0. All other values are ignored, and a finding reports their count.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.history.quality import Finding

Floats = NDArray[np.float64]

#: What an event may have measurably cost.
MEASURED = ("cpu_seconds", "memory_bytes", "network_bytes", "latency_ms")
#: Texts that say that there is nothing.
BLANK = ("", "NaN", "nan", "NA")


def unreadable(count: int, where: str, name: str) -> Finding:
    """The finding on values of the column `name` that are no numbers."""
    return Finding(
        kind="unreadable-value",
        count=count,
        where=f"{where}, {name}",
        treatment="values that are not numbers, treated as missing.",
    )


def negative(count: int, where: str, name: str) -> Finding:
    """The finding on values of the column `name` that nothing can have measured."""
    treatment = "values below 0 or infinite, treated as missing."
    return Finding(kind="negative-value", count=count, where=f"{where}, {name}", treatment=treatment)


def numbers(values: pd.Series) -> tuple[Floats, int]:
    """The numbers of a column, NaN where it has none, and how many of its values are something else."""
    found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if values.dtype.kind in "biuf":
        return found, 0
    said = values.notna() & ~values.astype(str).str.strip().isin(BLANK)
    return found, int((said.to_numpy(dtype=bool) & np.isnan(found)).sum())


def without_negatives(values: Floats) -> tuple[Floats, int]:
    """The values, NaN where they are below 0 or infinite, and how many that were."""
    off = (values < 0) | np.isinf(values)
    return (np.where(off, np.nan, values), int(off.sum())) if off.any() else (values, 0)


def read_measurements(frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[Finding]]:
    """The frame with its measurements (`MEASURED`) as numbers of at least 0 or NaN, and the findings on the others."""
    found, read = [], {}
    for name in _present(frame):
        values, odd = numbers(frame[name])
        read[name], below = without_negatives(values)
        found += [unreadable(odd, where, name), negative(below, where, name)]
    return frame.assign(**read), [f for f in found if f.count]


def _present(frame: pd.DataFrame) -> Iterable[str]:
    return (name for name in MEASURED if name in frame.columns)
