"""Keep a promised share of unserved volume: choose, before every step, how much risk the promise still allows.

The rule: the risk p (what the last instance bought is expected to be used for, see `onepool.count`) is as large as
lets the elapsed stretch and the window ahead together stay within the promise, as far as the walked past tells. This is
online control of a risk as in conformal risk control (Angelopoulos et al. 2022), on the realised unserved volume.
Looking a whole window ahead at every step means that there is no end to spend up to; old credit expires. One event of
the past counts at most for a share of a week's budget: what no fleet of sane size could have served is not insured.
Nothing younger than the decision's cutoff is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How the promise is kept; defaults chosen on training stretches and other series (docs/backtest.md).

    `ahead_days` window that the promise must hold over from now on; `back_days` how long credit and debt live;
    `half_days` half-life of the past's weight; `model_weight` weight of the forecast's own expectation against what
    happened; `caution` standard deviations of the window's unserved volume that are kept in reserve; `one_event` the
    largest share of a week's budget that one step of the past counts for; `least` and `most` bound the expected rate
    as shares of the asked one: debt is paid back no faster, credit spent no faster.
    """

    ahead_days: float = 7.0
    back_days: float = 28.0
    half_days: float = 21.0
    model_weight: float = 1.0
    caution: float = 0.5
    one_event: float = 0.3
    least: float = 0.2
    most: float = 2.0


def paced(
    demand: Floats,
    counts: Floats,
    expected: Floats,
    *,
    ask: float,
    start: int,
    warm: int,
    h: int,
    day: int,
    pace: Pace | None = None,
) -> Ints:
    """The column of `counts` to use at each row from `start` on; returns (rows - start,) column numbers.

    `demand` (n,) in instances, NaN where unknown; `counts` and `expected` (n, risks): counts at each risk, ascending in
    risk, and the unserved volume that the forecast expects at them (instances). Row t reads demand of rows ≤ t - h.
    Rows before `warm` are not used.
    """
    chosen = pace or Pace()
    window, back = chosen.ahead_days * day, round(chosen.back_days * day)
    forget, share = 0.5 ** (1 / (chosen.half_days * day)), chosen.model_weight / (1 + chosen.model_weight)
    n, risks = counts.shape
    known = np.isfinite(demand)
    volume = np.where(known, demand, 0.0)
    mean, square, weight, total = np.zeros(risks), np.zeros(risks), 0.0, 0.0
    spent, asked = np.zeros(n + 1), np.zeros(n + 1)
    column = np.zeros(n, dtype=np.int64)
    for t in range(warm, n):
        seen = t - h
        if seen >= warm:
            mean, square, weight, total = forget * mean, forget * square, forget * weight, forget * total
            if known[seen]:
                weight, total = weight + 1, total + volume[seen]
                most = chosen.one_event * ask * 7 * day * total / weight
                happened = np.minimum(np.maximum(volume[seen] - counts[seen], 0.0), most)
                foreseen = np.minimum(expected[seen], most)
                mean = mean + (1 - share) * happened + share * foreseen
                square = square + (1 - share) * happened**2 + share * foreseen**2
        if t < start:
            continue
        if weight > 0 and total > 0:
            rate, deviation, level = mean / weight, np.sqrt(square / weight), total / weight
            first = max(start, seen + 1 - back)
            used, had = spent[max(seen + 1, first)] - spent[first], asked[max(seen + 1, first)] - asked[first]
            reserve = chosen.caution * deviation * np.sqrt(window)
            holds = (used + rate * window + reserve <= ask * (had + window * level)) & (
                rate <= chosen.most * ask * level
            )
            column[t] = max(_last(holds), _last(rate <= chosen.least * ask * level))
        missed = max(volume[t] - counts[t, column[t]], 0.0) if known[t] else 0.0
        spent[t + 1], asked[t + 1] = spent[t] + missed, asked[t] + volume[t]
    return column[start:]


def _last(holds: NDArray[np.bool_]) -> int:
    """The largest column up to which the bound holds; the safest one where it holds nowhere."""
    return int(np.flatnonzero(holds)[-1]) if holds.any() else 0
