"""Telling an outage of an event log from a quiet stretch.

The rule: a log without events says zero, unless so many were expected that silence is not believable. Expected is the
least of the last four at the same time of the week (or day, or of the last steps), so one quiet week makes another
believable; a run of silent steps whose expected events add up to 30 or more is an outage. Under Poisson arrivals its
probability is e⁻³⁰; real arrivals vary more, hence the margin.

Expectations look backwards only; that a silence is an outage is known once it has lasted long enough, and then holds for
all of it. A run sees what was known at its time. A replay that reads everything once and cuts later knows of an outage
from its first silent step on: it is read with `until` where that matters.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.history import Bools, History
from forecaster.quality import Finding

#: Expected events in a silent run from which on it is an outage.
UNBELIEVABLE = 30.0


def outages(total: NDArray[np.float64], step: timedelta) -> Bools:
    """(n,) True in runs of zero steps of `total` (n,) that are outages by the module's rule."""
    n = len(total)
    day, week = round(timedelta(days=1) / step), round(timedelta(days=7) / step)
    silent = total == 0
    down = np.zeros(n, dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(np.int8), [0]))))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if begin == 0:
            continue
        season = week if begin >= 2 * week else day if begin >= 2 * day else 1
        if _expected(total, down, int(begin), int(end), max(season, 1)) >= UNBELIEVABLE:
            down[begin:end] = True
    return down


def _expected(total: NDArray[np.float64], down: Bools, begin: int, end: int, season: int) -> float:
    """Events expected in [begin, end): the least of the last four same slots before `begin` that were recorded."""
    expected = 0.0
    for slot in range(begin, min(end, begin + season)):
        if season > 1:
            back, enough = np.arange(slot - season, max(-1, slot - 4 * season - 1), -season), 2
        else:
            back, enough = np.arange(begin - 1, max(-1, begin - 25), -1), 12
        back = back[(back >= 0) & (back < begin)]
        back = back[~down[back]]
        if len(back) >= enough:
            expected += float(total[back].min()) * (1 + (end - 1 - slot) // season)
    return expected


def with_outages(history: History) -> History:
    """The history with outages of its event logs marked as not recorded; in series, absent is missing anyway."""
    if not history.zero_absent.any() or not history.length:
        return history
    codes = np.where(history.zero_absent, 0, -1).astype(np.int64)
    total = history.grouped(codes, 1)[0]
    down = outages(np.nan_to_num(total, nan=-1.0), history.step)
    if not down.any():
        return history
    first = history.index[int(np.argmax(down))]
    finding = Finding(
        kind="outage",
        count=int(down.sum()),
        where=f"first at {first:%Y-%m-%dT%H:%M:%SZ}",
        treatment="the log was silent where events were certain to come; taken as missing, not as zero.",
    )
    return replace(history, unrecorded=history.unrecorded | down, quality=history.quality.with_findings([finding]))
