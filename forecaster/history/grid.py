"""The time grid of a series source: its own step, jitter around it, and whether it fits the step that is asked for.

- A source's own step is the most common distance between its rows.
- A source that is coarser than the wanted step is an error: its finer pattern would have to be invented.
- Rows off their own grid are moved to its nearest point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import HistoryError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
DAY = 86_400_000_000
#: Equal distances in a row that make a stretch of another step, not a few gaps.
STRETCH = 10


@dataclass(frozen=True, kw_only=True)
class Times:
    """Rows sorted by pair and time: `pair` (rows,) and `micros` (rows,) since 1970 UTC, `values` (rows,), `pairs` P."""

    pair: Ints
    micros: Ints
    values: Floats
    pairs: int
    name: Callable[[int], str]

    @property
    def same_pair(self) -> NDArray[np.bool_]:
        """(rows - 1,) whether a row and the one before it are of the same pair."""
        return np.asarray(np.diff(self.pair) == 0)


def own_steps(times: Times) -> Ints:
    """(P,) the commonest distance between rows of each pair in µs; 0 where there are fewer than 4 rows."""
    native = np.zeros(times.pairs, dtype=np.int64)
    inside = times.same_pair
    pair, gap = times.pair[1:][inside], np.diff(times.micros)[inside]
    if not len(gap):
        return native
    order = np.lexsort((gap, pair))
    pair, gap = pair[order], gap[order]
    edge = np.flatnonzero(np.concatenate(([True], (np.diff(pair) != 0) | (np.diff(gap) != 0))))
    runs = np.diff(np.concatenate((edge, [len(gap)])))
    # Ascending by frequency, so that the last assignment is the commonest; of equally common ones the shortest.
    best = np.lexsort((-gap[edge], runs))
    native[pair[edge][best]] = gap[edge][best]
    native[np.bincount(times.pair, minlength=times.pairs) < 4] = 0
    return native


def refuse_coarser(times: Times, native: Ints, size: int) -> None:
    """Raise `HistoryError` where the source, a series in it or a stretch of one is coarser than `size` (µs).

    Regular distances of a day and more are habit, not a step. So are longer distances whose counts are not larger in
    proportion: such a series is quiet, it is not counted over longer steps.
    """
    known = native[native > 0]
    source = int(known.min()) if len(known) else 0
    if source > size:
        raise HistoryError(
            f"the source has a row every {span(source)}, but the step is {span(size)}; "
            f"set a step of {span(source)} or longer."
        )
    inside, gaps = times.same_pair, np.diff(times.micros)
    for pair in np.flatnonzero((native > size) & (native < DAY)):
        own = gaps[inside & (times.pair[1:] == pair)]
        if len(own) >= 24 and np.mean(own == native[pair]) >= 0.95:
            _refuse_mixed(times.name(int(pair)), int(native[pair]), source, size)
    for stretch in _coarse_stretches(times, native):
        if stretch.step > size:
            _refuse_mixed(times.name(stretch.pair), stretch.step, int(native[stretch.pair]), size)


@dataclass(frozen=True, kw_only=True)
class _CoarseRun:
    """Rows `start` to before `end` of a pair that are counted over `step` (µs), longer than the pair's own."""

    pair: int
    start: int
    end: int
    step: int


def _coarse_stretches(times: Times, native: Ints) -> list[_CoarseRun]:
    """Where longer distances follow each other and counts are larger in proportion, so that these are longer steps."""
    inside, gaps = times.same_pair, np.diff(times.micros)
    own = native[times.pair[1:]]
    equal = inside[1:] & inside[:-1] & (np.diff(gaps) == 0) & (own[1:] > 0) & (gaps[1:] > own[1:]) & (gaps[1:] < DAY)
    edge = np.flatnonzero(np.diff(np.concatenate(([0], equal.astype(np.int8), [0]))))
    starts, ends = edge[::2], edge[1::2]
    long = ends - starts >= STRETCH
    found = []
    for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
        pair, gap = int(times.pair[start]), int(gaps[start])
        first, last = np.searchsorted(times.pair, [pair, pair + 1]).tolist()
        stretch = times.values[start + 1 : end + 1]
        if not np.isfinite(stretch).any():
            continue
        usual = float(np.nanmedian(times.values[first:last]))
        if usual > 0 and float(np.nanmedian(stretch)) > 0.6 * gap / int(native[pair]) * usual:
            # The row after the last equal distance begins what follows, if anything does.
            found.append(_CoarseRun(pair=pair, start=start, end=end + 2 if end + 2 == last else end + 1, step=gap))
    return found


def row_steps(times: Times, native: Ints) -> tuple[Ints, int]:
    """(rows,) the step (µs) that each row is counted over, 0 where unknown, and how many are not counted over their
    pair's own."""
    steps, found = native[times.pair], _coarse_stretches(times, native)
    for stretch in found:
        steps[stretch.start : stretch.end] = stretch.step
    return steps, sum(stretch.end - stretch.start for stretch in found)


def _refuse_mixed(name: str, coarse: int, fine: int, size: int) -> None:
    raise HistoryError(
        f"two steps are mixed: {name} has rows every {span(coarse)} and rows every {span(fine)}, and the step is "
        f"{span(size)}; set a step of {span(coarse)} or longer, or remove the coarser rows."
    )


def on_own_grid(times: Times, native: Ints, size: int) -> tuple[Ints, int]:
    """(rows,) times with jitter removed, and how many were moved; only pairs whose own step is at most `size`.

    The grid's phase is the median over a pair's first 100 rows, so that later rows move no earlier one.
    """
    own = native[times.pair[1:]]
    off = times.same_pair & (own > 0) & (own <= size)
    off &= np.mod(np.diff(times.micros), np.maximum(own, 1)) != 0
    jittery = np.unique(times.pair[1:][off])
    micros, moved = times.micros.copy(), 0
    for pair in jittery:
        a, b = np.searchsorted(times.pair, [pair, pair + 1])
        grid = int(native[pair])
        shift = np.mod(micros[a:b] - micros[a] + grid // 2, grid) - grid // 2
        phase = int(micros[a]) + int(np.median(shift[:100]))
        snapped = phase + np.round((micros[a:b] - phase) / grid).astype(np.int64) * grid
        moved += int((snapped != micros[a:b]).sum())
        micros[a:b] = snapped
    return micros, moved


def span(micros: int) -> str:
    """A length of time for a sentence: 5 min, 1 h, 2 d."""
    seconds = micros / 1e6
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
