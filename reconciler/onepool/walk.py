"""A pool walked from T0 on: forecasts and, for every promised share, whole counts, as they would have been decided then.

Row t is decided from demand of rows ≤ t - (1 + lead). `lead` further rows than the history holds are decided as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import causal_fill
from forecaster.rolling.mixture import predictive
from forecaster.rolling.recalibrated import recalibrated
from forecaster.rolling.recursive import GRID
from forecaster.series.forecast import SeriesInput
from forecaster.series.knots import Pipeline, prequential
from reconciler.onepool.count import RISKS, least_counts, unserved_at
from reconciler.trust.pacing import PacedRows, PromisePace, paced

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Parts of the count at the largest risk that are offered beyond it: there every instance is used nearly always, so that
#: one is worth as much as another, and a promise that lets a large share go unserved is used up evenly.
PARTS = np.arange(0.95, 0.0, -0.05)


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Counts (rows,) for the rows from T0 to 1 + lead beyond the history.

    They are paced to one promised share; where `promised_share` is None they are at one risk all along.
    """

    promised_share: float | None
    counts: Ints


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a pace chooses from: `counts` and `expected` (n + h, risks and `PARTS`) in instances; `warm` the first usable
    row."""

    counts: Floats
    expected: Floats
    warm: int


def table(y: Floats, times: NDArray[np.datetime64], *, step: timedelta, lead: int, unit: float, start: int) -> Table:
    """Counts at every risk, and at parts of the largest one's, for every row of `y` (n,) (requests, NaN unknown) and 1 + lead
    rows after it."""
    h, day = 1 + lead, max(1, round(timedelta(days=1) / step))
    long = np.concatenate([y, np.full(h, np.nan)])
    stretch = SeriesInput(values=y, times=times, step=step).stretch(trained=start)
    mixed = prequential(stretch, h, Pipeline(levels=tuple(GRID.tolist()))).quantiles
    made = predictive(causal_fill(long, (day,)), day=day, h=h, trained=start, others=(mixed,))
    warm = max(h, min(2 * day, start // 4))
    counts = least_counts(made.values / unit, made.weights)
    counts = np.hstack([counts, np.maximum(np.ceil(counts[:, -1:] * PARTS - 1e-9), 1.0)])
    believed = recalibrated(made, long, h=h, warm=warm, day=day)
    return Table(counts=counts, expected=unserved_at(made.values / unit, believed, counts), warm=warm)


def allocate(
    y: Floats,
    chosen: Table,
    *,
    promised_shares: Sequence[float],
    step: timedelta,
    lead: int,
    unit: float,
    start: int,
    pace: PromisePace | None = None,
) -> list[Allocation]:
    """The counts for every promised share, each paced by itself."""
    h, day = 1 + lead, max(1, round(timedelta(days=1) / step))
    demand = np.concatenate([y, np.full(h, np.nan)]) / unit
    rows = np.arange(start, len(demand))
    out = []
    for promised_share in promised_shares:
        column = paced(
            demand,
            chosen.counts,
            chosen.expected,
            promised_share=promised_share,
            rows=PacedRows(start=start, warm=chosen.warm, h=h, day=day),
            pace=pace,
        )
        out.append(Allocation(promised_share=promised_share, counts=chosen.counts[rows, column].astype(np.int64)))
    return out


def at_risk(chosen: Table, risk: float, *, start: int) -> Allocation:
    """The counts at the largest offered risk that is at most `risk`, at every row from `start` on: a knob without a promise."""
    column = max(int(np.searchsorted(RISKS, risk, side="right")) - 1, 0)
    return Allocation(promised_share=None, counts=chosen.counts[start:, column].astype(np.int64))
