"""Keep a promised share of unserved volume: choose, before every step, the risk that the promise still allows.

- The rule: the risk p (the probability that the last instance is needed, see `onepool.count`) is the largest one with which
  the past period and the window ahead together stay within the promise, as estimated from the past.
- This is online risk control, as in conformal risk control (Angelopoulos et al. 2022), on the realised unserved volume.
- Every step looks a whole window ahead, so the budget has no end date, and old credit expires.
- A debt is looked at over a short window. Events come in bursts, and a debt that is spread over weeks would meet the next
  burst before it is paid back.
- The misses at a risk are learned from what that risk would have missed. If this is too rare, they are learned from what
  the forecast expected.
- One step counts up to a bound in both. An event that no fleet of sane size could have served is not insured, and a far
  tail of the forecast must not outweigh such an event.
- No data younger than the decision's cutoff is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PromisePace:
    """How the promise is kept over time. The defaults were chosen on training stretches and other series (docs/backtest.md).

    Attributes:
        ahead_days: the window, from now on, over which the promise must hold.
        debt_days: the same window while more is spent than was promised.
        back_days: how long credit and debt last.
        half_days: half-life of the weight of past steps.
        model_weight: weight of the forecast's own expectation, in violating steps of the past.
        caution: share of the promise that is kept in reserve.
        one_event: the most that one step counts for, in mean days' volume at a promise of 100 %. It falls with the root of
            the promise, because a rarer violation may be larger in relation to its budget.
        least, most: bounds of the expected rate, as shares of the promised one: how fast debt is paid back, and how fast
            credit is spent.
    """

    ahead_days: float = 21.0
    debt_days: float = 1.0
    back_days: float = 28.0
    half_days: float = 28.0
    model_weight: float = 30.0
    caution: float = 0.15
    one_event: float = 0.21
    least: float = 0.25
    most: float = 1.5

    def event_bound(self, promised_share: float, day: float, mean: float) -> float:
        """The most that one step counts for, at `mean` demand a step and `day` steps a day."""
        return self.one_event * math.sqrt(promised_share) * day * mean


@dataclass(frozen=True, kw_only=True)
class PacedRows:
    """The rows that are paced: from `start` on, learning from rows ≥ `warm` that are `h` old; `day`: rows of a day."""

    start: int
    warm: int
    h: int
    day: int


def paced(
    demand: Floats,
    counts: Floats,
    expected: Floats,
    *,
    rows: PacedRows,
    promised_share: float,
    pace: PromisePace | None = None,
) -> Ints:
    """The column of `counts` to use at each row from the start on; returns (rows - start,) column numbers.

    `demand` (n,) in instances, NaN where unknown; `counts` and `expected` (n, risks): counts at each risk, ascending in
    risk, and the unserved volume that the forecast expects at them (instances). Row t reads demand of rows ≤ t - h.
    """
    chosen, start, warm, h, day = pace or PromisePace(), rows.start, rows.warm, rows.h, rows.day
    ahead, soon, back = chosen.ahead_days * day, chosen.debt_days * day, round(chosen.back_days * day)
    forget, promise = 0.5 ** (1 / (chosen.half_days * day)), (1 - chosen.caution) * promised_share
    n, risks = counts.shape
    known = np.isfinite(demand)
    volume = np.where(known, demand, 0.0)
    missed, hits, foreseen, weight, total = np.zeros(risks), np.zeros(risks), np.zeros(risks), 0.0, 0.0
    spent, arrived = np.zeros(n + 1), np.zeros(n + 1)
    column = np.zeros(n, dtype=np.int64)
    for t in range(warm, n):
        seen = t - h
        if seen >= warm and known[seen]:
            weight, total = forget * weight + 1, forget * total + volume[seen]
            most = chosen.event_bound(promised_share, day, total / weight)
            short = np.maximum(volume[seen] - counts[seen], 0.0)
            missed = forget * missed + np.minimum(short, most)
            hits = forget * hits + (short > 0)
            foreseen = forget * foreseen + bounded(counts[seen], expected[seen], most)
        if t < start:
            continue
        if weight > 0 and total > 0:
            rate, level = expected_rate(missed, hits, foreseen, chosen.model_weight) / weight, total / weight
            first = max(start, seen + 1 - back)
            used, had = spent[max(seen + 1, first)] - spent[first], arrived[max(seen + 1, first)] - arrived[first]
            window = ahead if used <= promise * had else soon
            within = rate <= chosen.most * promised_share * level
            holds = (used + rate * window <= promise * (had + window * level)) & within
            column[t] = max(last_holding(holds), last_holding(rate <= chosen.least * promised_share * level))
        missing = max(volume[t] - counts[t, column[t]], 0.0) if known[t] else 0.0
        spent[t + 1], arrived[t + 1] = spent[t] + missing, arrived[t] + volume[t]
    return column[start:]


def expected_rate(missed: Floats, hits: Floats, foreseen: Floats, weight: float) -> Floats:
    """What happened and what was expected (risks,), weighed by how often it happened."""
    share = hits / (hits + weight) if weight > 0 else np.ones(len(hits))
    return np.asarray(share * missed + (1 - share) * foreseen)


def bounded(counts: Floats, expected: Floats, most: float) -> Floats:
    """E[min((d - s)⁺, most)] (risks,) at every count s: what is expected at s less what is expected at s + most.

    The latter is read between the counts of the same row; beyond the safest one nothing is expected.
    """
    beyond = np.interp(counts + most, counts[::-1], expected[::-1], right=0.0)
    return np.asarray(np.maximum(expected - beyond, 0.0))


def last_holding(holds: NDArray[np.bool_]) -> int:
    """The largest place at which the bound `holds` (risks,), ascending in risk; the safest one where it holds nowhere."""
    return int(np.flatnonzero(holds)[-1]) if holds.any() else 0
