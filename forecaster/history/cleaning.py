"""From rows of a series source to one value per pair and step, with a finding for everything that was changed.

In this order:

- rows after the run's time are left out;
- negative counts and utilisation are missing; more than 5 % of negative counts is an error;
- of rows with the same time the last one is used;
- counters become differences;
- times that jitter are moved to the source's own grid (`forecaster.history.grid`);
- rows finer than the step are added up where at least 90 % of the step was reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import HistoryError
from forecaster.history.grid import Times, on_own_grid, own_steps, refuse_coarser, row_steps
from forecaster.history.history import Bools, Floats, Ints, Pair
from forecaster.history.measured import negative as negative_values
from forecaster.history.measured import without_negatives
from forecaster.history.quality import Finding
from forecaster.history.rows import Cells, Cleaned, SeriesRows

HOUR = 3_600_000_000
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Above this share of negative counts the column is no count at all.
NEGATIVE_SHARE = 0.05
#: More requests than this in a step are no count (and their squares no number).
MOST = 1e18
#: Share of a step's finer rows that must be there for the step to be known.
COMPLETE_SHARE = 0.9


def clean_series(
    rows: SeriesRows,
    *,
    step: timedelta | None,
    until: datetime | None,
    now: datetime | None = None,
    absent_is_zero: bool = False,
    counters: bool = False,
    mean: bool = False,
) -> Cleaned:
    """Cells of `step` (None: the source's own) from `rows`, at most up to `until`; see the module's rule.

    Rows at or after `now` are left out too, but the history ends where the rest of the source does. `mean` averages
    finer rows instead of adding them (utilisation taken as demand). Raises `HistoryError`.
    """
    found: list[Finding] = []
    rows = _in_time_order(_before(_before(rows, until, found), now, found), found)
    rows = _last_of_same_time(_without_negatives(rows, found), found)
    if counters:
        rows = _differences(rows, step, absent_is_zero, found)
    times = _times(rows)
    native = own_steps(times)
    size = _size(step, native)
    own, coarse = native[rows.pair], 0
    if not absent_is_zero:
        refuse_coarser(times, native, size)
        own, coarse = row_steps(times, native)
    treatment = (
        "rows that count a longer time than the other rows of their series; each is taken as the count of that time."
    )
    found.append(_finding("coarser-rows", coarse, treatment))
    micros, moved = on_own_grid(times, native, size)
    found.append(_finding("jitter", moved, "times off the source's own grid, moved to the nearest point of the grid."))
    rows = replace(rows, micros=micros)
    if now is not None:  # the step that is running now is not over
        over = rows.micros // size < int((now - EPOCH) / MICROSECOND) // size
        rows, own = rows.take(over), own[over]
    return _binned(rows, own, size, until, absent_is_zero, mean, found)


def _times(rows: SeriesRows) -> Times:
    return Times(pair=rows.pair, micros=rows.micros, values=rows.requests, pairs=len(rows.pairs), name=rows.name)


def _size(step: timedelta | None, native: Ints) -> int:
    """Length of a step in µs: `step`, or the shortest of the pairs' own."""
    return int(step / MICROSECOND) if step else int(native[native > 0].min()) if np.any(native > 0) else HOUR


def _finding(kind: str, count: int, treatment: str, where: str = "series") -> Finding:
    return Finding(kind=kind, count=int(count), where=where, treatment=treatment)


def _before(rows: SeriesRows, until: datetime | None, found: list[Finding]) -> SeriesRows:
    if until is None:
        return rows
    keep = rows.micros < int((until - EPOCH) / MICROSECOND)
    found.append(_finding("future", (~keep).sum(), "rows at or after the run's time, left out."))
    return rows if keep.all() else rows.take(keep)


def _in_time_order(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    by_pair = np.argsort(rows.pair, kind="stable")
    pair, micros = rows.pair[by_pair], rows.micros[by_pair]
    late = ((np.diff(micros) < 0) & (np.diff(pair) == 0)).sum()
    found.append(_finding("unsorted", late, "rows out of time order, sorted."))
    return rows.take(np.lexsort((np.arange(len(micros)), rows.micros, rows.pair)))


def _without_negatives(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    with np.errstate(invalid="ignore"):
        negative = (rows.requests < 0) | (rows.requests > MOST)
    bad = int(negative.sum())
    if bad > max(1, NEGATIVE_SHARE * len(negative)):
        k = int(np.flatnonzero(negative)[0])
        raise HistoryError(
            f"{bad} of {len(negative)} counts are negative or over {MOST:g}, the first for {rows.name(int(rows.pair[k]))} "
            f"at {_iso(int(rows.micros[k]))} ({rows.requests[k]:g}); `requests` must be counts per step, at least 0."
        )
    found.append(_finding("negative", bad, f"counts that are negative or over {MOST:g}, treated as missing."))
    return _measured(replace(rows, requests=np.where(negative, np.nan, rows.requests)) if bad else rows, found)


def _measured(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    """What stands beside the counts, where it can have been measured."""
    beside = dict(rows.utilisation) if rows.rejected is None else {**rows.utilisation, "rejected": rows.rejected}
    for name, values in beside.items():
        beside[name], below = without_negatives(values)
        found.append(negative_values(below, "series", name))
    return replace(rows, rejected=beside.pop("rejected", None), utilisation=beside)


def _last_of_same_time(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    same = (np.diff(rows.pair) == 0) & (np.diff(rows.micros) == 0)
    if not same.any():
        return rows
    differ = same & (rows.requests[1:] != rows.requests[:-1])
    where = f"first for {rows.name(int(rows.pair[:-1][same][0]))} at {_iso(int(rows.micros[:-1][same][0]))}"
    found.append(_finding("duplicate", (same & ~differ).sum(), "repeated rows, counted once.", where))
    kept = "rows with the same time and different values; the last one in the source is used."
    found.append(_finding("conflict", differ.sum(), kept, where))
    return rows.take(np.concatenate((~same, [True])))


def _differences(rows: SeriesRows, step: timedelta | None, absent_is_zero: bool, found: list[Finding]) -> SeriesRows:
    """Increases since the reading before, each in the step of its reading.

    Where readings are missing, an increase covers all the time since the last one. Within one step it is divided among the
    missing readings; over several steps it is unknown when it happened, so it is missing.
    """
    known = rows.take(np.isfinite(rows.requests))
    begins = np.concatenate(([True], np.diff(known.pair) != 0)) if len(known.pair) else np.zeros(0, dtype=bool)
    gain = np.diff(known.requests, prepend=np.nan)
    reset = ~begins & (gain < 0)
    treatment = "the counter went down, so it was restarted; its value is the increase since then."
    found.append(_finding("counter-reset", reset.sum(), treatment))
    gain = np.where(reset, known.requests, gain)
    native = own_steps(_times(known))
    own, size = native[known.pair], _size(step, native)
    apart = np.diff(known.micros, prepend=0)
    readings = np.where(begins | (own == 0), 1, np.rint(apart / np.maximum(own, 1)).astype(np.int64))
    readings = np.maximum(readings, 1)
    astride = (known.micros - (readings - 1) * own) // size != known.micros // size
    if not absent_is_zero:
        found.append(
            _finding("counter-gap", (astride & ~begins).sum(), "increases over several steps, treated as missing.")
        )
        gain = np.where(astride, np.nan, gain)
    share = np.where(astride, 1, readings)
    dealt = replace(known, requests=gain / share).take(np.repeat(np.flatnonzero(~begins), share[~begins]))
    back = np.concatenate([np.arange(n)[::-1] for n in share[~begins]]) if share[~begins].max(initial=1) > 1 else 0
    return replace(dealt, micros=dealt.micros - back * native[dealt.pair])


def _binned(
    rows: SeriesRows, own: Ints, size: int, until: datetime | None, zero: bool, mean: bool, found: list[Finding]
) -> Cleaned:
    bins = rows.micros // size
    first, last = (int(bins.min()), int(bins.max())) if len(bins) else (0, -1)
    if until is not None:
        last = int((until - EPOCH) / timedelta(microseconds=size)) - 1
        first = min(first, last + 1) if len(bins) else last + 1
    rows, own, bins = rows.take(bins <= last), own[bins <= last], bins[bins <= last]
    width = max(last - first + 1, 1)
    key, cell = np.unique(rows.pair * width + (bins - first), return_inverse=True)
    pair, position = key // width, key % width
    longest = np.zeros(len(key), dtype=np.int64)
    np.maximum.at(longest, cell, own)
    value, short = _values(rows.requests, cell, longest, size, zero, mean)
    if until is None and len(key) and short[position == width - 1].all():
        # The source ends within a step: that step is not over, which is not the same as missing.
        last -= 1
        ended = position < width - 1
        rows, cell = rows.take(ended[cell]), cell[ended[cell]]
        renumbered = np.cumsum(ended) - 1
        cell, pair, position, value, short = renumbered[cell], pair[ended], position[ended], value[ended], short[ended]
    treatment = f"steps of which less than {COMPLETE_SHARE:.0%} was reported, treated as missing."
    found.append(_finding("incomplete-step", short.sum(), treatment))
    value, censored = _offered(rows, cell, value, found)
    _describe(rows.pairs, pair, position, value, zero, found)
    cells = Cells(
        step=timedelta(microseconds=size),
        length=max(0, last - first + 1),
        pair=pair,
        position=position,
        requests=value,
        censored=censored,
        utilisation={name: _means(values, cell, len(pair)) for name, values in rows.utilisation.items()},
    )
    return Cleaned(cells=cells, first=first, findings=tuple(f for f in found if f.count))


def _values(
    requests: Floats, cell: Ints, own: Ints, size: int, zero: bool, mean: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """(cells,) the step's count or mean, and where too little of the step was reported to know it."""
    count = len(own)
    finite = np.isfinite(requests)
    seen = np.bincount(cell[finite], minlength=count).astype(np.float64)
    value = np.bincount(cell[finite], weights=requests[finite], minlength=count).astype(np.float64)
    per_step = np.where((own > 0) & (own < size) & (size % np.maximum(own, 1) == 0), size // np.maximum(own, 1), 1)
    enough = seen > 0 if zero else seen >= np.maximum(COMPLETE_SHARE * per_step, 1)
    if mean:
        value = np.divide(value, seen, out=np.zeros(count), where=seen > 0)
    elif not zero:
        value = np.where(seen < per_step, value * per_step / np.maximum(seen, 1), value)
    return np.where(enough, value, np.nan), (seen > 0) & ~enough


def _offered(rows: SeriesRows, cell: Ints, value: Floats, found: list[Finding]) -> tuple[Floats, Bools]:
    """Served plus rejected, and the steps in which load was shed without being counted."""
    count = len(value)
    censored = np.zeros(count, dtype=bool)
    if rows.rejected is not None:
        turned_away = np.nan_to_num(rows.rejected)
        value = value + np.bincount(cell, weights=turned_away, minlength=count)
        found.append(_finding("rejected", int(turned_away.sum()), "rejected requests, counted as demand."))
    if rows.shed is not None:
        counted = np.zeros(len(rows.shed), dtype=bool) if rows.rejected is None else np.isfinite(rows.rejected)
        censored = np.bincount(cell, weights=rows.shed & ~counted, minlength=count) > 0
        treatment = "load was shed without being counted; the value is a lower bound of the demand."
        found.append(_finding("censored", censored.sum(), treatment))
    return value, censored


def _means(values: Floats, cell: Ints, count: int) -> Floats:
    finite = np.isfinite(values)
    seen = np.bincount(cell[finite], minlength=count).astype(np.float64)
    total = np.bincount(cell[finite], weights=values[finite], minlength=count).astype(np.float64)
    return np.asarray(np.divide(total, seen, out=np.full(count, np.nan), where=seen > 0), dtype=np.float64)


def _describe(
    pairs: Sequence[Pair], pair: Ints, position: Ints, value: Floats, zero: bool, found: list[Finding]
) -> None:
    """Findings about whole series: nothing but missing values, gaps."""
    finite = np.isfinite(value)
    silent = np.setdiff1d(np.arange(len(pairs)), pair[finite])
    if len(silent):
        user, application = pairs[int(silent[0])]
        treatment = "series without any value; the prior is their forecast."
        found.append(_finding("all-missing", len(silent), treatment, f"user {user}, application {application}"))
    if zero or not finite.any():
        return
    known, at = pair[finite], position[finite]
    gap = np.where(np.diff(known) == 0, np.diff(at) - 1, 0)
    if gap.any():
        k = int(np.argmax(gap))
        user, application = pairs[int(known[k])]
        where = f"longest {int(gap[k])} steps, user {user}, application {application}"
        found.append(_finding("gap", gap.sum(), "steps without a value, treated as missing, not as zero.", where))


def _iso(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%SZ")
