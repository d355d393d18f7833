"""Building histories: from cells, and from an older history and newer rows.

The rule: whatever comes in, in whatever order, one cell per pair and step comes out; a newer value replaces an older.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from forecaster.errors import HistoryError
from forecaster.history.history import Bools, Floats, History, Ints, Pair, aligned
from forecaster.history.quality import Finding, Quality
from forecaster.history.rows import Cells

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cells_history(
    cells: Cells,
    *,
    start: datetime,
    pairs: Sequence[Pair],
    zero_absent: Bools | None = None,
    unrecorded: Bools | None = None,
    measurements: pd.DataFrame | None = None,
    quality: Quality | None = None,
) -> History:
    """A history that begins at `start` from cells in any order, one per pair and step at most; `pairs` must be sorted.

    `zero_absent` (P,), `unrecorded` (n,), `measurements` and `quality` are as in `History`. Raises `HistoryError` where
    two cells claim the same step of a pair, or a position is outside the history.
    """
    pair, position, length = cells.pair, cells.position, cells.length
    if len(position) and (position.min() < 0 or position.max() >= length):
        raise HistoryError(f"the history has {length} steps, but a row lies outside them; fix its start or length.")
    key = pair.astype(np.int64, copy=False) * max(length, 1) + position
    order = _order(key, len(pairs) * length)
    pair, position, key = pair[order], position[order], key[order]
    if np.any(key[1:] == key[:-1]):
        raise HistoryError("the history holds two values for the same user, application and step; merge them first.")
    sizes = np.bincount(pair, minlength=len(pairs))
    history = History(
        step=cells.step,
        start=start,
        length=length,
        pairs=tuple(pairs),
        offsets=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        position=position.astype(np.int64, copy=False),
        requests=cells.requests[order].astype(np.float64, copy=False),
        censored=np.zeros(len(pair), dtype=bool) if cells.censored is None else cells.censored[order],
        zero_absent=np.zeros(len(pairs), dtype=bool) if zero_absent is None else zero_absent,
        unrecorded=np.zeros(length, dtype=bool) if unrecorded is None else unrecorded,
        utilisation={name: values[order] for name, values in cells.utilisation.items()},
        measurements=pd.DataFrame() if measurements is None else measurements,
    )
    return replace(history, quality=replace(history, quality=quality or Quality()).described())


def _order(key: Ints, slots: int) -> Ints | slice:
    """What puts `key` (each in [0, slots)) into ascending order; without sorting where the slots are well filled."""
    if not np.any(key[1:] < key[:-1]):
        return slice(None)
    if slots <= 4 * len(key):
        place = np.full(slots, -1, dtype=np.int64)
        place[key] = np.arange(len(key))
        found = place[place >= 0]
        if len(found) == len(key):
            return found
    return np.argsort(key, kind="stable")


def empty_history(step: timedelta, start: datetime) -> History:
    """A history without rows, pairs or steps, from which every forecast is the prior."""
    nothing = np.zeros(0, dtype=np.int64)
    cells = Cells(step=step, length=0, pair=nothing, position=nothing, requests=np.zeros(0))
    return cells_history(cells, start=aligned(start, step), pairs=())


def extended(older: History, newer: History, *, add: bool = False) -> History:
    """Both histories in one; steps must be equal. Where both have a cell, the newer one's value holds.

    `add`: both are parts of one event log, so that the counts of such a cell are added.
    """
    if older.step != newer.step:
        raise HistoryError(
            f"the kept history has steps of {older.step}, the new rows have steps of {newer.step}; "
            f"aggregate the new rows to steps of {older.step}."
        )
    if not newer.length:
        return older
    if not older.length:
        return newer
    start, end = min(older.start, newer.start), max(older.end, newer.end)
    length = (end - start) // older.step
    pairs = tuple(sorted({*older.pairs, *newer.pairs}))
    place = {pair: k for k, pair in enumerate(pairs)}
    parts = [_loose(history, place, (history.start - start) // older.step) for history in (newer, older)]
    pair, position, requests, censored = (np.concatenate([part[k] for part in parts]) for k in range(4))
    _, first, cell = np.unique(pair * length + position, return_index=True, return_inverse=True)
    values = np.bincount(cell, weights=requests, minlength=len(first)).astype(np.float64) if add else requests[first]
    zero_absent = np.zeros(len(pairs), dtype=bool)
    unrecorded = np.ones(length, dtype=bool)
    for history in (older, newer):
        zero_absent[[place[p] for p in history.pairs]] |= history.zero_absent
        offset = (history.start - start) // older.step
        unrecorded[offset : offset + history.length] &= history.unrecorded
    cells = Cells(
        step=older.step,
        length=length,
        pair=pair[first],
        position=position[first],
        requests=values,
        censored=censored[first].astype(bool),
        utilisation=_both_utilisations(older, newer, first),
    )
    return cells_history(
        cells,
        start=start,
        pairs=pairs,
        zero_absent=zero_absent,
        unrecorded=unrecorded,
        measurements=pd.concat([older.measurements, newer.measurements], ignore_index=True)
        if len(older.measurements) and len(newer.measurements)
        else (newer.measurements if len(newer.measurements) else older.measurements),
        quality=replace(
            older.quality.with_findings(
                [*newer.quality.findings, *([] if add else [_replaced(requests, first, cell)])]
            ),
            rows=older.quality.rows + newer.quality.rows,
        ),
    )


def _both_utilisations(older: History, newer: History, first: Ints) -> dict[str, Floats]:
    """Utilisation by name at the places `first` of the newer and then the older history's cells, NaN where not measured."""
    out = {}
    for name in sorted({*older.utilisation, *newer.utilisation}):
        both = [history.utilisation.get(name, np.full(len(history.requests), np.nan)) for history in (newer, older)]
        out[name] = np.concatenate(both)[first]
    return out


def _replaced(requests: Floats, first: Ints, cell: Ints) -> Finding:
    """The finding about values that newer ones replaced: rows at other places than the `first` of their `cell`."""
    newer = requests[first][cell]
    count = int((np.isfinite(requests) & np.isfinite(newer) & (requests != newer)).sum())
    treatment = "two sources or readings gave different values for a step; the later one is used."
    return Finding(kind="conflict", count=count, where="overlap of sources", treatment=treatment)


def _loose(history: History, place: Mapping[Pair, int], shift: int) -> tuple[Ints, Ints, Floats, Bools]:
    codes = np.array([place[pair] for pair in history.pairs], dtype=np.int64)
    return np.repeat(codes, np.diff(history.offsets)), history.position + shift, history.requests, history.censored
