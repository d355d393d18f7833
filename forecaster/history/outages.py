"""Telling an outage of an event log from a quiet time.

- A log without events means zero, unless so many were expected that silence is not believable.
- Expected is the least of the last four values at the same time of the week (or of the day, or of the last steps), so one
  quiet week makes another believable.
- A run of silent steps whose expected events add up to 30 or more is an outage. Under Poisson arrivals its probability is
  e⁻³⁰; real arrivals vary more, hence the margin.

Expectations look backwards only. That a silence is an outage is known once it has lasted long enough, and then holds for
all of it. A replay reads everything once and cuts later, and must not know earlier than a run would have: for it a step is
an outage from the one on in which it became known (`as_it_came`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.history.history import Bools, History
from forecaster.history.quality import Finding

#: Expected events in a silent run from which on it is an outage.
UNBELIEVABLE = 30.0


def outages(total: NDArray[np.float64], step: timedelta, *, as_it_came: bool = False) -> Bools:
    """(n,) True in runs of zero steps of `total` (n,) that are outages by the module's rule.

    `as_it_came`: only in those of their steps by whose end that was known, so that no step's mark depends on later ones.
    """
    n = len(total)
    day, week = round(timedelta(days=1) / step), round(timedelta(days=7) / step)
    silent = total == 0
    down, known = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(np.int8), [0]))))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if begin == 0:
            continue
        season = week if begin >= 2 * week else day if begin >= 2 * day else 1
        expected = np.cumsum(_expected(total, down, begin, end, max(season, 1)))
        if expected[-1] >= UNBELIEVABLE:
            down[begin:end] = True
            known[begin + int(np.argmax(expected >= UNBELIEVABLE)) : end] = True
    return known if as_it_came else down


def _expected(total: NDArray[np.float64], down: Bools, begin: int, end: int, season: int) -> NDArray[np.float64]:
    """(end - begin,) events expected: the least of the last four same slots before `begin` that were recorded."""
    expected = np.zeros(min(end - begin, season))
    for k in range(len(expected)):
        slot = begin + k
        if season > 1:
            back, enough = np.arange(slot - season, max(-1, slot - 4 * season - 1), -season), 2
        else:
            back, enough = np.arange(begin - 1, max(-1, begin - 25), -1), 12
        back = back[(back >= 0) & (back < begin)]
        back = back[~down[back]]
        if len(back) >= enough:
            expected[k] = total[back].min()
    return np.resize(expected, end - begin)


def with_outages(history: History, *, as_it_came: bool = False) -> History:
    """The history with outages of its event logs marked as not recorded; in series, absent is missing anyway.

    `as_it_came` marks them as `outages` does for a replay that cuts the history later.
    """
    if not history.zero_absent.any() or not history.length:
        return history
    codes = np.where(history.zero_absent, 0, -1).astype(np.int64)
    total = history.grouped(codes, 1)[0]
    down = outages(np.nan_to_num(total, nan=-1.0), history.step, as_it_came=as_it_came)
    if not down.any():
        return history
    first = history.index[int(np.argmax(down))]
    finding = Finding(
        kind="outage",
        count=int(down.sum()),
        where=f"first at {first:%Y-%m-%dT%H:%M:%SZ}",
        treatment="the log was silent although events were certain to occur, treated as missing, not as zero.",
    )
    return replace(history, unrecorded=history.unrecorded | down, quality=history.quality.with_findings([finding]))
