"""What a model is: one method that says, for every step of a series, what it would have forecast h steps before.

From those prequential forecasts everything else follows without asking the model again: its residuals calibrate its
intervals (`series.conformal`), its past losses weigh it in the mix (`series.mixing`), its last rows are the forecast. A new
model is one file with a class like the ones here, and one line in `forecaster.models.MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import causal_fill, without_spikes

Floats = NDArray[np.float64]
Made = TypeVar("Made")
#: Past rows that weights and intervals are learned from where a forecast is made from one origin: near, and far ahead.
NEAR_ROWS, FAR_ROWS = 2000, 600
EPOCH_MONDAY = 4 * 86_400  # 1970-01-05, the first Monday of Unix time, in seconds


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One regular series as the models see it.

    Attributes:
        values: (n,) demand per step in the scale the model works in; gaps are filled causally.
        observed: (n,) True where the source had a value; only these count in fits and scores.
        start: seconds since 1970-01-01 UTC of the first step.
        step: seconds per step.
        day, week: season lengths in steps; 0 where the series has no such season or too little history for it.
        trained: rows before it are training; constants (scale, transform) may be taken from them and from no others.
        refit: steps between refits; a refit at row r reads rows < r only.
        known: (≥ n + longest horizon, k) covariates known in advance (holidays, events), or None.
        horizons: the horizons that a forecast from the last row will ask for. Its past is only there to weigh and to
            calibrate, so not every row is asked (`asked`). Empty: every row is, at any horizon.
        memo: what models made of this stretch and may use again (`once`).
    """

    values: Floats
    observed: NDArray[np.bool_]
    start: int
    step: int
    day: int
    week: int
    trained: int
    refit: int
    known: Floats | None = None
    horizons: tuple[int, ...] = ()
    memo: dict[Any, tuple[int, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def phase(self) -> int:
        """Steps from Monday 00:00 UTC to the first step, modulo a week."""
        return round(((self.start - EPOCH_MONDAY) % (7 * 86_400)) / self.step)

    def stride(self, h: int) -> int:
        """Steps between the past rows that are asked at horizon h: a divisor of the day.

        Errors h steps ahead overlap, so far ahead a row in each eighth of the horizon says nearly as much as all.
        """
        if not self.horizons:
            return 1
        n, day = len(self), self.day or 1
        near = near_stride(n, self.day)
        most = max(near, min(h // 8, n // FAR_ROWS))
        return max(d for d in range(near, most + 1, near) if day % d == 0)

    def asked(self, h: int) -> NDArray[np.int64]:
        """Rows (k,) ascending that a forecast h steps ahead is wanted for: past ones and all h after the last."""
        n, stride = len(self), self.stride(h)
        # Counted back from the last origin, so that all horizons are asked from the same ones.
        past = np.arange((n - 1 + h) % stride, n, stride)
        return np.concatenate([past, np.arange(n, n + h)])

    def once(self, key: Any, make: Callable[[], Made], *, at: int = 0) -> Made:
        """What `make()` gave for `key`; with `at` (a horizon) only the newest horizon's is kept."""
        found = self.memo.get(key)
        if found is None or found[0] != at:
            found = (at, make())
            self.memo[key] = found
        made: Made = found[1]
        return made

    def scaled(self, values: Floats) -> Stretch:
        """The same stretch in another scale of values."""
        return replace(self, values=values)


class PointModel(Protocol):
    """A model of one series.

    `ahead(stretch, h)` returns (n + h,): element t is the forecast of step t that was made from steps ≤ t - h and from
    nothing else, NaN where it could not say or was not asked (`Stretch.asked`). A model may fit as often as it likes, as
    long as that holds. `name` is what tables and reasons show.
    """

    @property
    def name(self) -> str:
        """What tables and reasons show."""
        ...

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """Forecasts (n + h,) in the stretch's own scale."""
        ...


class QuantileModel(Protocol):
    """A model that gives quantiles itself, in requests, of the rows that are asked; same rule of causality."""

    @property
    def name(self) -> str:
        """What tables and reasons show."""
        ...

    def quantiles_ahead(self, stretch: Stretch, h: int, levels: tuple[float, ...]) -> Floats:
        """Quantiles (k, levels) in requests per step of `stretch.asked(h)`, NaN rows where mute."""
        ...


def seconds_of(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """datetime64 of any unit (UTC) as seconds since 1970."""
    return times.astype("datetime64[s]").astype(np.int64)


def near_stride(n: int, day: int) -> int:
    """Steps between the past rows that are asked at near horizons, of n rows with `day` steps in a day (0: no day)."""
    return max(d for d in range(1, max(1, n // NEAR_ROWS) + 1) if (day or 1) % d == 0)


def stretch_of(
    y: Floats,
    *,
    start: int,
    step: int,
    seasons: tuple[int, ...],
    trained: int,
    refit: int | None = None,
    known: Floats | None = None,
) -> Stretch:
    """A stretch in requests from raw values (n,) with NaN where unknown; negative values count as unknown, spikes are cut.

    `seasons` ascending in steps (day, week): a day counts once the training holds two, a week once it holds one and a day.
    """
    values = np.asarray(y, dtype=float)
    observed = np.isfinite(values) & (values >= 0)
    day = seasons[0] if seasons and seasons[0] >= 2 and 2 * seasons[0] <= trained else 0
    # A week is of use to the naive models once it has been seen and there is a day to check them on.
    week = seasons[1] if day and len(seasons) > 1 and seasons[1] + day <= trained else 0
    filled = causal_fill(without_spikes(np.where(observed, values, np.nan)), seasons[:1])
    every = refit or max(1, day or len(values) // 20 or 1)
    return Stretch(
        values=filled,
        observed=observed,
        start=start,
        step=step,
        day=day,
        week=week,
        trained=trained,
        refit=every,
        known=known,
    )
