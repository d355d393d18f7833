"""Events in memory: which of them are attempts of a request that was counted before.

The rule: demand is what was offered, so a request counts once however often it was tried; files are counted by the same
rule inside DuckDB (reconciler.adapters.history.events).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecaster.history.history import Bools, Ints

#: How a truth value may be written, and how long after a rejected event an equal one is its retry (µs).
TRUE, RETRY_WINDOW = ("true", "t", "yes", "y", "1", "1.0"), 30_000_000


def are_events(frame: pd.DataFrame) -> bool:
    """Whether rows in memory are events, not a series: they have no count."""
    return "requests" not in frame.columns


def retries(frame: pd.DataFrame, micros: Ints) -> Bools:
    """(rows,) True for attempts after the first of a request: of the same id; where there are no ids, a call equal to a
    rejected one at most RETRY_WINDOW before."""
    who = ["user_id", "application_id"]
    if "request_id" in frame.columns:
        same = frame["request_id"].notna() & frame.duplicated([*who, "request_id"])
        return np.asarray(same.to_numpy(dtype=bool))
    if "rejected" not in frame.columns:
        return np.zeros(len(frame), dtype=bool)
    calls = frame[[*who, *(name for name in ("program", "parameters") if name in frame.columns)]].astype(str)
    call = calls.groupby(list(calls.columns)).ngroup().to_numpy()
    rejected = frame["rejected"].astype(str).str.lower().isin(TRUE).to_numpy()
    order = np.lexsort((~rejected, micros, call))
    again = np.zeros(len(frame), dtype=bool)
    before, after = order[:-1], order[1:]
    again[after] = (call[after] == call[before]) & rejected[before] & (micros[after] - micros[before] <= RETRY_WINDOW)
    return again
