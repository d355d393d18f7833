"""One series at one horizon: the quantiles that would have been forecast for every past step, and for those ahead.

The order of things: scale, models' prequential forecasts, their own calibrated quantiles (`conformal.dress`), a mix per
quantile (`mixing`), recalibration of the mix. A forecast of many steps does this at a few horizons, the knots.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.models import MODELS, Expert
from forecaster.models.base import QuantileModel, Stretch
from forecaster.series.ceiling import ceiling
from forecaster.series.conformal import dress, recalibrate
from forecaster.series.mixing import aggregate
from forecaster.series.scale import PowerScale, unit_of
from forecaster.series.tail import DECLARED, TailShape

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SeriesSettings:
    """What the tuner may move; the defaults were chosen on the tune split (docs/models.md).

    `forget_days` half-life of the mixing regrets; `blocks_per_day` how often weights and levels move; `rate` of the
    recalibration per step; `smooth` share of the regrets that is common to all levels; `refit_days` between refits.
    `tail` is not moved: the shape that far tails are shrunk to, read off the panel.
    """

    forget_days: float = 14.0
    blocks_per_day: int = 24
    rate: float = 0.005
    smooth: float = 0.3
    refit_days: float = 1.0
    tail: TailShape = DECLARED


#: For a forecast from one origin: its past is only there to weigh and calibrate, so it is walked in larger strides.
STRIDES = SeriesSettings(refit_days=5.0, blocks_per_day=1)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What makes a forecast: `experts` and `quantile_models` of the mix, its `settings`, and the quantile `levels`."""

    experts: tuple[Expert, ...] = MODELS
    quantile_models: tuple[QuantileModel, ...] = ()
    settings: SeriesSettings = SeriesSettings()
    levels: tuple[float, ...] = LEVELS


#: For forecasts from every row, one after another, and for a forecast from one origin.
EVERY_ROW, ONE_ORIGIN = Pipeline(), Pipeline(settings=STRIDES)


@dataclass(frozen=True, kw_only=True)
class Prequential:
    """Quantiles (n + h, levels) in requests that would have been forecast h steps before; `weights` of the experts.

    Every `stride`-th past row was asked, counted back from the last origin; those between hold the one before them.
    """

    h: int
    stride: int
    quantiles: Floats
    names: tuple[str, ...]
    weights: Floats


def prequential(stretch: Stretch, h: int, pipeline: Pipeline = EVERY_ROW) -> Prequential:
    """The mixed, recalibrated quantiles of every step of `stretch` (in requests) and of the h after it.

    Row t reads steps ≤ t - h only. Rows are NaN where no model could speak yet.
    """
    chosen, levels = pipeline.settings, pipeline.levels
    grid, rows, stride = np.asarray(levels), stretch.asked(h), stretch.stride(h)
    parts = []
    for expert in pipeline.experts:
        scale, here = stretch.once(("scale", expert.power), partial(scaled, stretch, expert.power))
        quantiles = dress(expert.model.ahead(here, h), here, h, grid, chosen.tail.shape)
        parts.append(scale.backward(quantiles))
    parts += [model.quantiles_ahead(stretch, h, levels) for model in pipeline.quantile_models]
    names = tuple(e.name for e in pipeline.experts) + tuple(m.name for m in pipeline.quantile_models)
    day = stretch.day or 24
    block = max(1, day // chosen.blocks_per_day)
    forget = 0.5 ** (stride / (chosen.forget_days * day))
    mix = aggregate(np.stack(parts), stretch, h, grid, block=block, forget=forget, smooth=chosen.smooth)
    # Hits h steps ahead overlap: a rate that suits two steps would swing at a day, so it falls with the horizon.
    rate = min(chosen.rate, 0.02 * stride / h)
    steady = recalibrate(mix.quantiles, stretch, h, grid, rate=rate, block=block)
    bounded = np.minimum(np.sort(steady, axis=1), ceiling(stretch, h)[rows, None])
    quantiles = _held(np.maximum(bounded, 0.0), rows, len(stretch) + h)
    return Prequential(h=h, stride=stride, quantiles=quantiles, names=names, weights=mix.weights)


def scaled(stretch: Stretch, power: float) -> tuple[PowerScale, Stretch]:
    """The scale of a power and the stretch in it."""
    unit = unit_of(stretch.values[: stretch.trained][stretch.observed[: stretch.trained]])
    scale = PowerScale(power=power, unit=unit)
    return scale, stretch.scaled(scale.forward(stretch.values))


def _held(quantiles: Floats, rows: NDArray[np.int64], m: int) -> Floats:
    """Quantiles (m, levels) of all rows from those of the asked `rows`: each holds until the next, before the first unknown.

    Only past rows lie in between; they serve ranks of errors and no forecast. Drawing a line to the next asked row
    would let them read values up to it, which are newer than a forecast made h steps before them may know.
    """
    if len(rows) == m:
        return quantiles
    held = np.searchsorted(rows, np.arange(rows[0], m), side="right") - 1
    return np.concatenate([np.full((int(rows[0]), quantiles.shape[1]), np.nan), quantiles[held]])


def knots(horizon: int) -> tuple[int, ...]:
    """Horizons that are modelled for a forecast of `horizon` steps: dense at first, then half as far again."""
    out = [1]
    while out[-1] < horizon:
        out.append(min(horizon, max(out[-1] + 1, round(out[-1] * 1.5))))
    return tuple(out)
