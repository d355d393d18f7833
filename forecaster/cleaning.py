"""From rows of a series source to one value per pair and step, with a finding for everything that was mended.

The rule, in this order: rows after the run's time are left out; negative counts are missing (more than 5 % of them is an
error); of rows with the same time the last holds; counters become differences; times that jitter are moved to the
source's own grid; sources finer than the step are added up where at least 90 % of the step was reported; a source
coarser than the step is an error, because inventing the finer pattern would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from forecaster.errors import HistoryError
from forecaster.history import Bools, Floats, Ints, Pair
from forecaster.quality import Finding

DAY = 86_400_000_000
#: Above this share of negative counts the column is no count at all.
NEGATIVE_SHARE = 0.05
#: Share of a step's finer rows that must be there for the step to be known.
COMPLETE_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class SeriesRows:
    """Rows of the series format as columns; `pair` (rows,) indexes the sorted `pairs`, `micros` is µs since 1970 UTC."""

    pairs: Sequence[Pair]
    pair: Ints
    micros: Ints
    requests: Floats
    rejected: Floats | None = None
    shed: Bools | None = None
    utilisation: Mapping[str, Floats] = field(default_factory=dict)

    def take(self, keep: Ints | Bools) -> SeriesRows:
        """The rows at `keep` (indices or mask)."""
        return replace(
            self,
            pair=self.pair[keep],
            micros=self.micros[keep],
            requests=self.requests[keep],
            rejected=None if self.rejected is None else self.rejected[keep],
            shed=None if self.shed is None else self.shed[keep],
            utilisation={name: values[keep] for name, values in self.utilisation.items()},
        )

    def name(self, pair: int) -> str:
        """The pair's name for a sentence."""
        user, application = self.pairs[pair]
        return f"user {user}, application {application}"


@dataclass(frozen=True, kw_only=True)
class Cells:
    """One cell per pair and step: `position` counts from step number `first` (since 1970)."""

    step: timedelta
    first: int
    length: int
    pair: Ints
    position: Ints
    requests: Floats
    censored: Bools
    utilisation: Mapping[str, Floats]
    findings: tuple[Finding, ...]


def clean_series(
    rows: SeriesRows,
    *,
    step: timedelta | None,
    until: datetime | None,
    absent_is_zero: bool = False,
    counters: bool = False,
    mean: bool = False,
) -> Cells:
    """Cells of `step` (None: the source's own) from `rows`, at most up to `until`; see the module's rule.

    `mean` averages finer rows instead of adding them (utilisation taken as demand). Raises `HistoryError`.
    """
    found: list[Finding] = []
    rows = _in_time_order(_before(rows, until, found), found)
    rows = _last_of_same_time(_without_negatives(rows, found), found)
    if counters:
        rows = _differences(rows, found)
    native = _native_steps(rows)
    source_step = int(native[native > 0].min()) if np.any(native > 0) else 0
    size = int(step / timedelta(microseconds=1)) if step else source_step or 3_600_000_000
    if not absent_is_zero:
        _refuse_coarser(rows, native, source_step, size)
    rows = _on_own_grid(rows, native, size, found)
    return _binned(rows, native, size, until, absent_is_zero, mean, found)


def _before(rows: SeriesRows, until: datetime | None, found: list[Finding]) -> SeriesRows:
    if until is None:
        return rows
    keep = rows.micros < int((until - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
    found.append(
        Finding(
            kind="future",
            count=int((~keep).sum()),
            where="series",
            treatment="rows at or after the run's time, left out.",
        )
    )
    return rows.take(keep) if not keep.all() else rows


def _in_time_order(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    by_pair = np.argsort(rows.pair, kind="stable")
    pair, micros = rows.pair[by_pair], rows.micros[by_pair]
    late = int(((np.diff(micros) < 0) & (np.diff(pair) == 0)).sum())
    found.append(Finding(kind="unsorted", count=late, where="series", treatment="rows out of time order, sorted."))
    return rows.take(np.lexsort((np.arange(len(micros)), rows.micros, rows.pair)))


def _without_negatives(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    with np.errstate(invalid="ignore"):
        negative = (rows.requests < 0) | np.isinf(rows.requests)
    bad = int(negative.sum())
    if bad > max(1, NEGATIVE_SHARE * len(negative)):
        k = int(np.flatnonzero(negative)[0])
        raise HistoryError(
            f"{bad} of {len(negative)} counts are negative or infinite, the first for {rows.name(int(rows.pair[k]))} at "
            f"{_iso(int(rows.micros[k]))} ({rows.requests[k]:g}); `requests` must be counts per step, at least 0."
        )
    found.append(Finding(kind="negative", count=bad, where="series", treatment="negative counts, taken as missing."))
    return replace(rows, requests=np.where(negative, np.nan, rows.requests)) if bad else rows


def _last_of_same_time(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    same = (np.diff(rows.pair) == 0) & (np.diff(rows.micros) == 0)
    if not same.any():
        return rows
    differ = same & (rows.requests[1:] != rows.requests[:-1])
    where = f"first for {rows.name(int(rows.pair[:-1][same][0]))} at {_iso(int(rows.micros[:-1][same][0]))}"
    found.append(
        Finding(
            kind="duplicate", count=int((same & ~differ).sum()), where=where, treatment="repeated rows, counted once."
        )
    )
    found.append(
        Finding(
            kind="conflict",
            count=int(differ.sum()),
            where=where,
            treatment="rows of the same time with different values; the last in the source holds.",
        )
    )
    return rows.take(np.concatenate((~same, [True])))


def _differences(rows: SeriesRows, found: list[Finding]) -> SeriesRows:
    known = rows.take(np.isfinite(rows.requests))
    begins = np.concatenate(([True], np.diff(known.pair) != 0)) if len(known.pair) else np.zeros(0, dtype=bool)
    gain = np.diff(known.requests, prepend=np.nan)
    reset = ~begins & (gain < 0)
    found.append(
        Finding(
            kind="counter-reset",
            count=int(reset.sum()),
            where="series",
            treatment="the counter went down: it restarted, and its value is the increase since then.",
        )
    )
    gain = np.where(reset, known.requests, gain)
    return replace(known, requests=gain).take(~begins)


def _native_steps(rows: SeriesRows) -> Ints:
    """(P,) the commonest distance between rows of each pair in µs; 0 where there are fewer than 4 rows."""
    native = np.zeros(len(rows.pairs), dtype=np.int64)
    inside = np.diff(rows.pair) == 0
    pair, gap = rows.pair[1:][inside], np.diff(rows.micros)[inside]
    if not len(gap):
        return native
    order = np.lexsort((gap, pair))
    pair, gap = pair[order], gap[order]
    edge = np.flatnonzero(np.concatenate(([True], (np.diff(pair) != 0) | (np.diff(gap) != 0))))
    runs = np.diff(np.concatenate((edge, [len(gap)])))
    # The last of a stable sort by length wins: for each pair the longest run, of equal ones the shortest distance.
    best = np.lexsort((-gap[edge], runs))
    native[pair[edge][best]] = gap[edge][best]
    few = np.bincount(rows.pair, minlength=len(native)) < 4
    native[few] = 0
    return native


def _refuse_coarser(rows: SeriesRows, native: Ints, source_step: int, size: int) -> None:
    if source_step > size:
        raise HistoryError(
            f"the source has a row every {_span(source_step)}, but the step is {_span(size)}; "
            f"ask for a step of {_span(source_step)} or longer."
        )
    inside = np.diff(rows.pair) == 0
    gaps = np.diff(rows.micros)
    coarse = np.flatnonzero((native > size) & (native < DAY))
    for pair in coarse:
        own = gaps[inside & (rows.pair[1:] == pair)]
        if len(own) >= 24 and np.mean(own == native[pair]) >= 0.95:
            _refuse_mixed(rows, int(pair), int(native[pair]), source_step, size)
    same = inside[1:] & inside[:-1] & (np.diff(gaps) == 0) & (gaps[1:] > size) & (gaps[1:] < DAY)
    starts = np.flatnonzero(same & ~np.concatenate(([False], same[:-1])))
    ends = np.flatnonzero(same & ~np.concatenate((same[1:], [False])))
    for start, end in zip(starts, ends, strict=True):
        pair = int(rows.pair[start])
        ratio = gaps[start + 1] / max(native[pair], 1)
        # Counts of a longer step are larger in proportion; gaps of a quiet series are not.
        if end - start >= 10 and native[pair] and native[pair] <= size:
            mine = rows.pair == pair
            usual = np.nanmedian(rows.requests[mine]) if np.isfinite(rows.requests[mine]).any() else np.nan
            stretch = rows.requests[start + 1 : end + 2]
            if np.isfinite(stretch).any() and usual > 0 and np.nanmedian(stretch) > 0.6 * ratio * usual:
                _refuse_mixed(rows, pair, int(gaps[start + 1]), int(native[pair]), size)


def _refuse_mixed(rows: SeriesRows, pair: int, coarse: int, fine: int, size: int) -> None:
    raise HistoryError(
        f"two steps are mixed: {rows.name(pair)} has rows every {_span(coarse)} beside rows every {_span(fine)}, and the step "
        f"is {_span(size)}; ask for a step of {_span(coarse)} or longer, or leave the coarser rows out."
    )


def _on_own_grid(rows: SeriesRows, native: Ints, size: int, found: list[Finding]) -> SeriesRows:
    """Times moved to the nearest point of the pair's own grid, so that jitter does not put two rows in one step."""
    inside = np.diff(rows.pair) == 0
    own = native[rows.pair[1:]]
    off = inside & (own > 0) & (own <= size)
    off &= np.mod(np.diff(rows.micros), np.maximum(own, 1)) != 0
    jittery = np.unique(rows.pair[1:][off])
    if not len(jittery):
        return rows
    micros, moved = rows.micros.copy(), 0
    edges = np.searchsorted(rows.pair, [jittery, jittery + 1])
    for pair, a, b in zip(jittery, *edges, strict=True):
        grid = int(native[pair])
        shift = np.mod(micros[a:b] - micros[a] + grid // 2, grid) - grid // 2
        phase = int(micros[a] + np.median(shift[:100]))
        snapped = phase + np.round((micros[a:b] - phase) / grid).astype(np.int64) * grid
        moved += int((snapped != micros[a:b]).sum())
        micros[a:b] = snapped
    found.append(
        Finding(
            kind="jitter",
            count=moved,
            where="series",
            treatment="times off the source's own grid, moved to its nearest point.",
        )
    )
    return replace(rows, micros=micros)


def _binned(
    rows: SeriesRows, native: Ints, size: int, until: datetime | None, zero: bool, mean: bool, found: list[Finding]
) -> Cells:
    bins = rows.micros // size
    first = int(bins.min()) if len(bins) else 0
    last = int(bins.max()) if len(bins) else -1
    if until is not None:
        last = int((until - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=size)) - 1
        first = min(first, last + 1) if len(bins) else last + 1
    length = max(0, last - first + 1)
    ended = bins <= last
    rows, bins = rows.take(ended), bins[ended]
    key, cell = np.unique(rows.pair * max(length, 1) + (bins - first), return_inverse=True)
    count = len(key)
    pair, position = key // max(length, 1), key % max(length, 1)
    finite = np.isfinite(rows.requests)
    seen = np.bincount(cell[finite], minlength=count).astype(np.float64)
    value = np.bincount(cell[finite], weights=rows.requests[finite], minlength=count)
    own = native[pair]
    fine = np.where((own > 0) & (own < size) & (size % np.maximum(own, 1) == 0), size // np.maximum(own, 1), 1)
    if mean:
        value = np.divide(value, seen, out=np.zeros(count), where=seen > 0)
    enough = seen >= np.maximum(COMPLETE_SHARE * fine, 1) if not zero else seen > 0
    partly = enough & (seen < fine)
    if not mean and not zero:
        value = np.where(partly, value * fine / np.maximum(seen, 1), value)
    short = (seen > 0) & ~enough
    found.append(Finding(kind="incomplete-step", count=int(short.sum()), where="series",
                         treatment=f"steps of which less than {COMPLETE_SHARE:.0%} was reported, taken as missing."))  # fmt: skip
    value = np.where(enough, value, np.nan)
    censored = np.zeros(count, dtype=bool)
    if rows.rejected is not None:
        value = value + np.bincount(cell, weights=np.nan_to_num(np.maximum(rows.rejected, 0)), minlength=count)
    if rows.shed is not None:
        uncounted = rows.shed & (True if rows.rejected is None else ~np.isfinite(rows.rejected))
        censored = np.bincount(cell, weights=uncounted, minlength=count) > 0
        found.append(Finding(kind="censored", count=int(censored.sum()), where="series",
                             treatment="load was shed and not counted: the value is a lower bound, not the demand."))  # fmt: skip
    _describe(rows.pairs, pair, position, value, zero, found)
    return Cells(
        step=timedelta(microseconds=size),
        first=first,
        length=length,
        pair=pair,
        position=position,
        requests=value,
        censored=censored,
        utilisation={name: _means(values, cell, count) for name, values in rows.utilisation.items()},
        findings=tuple(f for f in found if f.count),
    )


def _means(values: Floats, cell: Ints, count: int) -> Floats:
    finite = np.isfinite(values)
    seen = np.bincount(cell[finite], minlength=count)
    total = np.bincount(cell[finite], weights=values[finite], minlength=count)
    return np.divide(total, seen, out=np.full(count, np.nan), where=seen > 0)


def _describe(
    pairs: Sequence[Pair], pair: Ints, position: Ints, value: Floats, zero: bool, found: list[Finding]
) -> None:
    """Findings about whole series: gaps, nothing but missing values, a single value."""
    finite = np.isfinite(value)
    silent = np.setdiff1d(np.arange(len(pairs)), pair[finite])
    if len(silent):
        found.append(Finding(kind="all-missing", count=len(silent), where=f"user {pairs[silent[0]][0]}, application "
                             f"{pairs[silent[0]][1]}", treatment="series without any value; their forecast is the prior."))  # fmt: skip
    if zero or not finite.any():
        return
    known, at = pair[finite], position[finite]
    gap = np.where(np.diff(known) == 0, np.diff(at) - 1, 0)
    if gap.any():
        k = int(np.argmax(gap))
        found.append(Finding(kind="gap", count=int(gap.sum()), where=f"longest {int(gap[k])} steps, user {pairs[known[k]][0]}, "
                             f"application {pairs[known[k]][1]}", treatment="steps without a row, left missing (not zero)."))  # fmt: skip


def _iso(micros: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _span(micros: int) -> str:
    seconds = micros / 1e6
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
