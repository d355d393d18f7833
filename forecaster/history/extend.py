"""An older history and newer rows as one history: a newer value replaces an older, or both are added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.errors import HistoryError
from forecaster.history.assemble import cells_history
from forecaster.history.history import Bools, Floats, History, Ints, Pair
from forecaster.history.quality import Finding
from forecaster.history.rows import Cells


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
