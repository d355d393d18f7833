"""The global quantile LSTM: one net for all series, pretrained, warm-started by every update.

A row of a forecast must not come from weights that have seen it, or the mix would trust the net for what it has memorised.
So the weights form a line of stages:

- Each stage says from which moment on it may be used. A forecast with cutoff c uses the newest stage that began at or before c.
- `pretrained()` is stage zero: weights that `benchmarks.forecast.lstm --pretrain` fitted once on the tune split, the same for
  every series.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.errors import ForecastError, ModelStoreError
from forecaster.models.base import Stretch
from forecaster.models.features import read_at
from forecaster.models.lstm_features import Grid, Samples, concatenate, samples
from forecaster.models.lstm_lags import HIGHEST
from forecaster.models.lstm_net import NetSize, Weights, initial_weights, run, train, weight_names, weight_shapes

Floats = NDArray[np.float64]

#: Format of a saved net; another one is refused.
FORMAT = 1
#: A stage with this `since` may speak about all of the past.
ALWAYS = -(2**62)
#: The net is mute until a series has this many steps.
FEWEST = 8
#: A quantile never passes this multiple of the highest demand seen so far.
HEADROOM = 4.0


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a net is trained.

    Attributes:
        draws: origins drawn over all series; the time of training is proportional to it (each has 4 horizons).
        epochs: passes over them.
        batch: origins per step of the optimiser.
        learning_rate: peak of Adam's rate when starting afresh; a warm start takes a quarter of it.
    """

    draws: int = 60_000
    epochs: int = 4
    batch: int = 512
    learning_rate: float = 4e-3


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Weights that may speak for cutoffs ≥ `since` (seconds since 1970)."""

    since: int
    weights: Weights


@dataclass(frozen=True, kw_only=True)
class QuantileLstm:
    """The net with its stages, ascending in `since`; a `base.QuantileModel`. `losses`: of the last training."""

    size: NetSize
    stages: tuple[Stage, ...]
    losses: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """What tables and reasons show."""
        return "lstm"

    def quantiles_ahead(self, stretch: Stretch, h: int, levels: tuple[float, ...]) -> Floats:
        """Quantiles (k, levels) in requests per step of `stretch.asked(h)`: row t from steps ≤ t - h.

        NaN before a stage may speak. The horizons of a forecast from one origin are read from one pass over its past.
        """
        rows, count = stretch.asked(h), len(stretch)
        if count < FEWEST:
            return np.full((len(rows), len(levels)), np.nan)
        together = h in stretch.horizons
        horizons = stretch.horizons if together else (h,)
        # The net is kept beside what it said, so that no other one can get its number.
        _, made = stretch.once(
            ("lstm", id(self)), lambda: (self, self._past(stretch, horizons)), at=0 if together else h
        )
        said = made[rows - h, horizons.index(h)]
        return said if levels == LEVELS else read_at(said, np.asarray(LEVELS), np.asarray(levels))

    def _past(self, stretch: Stretch, horizons: tuple[int, ...]) -> Floats:
        """Quantiles (n + longest, horizons, LEVELS) by origin, NaN where it is not asked; the tail is for negative ones."""
        values = np.where(stretch.observed, stretch.values, np.nan)
        grid = Grid(values=values, start=stretch.start, step=stretch.step)
        origins = np.unique(np.concatenate([stretch.asked(h) - h for h in horizons]))
        origins = origins[origins >= FEWEST - 1]
        out = np.full((len(stretch) + max(horizons), len(horizons), len(LEVELS)), np.nan)
        out[origins] = self.forecast(grid, origins, np.broadcast_to(horizons, (len(origins), len(horizons))))
        return out

    def forecast(self, grid: Grid, origins: NDArray[np.int64], horizons: NDArray[np.int64]) -> Floats:
        """Quantiles (n, k, LEVELS) in requests per step of `origins` (n,) rows and `horizons` (n, k) steps ahead."""
        seen = samples(grid, origins, horizons)
        seconds = grid.start + origins * grid.step
        begins = np.array([stage.since for stage in self.stages])
        which = np.searchsorted(begins, seconds, side="right") - 1
        log = np.full((*horizons.shape, len(LEVELS)), np.nan)
        for number in np.unique(which[which >= 0]):
            rows = np.flatnonzero(which == number)
            log[rows] = run(self.stages[number].weights, seen.take(rows))
        requests = seen.level[:, None, None] * np.expm1(np.minimum(log, HIGHEST))
        highest = np.fmax.accumulate(np.nan_to_num(grid.values))[origins][:, None, None]
        return np.asarray(np.clip(requests, 0.0, HEADROOM * highest))

    def updated(
        self, grids: Sequence[Grid], *, since: int, rng: np.random.Generator, training: Training | None = None
    ) -> QuantileLstm:
        """A net with one more stage: trained on `grids` from the newest weights on, speaking for cutoffs ≥ `since`.

        Only the steps before `since` are learned from. Raises ForecastError where keras is missing, nothing can be
        learned, or `since` is not after the newest stage.
        """
        if self.stages and since <= self.stages[-1].since:
            raise ForecastError("the LSTM is already trained up to that time; update it with newer rows")
        how = training or Training()
        warm = bool(self.stages)
        start = self.stages[-1].weights if warm else initial_weights(self.size, rng)
        drawn = draw([_until(grid, since) for grid in grids], how.draws, rng)
        weights, losses = train(
            drawn,
            start,
            self.size,
            epochs=how.epochs,
            batch=how.batch,
            learning_rate=how.learning_rate * (0.25 if warm else 1.0),
            rng=rng,
        )
        return replace(self, stages=(*self.stages, Stage(since=since, weights=weights)), losses=losses)


def untrained(size: NetSize | None = None) -> QuantileLstm:
    """A net without a stage: mute until it is updated."""
    return QuantileLstm(size=size or NetSize(), stages=())


@cache
def pretrained() -> QuantileLstm:
    """The net that ships with the package: weights from `benchmarks.forecast.lstm --pretrain`, free to speak for any moment."""
    return parse(files("forecaster.models").joinpath("lstm_weights.npz").read_bytes(), source="lstm_weights.npz")


def fitted(
    grids: Sequence[Grid],
    *,
    rng: np.random.Generator,
    start: QuantileLstm | None = None,
    training: Training | None = None,
    cuts: tuple[float, ...] = (0.6, 1.0),
) -> QuantileLstm:
    """`start` (default: `pretrained()`) trained on a panel in stages at the given shares of its span.

    Each stage is warm-started from the one before and speaks only about what came after its cut, so that the mix and
    the calibration see honest forecasts of the last part of the history. `training.draws` is split over the stages.
    """
    net = start or pretrained()
    how = training or Training()
    first = min(grid.start for grid in grids)
    last = max(grid.start + len(grid.values) * grid.step for grid in grids)
    for cut in cuts:
        net = net.updated(
            grids,
            since=first + round(cut * (last - first)),
            rng=rng,
            training=replace(how, draws=max(1, how.draws // len(cuts))),
        )
    return net


def draw(grids: Sequence[Grid], count: int, rng: np.random.Generator) -> Samples:
    """About `count` origins, shared evenly by the series, each with 4 horizons: 2 steps, a day, two in between.

    The two are drawn log-uniformly from one step to a day. Raises ForecastError when no series has enough steps.
    """
    usable = [grid for grid in grids if len(grid.values) >= FEWEST + 2]
    if not usable:
        raise ForecastError(
            f"the LSTM can't be trained: no series has {FEWEST + 2} steps; add history or leave the LSTM out of the model set"
        )
    # With more series than draws, some are left out rather than the budget passed.
    chosen = rng.permutation(len(usable))[:count]
    each = max(1, count // len(chosen))
    parts = []
    for number in np.sort(chosen):
        grid = usable[number]
        possible = np.arange(FEWEST - 1, len(grid.values) - 2)
        origins = np.sort(rng.choice(possible, min(each, len(possible)), replace=False))
        between = np.exp(rng.uniform(0.0, np.log(max(grid.day, 2)), (len(origins), 2))).astype(np.int64)
        fixed = np.broadcast_to(np.array([2, grid.day]), (len(origins), 2))
        parts.append(samples(grid, origins, np.concatenate([fixed, between], axis=1)))
    return concatenate(parts)


def dump(net: QuantileLstm) -> bytes:
    """The net as an npz file (format, size, stages; no pickle): equal nets give equal bytes."""
    arrays: dict[str, NDArray[np.generic]] = {
        "format": np.array([FORMAT]),
        "size": np.array([net.size.lstm_units, net.size.hidden_units]),
        "since": np.array([stage.since for stage in net.stages], dtype=np.int64),
        "losses": np.array(net.losses, dtype=float),
    }
    for number, stage in enumerate(net.stages):
        arrays |= {f"{number}.{name}": stage.weights[name] for name in weight_names()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def parse(content: bytes, *, source: str = "the saved LSTM") -> QuantileLstm:
    """What `dump` wrote. Raises ModelStoreError for a cut-short file, another format or arrays of another shape."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as saved:
            arrays = {name: np.asarray(saved[name]) for name in saved.files}
        number = int(arrays["format"][0])
        if number != FORMAT:
            raise ModelStoreError(f"{source} has format {number}, this version reads {FORMAT}; train it again")
        size = NetSize(lstm_units=int(arrays["size"][0]), hidden_units=int(arrays["size"][1]))
        stages = []
        for k, since in enumerate(arrays["since"]):
            weights = {name: arrays[f"{k}.{name}"] for name in weight_names()}
            if any(weights[name].shape != shape for name, shape in weight_shapes(size).items()):
                raise ModelStoreError(f"{source} holds a net of another layout; train it again")
            stages.append(Stage(since=int(since), weights=weights))
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, IndexError, OSError) as error:
        raise ModelStoreError(f"{source} is incomplete or damaged; remove it and train again") from error
    return QuantileLstm(size=size, stages=tuple(stages), losses=tuple(float(x) for x in arrays["losses"]))


def _until(grid: Grid, moment: int) -> Grid:
    """The steps that had ended by `moment`."""
    return replace(grid, values=grid.values[: max(0, (moment - grid.start) // grid.step)])
