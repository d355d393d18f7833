"""Offered demand per user × application on a regular grid of steps, kept sparse.

The rule: missing is not zero. A series source says nothing where it has no row (missing); an event log that was
recording says zero. Which of the two holds is kept per pair, outages of the log are kept per step, and steps that shed
load without counting it are kept as censored. Cells are stored by pair and step (compressed rows), so that 100,000
sparse pairs fit. Everything here looks backwards only: a sum for step t uses no row after t.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.history.quality import Quality

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Pair = tuple[str, str]

#: Share of a sum that may be filled from the pair's own past mean; above it the sum is missing.
FILLABLE_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class History:
    """Demand per pair and step, and what is known about its gaps.

    Attributes:
        step: length of a step.
        start: start of step 0 (UTC, a multiple of `step` since 1970).
        length: number of steps n.
        pairs: (user, application), sorted; P of them.
        offsets: (P + 1,) where each pair's cells begin.
        position: (cells,) step number of each cell, ascending within a pair.
        requests: (cells,) offered requests in the step (served + rejected, retries once); NaN = said to be missing.
        censored: (cells,) True where load was shed uncounted: demand is at least `requests`.
        zero_absent: (P,) True where a step without a cell means zero (event log), False where it means missing.
        unrecorded: (n,) True where the event log was down: no cell means missing there as well.
        utilisation: measured means per cell, by name (cpu, memory, network_in, network_out); NaN where not measured.
        measurements: a bounded sample of measured events (application_id, program, parameters, cpu_seconds,
            memory_bytes, network_bytes, latency_ms), for the workload model; empty for series.
        quality: what was found and done while reading.
    """

    step: timedelta
    start: datetime
    length: int
    pairs: tuple[Pair, ...]
    offsets: Ints
    position: Ints
    requests: Floats
    censored: Bools
    zero_absent: Bools
    unrecorded: Bools
    utilisation: Mapping[str, Floats] = field(default_factory=dict)
    measurements: pd.DataFrame = field(default_factory=pd.DataFrame)
    quality: Quality = field(default_factory=Quality)

    @property
    def end(self) -> datetime:
        """Start of the first step that is not in the history."""
        return self.start + self.length * self.step

    @property
    def cutoff(self) -> datetime:
        """Start of the last step in the history."""
        return self.end - self.step

    @cached_property
    def index(self) -> pd.DatetimeIndex:
        """(n,) starts of the steps, UTC."""
        return pd.date_range(self.start, periods=self.length, freq=self.step)

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Names of the users, sorted."""
        return tuple(sorted({user for user, _ in self.pairs}))

    @cached_property
    def applications(self) -> tuple[str, ...]:
        """Names of the applications, sorted."""
        return tuple(sorted({application for _, application in self.pairs}))

    @property
    def series(self) -> Mapping[Pair, Floats]:
        """(user, application) → (n,) requests with NaN for missing; each array is built when asked for."""
        return _RowsByPair(self)

    def row(self, pair: int) -> Floats:
        """(n,) offered requests of the pair at this place in `pairs`, NaN where missing."""
        cells = slice(int(self.offsets[pair]), int(self.offsets[pair + 1]))
        row = np.zeros(self.length) if self.zero_absent[pair] else np.full(self.length, np.nan)
        row[self.unrecorded] = np.nan
        row[self.position[cells]] = self.requests[cells]
        return row

    def by_application(self) -> tuple[tuple[str, ...], pd.DatetimeIndex, Floats]:
        """Names (A), step starts (n) and offered requests (A, n), NaN where missing."""
        place = {name: k for k, name in enumerate(self.applications)}
        codes = np.array([place[application] for _, application in self.pairs], dtype=np.int64)
        return self.applications, self.index, self.grouped(codes, len(place))

    def by_user(self) -> tuple[tuple[str, ...], pd.DatetimeIndex, Floats]:
        """Names (U), step starts (n) and offered requests (U, n), NaN where missing."""
        place = {name: k for k, name in enumerate(self.users)}
        codes = np.array([place[user] for user, _ in self.pairs], dtype=np.int64)
        return self.users, self.index, self.grouped(codes, len(place))

    def total(self) -> Floats:
        """(n,) offered requests of everything, NaN where missing."""
        return np.asarray(self.grouped(np.zeros(len(self.pairs), dtype=np.int64), 1)[0])

    def grouped(self, codes: Ints, count: int) -> Floats:
        """(count, n) sums over the pairs of each group; `codes` (P,) is each pair's group, negative = in none.

        A pair that has not begun yet, or is silent for longer than a day, counts as absent (nothing). A pair missing
        for a shorter time is filled with its mean so far while that is at most 5 % of the sum; else the sum is missing.
        """
        n = self.length
        owner = np.repeat(np.arange(len(self.pairs)), np.diff(self.offsets))
        group = codes[owner]
        usable = (group >= 0) & np.isfinite(self.requests)
        flat = group[usable] * n + self.position[usable]
        sums = np.bincount(flat, weights=self.requests[usable], minlength=count * n).reshape(count, n)
        said = np.bincount(flat, minlength=count * n).reshape(count, n) > 0
        logged = np.zeros(count, dtype=bool)
        logged[codes[(codes >= 0) & self.zero_absent]] = True
        lacking = np.zeros((count, n))
        for pair in np.flatnonzero((codes >= 0) & ~self.zero_absent & (np.diff(self.offsets) < n)):
            lacking[codes[pair]] += self._expected_while_missing(int(pair))
        for pair in np.unique(owner[(group >= 0) & ~np.isfinite(self.requests) & self.zero_absent[owner]]):
            lacking[codes[pair]] += self._expected_while_missing(int(pair))
        with np.errstate(invalid="ignore", divide="ignore"):
            fillable = lacking <= FILLABLE_SHARE * (sums + lacking)
        known = (said | logged[:, None]) & fillable & ~(logged[:, None] & self.unrecorded[None, :])
        return np.where(known, sums + lacking, np.nan)

    def _expected_while_missing(self, pair: int) -> Floats:
        """(n,) the pair's mean so far in steps where it is missing and has been for at most a day; 0 elsewhere."""
        row = self.row(pair)
        finite = np.isfinite(row)
        if finite.all() or not finite.any():
            return np.zeros(self.length)
        seen = np.cumsum(finite)
        mean = np.divide(np.cumsum(np.where(finite, row, 0.0)), seen, out=np.zeros(self.length), where=seen > 0)
        last = np.maximum.accumulate(np.where(finite, np.arange(self.length), -1))
        grace = max(3, round(timedelta(days=1) / self.step))
        silent = np.arange(self.length) - last
        return np.where(~finite & (last >= 0) & (silent <= grace), mean, 0.0)

    def censored_by_application(self) -> Bools:
        """(A, n) True where some pair of the application shed load uncounted: its sum is a lower bound."""
        place = {name: k for k, name in enumerate(self.applications)}
        marks = np.zeros((len(place), self.length), dtype=bool)
        owner = np.repeat(np.arange(len(self.pairs)), np.diff(self.offsets))
        for cell in np.flatnonzero(self.censored):
            marks[place[self.pairs[owner[cell]][1]], self.position[cell]] = True
        return marks

    def until(self, cutoff: datetime) -> History:
        """The history as it was known when the step that starts at `cutoff` had ended."""
        keep = int(np.clip((cutoff - self.start) // self.step + 1, 0, self.length))
        return self._between(0, keep)

    def tail(self, steps: int) -> History:
        """The newest `steps` steps."""
        return self._between(max(0, self.length - steps), self.length)

    def select(self, keep: Callable[[str, str], bool]) -> History:
        """The pairs for which `keep(user, application)` holds. The quality is still that of the whole reading."""
        chosen = np.array([keep(user, application) for user, application in self.pairs], dtype=bool)
        sizes = np.diff(self.offsets)
        inside = np.repeat(chosen, sizes)
        return replace(
            self,
            pairs=tuple(pair for pair, wanted in zip(self.pairs, chosen, strict=True) if wanted),
            offsets=np.concatenate(([0], np.cumsum(sizes[chosen]))).astype(np.int64),
            position=self.position[inside],
            requests=self.requests[inside],
            censored=self.censored[inside],
            zero_absent=self.zero_absent[chosen],
            utilisation={name: values[inside] for name, values in self.utilisation.items()},
        )

    def _between(self, first: int, last: int) -> History:
        inside = (self.position >= first) & (self.position < last)
        before = np.concatenate(([0], np.cumsum(inside)))
        return replace(
            self,
            start=self.start + first * self.step,
            length=last - first,
            offsets=before[self.offsets].astype(np.int64),
            position=self.position[inside] - first,
            requests=self.requests[inside],
            censored=self.censored[inside],
            unrecorded=self.unrecorded[first:last],
            utilisation={name: values[inside] for name, values in self.utilisation.items()},
        )

    def without(self, stretches: Iterable[tuple[datetime, datetime]]) -> History:
        """The same history with the steps that begin in [start, end) of a stretch made missing."""
        blank = np.zeros(self.length, dtype=bool)
        for start, end in stretches:
            blank |= (self.index >= pd.Timestamp(start)) & (self.index < pd.Timestamp(end))
        requests = np.where(blank[self.position], np.nan, self.requests)
        return replace(self, requests=requests, unrecorded=self.unrecorded | blank)

    def described(self) -> Quality:
        """The quality summary with the sizes of this history; a pair counts from its first cell on."""
        sizes = np.diff(self.offsets)
        begun = self.length - self.position[self.offsets[:-1][sizes > 0]]
        finite = np.add.reduceat(np.isfinite(self.requests), self.offsets[:-1][sizes > 0]) if len(begun) else begun
        lacking = np.where(self.zero_absent[sizes > 0], int(self.unrecorded.sum()), begun - finite)
        return replace(
            self.quality,
            pairs=len(self.pairs),
            users=len(self.users),
            applications=len(self.applications),
            steps=self.length,
            first=self.start if self.length else None,
            last=self.cutoff if self.length else None,
            missing_share=float(np.clip(lacking.sum() / begun.sum(), 0, 1)) if begun.sum() else 0.0,
        )

    def frame(self) -> pd.DataFrame:
        """Tidy rows (timestamp, user_id, application_id, requests) of all cells, in the order of pairs and steps."""
        owner = np.repeat(np.arange(len(self.pairs)), np.diff(self.offsets))
        users = np.array([user for user, _ in self.pairs], dtype=object)
        applications = np.array([application for _, application in self.pairs], dtype=object)
        return pd.DataFrame(
            {
                "timestamp": self.index[self.position],
                "user_id": users[owner],
                "application_id": applications[owner],
                "requests": self.requests,
            }
        )


class _RowsByPair(Mapping[Pair, Floats]):
    """A history's rows by pair, built on demand."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._place = {pair: k for k, pair in enumerate(history.pairs)}

    def __getitem__(self, pair: Pair) -> Floats:
        return self._history.row(self._place[pair])

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._history.pairs)

    def __len__(self) -> int:
        return len(self._history.pairs)


def aligned(moment: datetime, step: timedelta) -> datetime:
    """Start of the step that contains `moment`: steps begin at multiples of `step` since 1970-01-01 UTC."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((moment.astimezone(UTC) - epoch) // step) * step
