"""Our contenders on one trace: the mix without and with the LSTM, each model alone, and the mix without each.

Every model's quantiles are computed once per horizon and handed to `prequential` as they stand, so the mixes differ in
who takes part and in nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Trace
from benchmarks.forecast.measures import GRID
from benchmarks.forecast.peers import Rolled, Targets
from benchmarks.memory import peak_above
from forecaster.demand import LEVELS
from forecaster.models import MODELS
from forecaster.models.base import QuantileModel, Stretch, seconds_of, stretch_of
from forecaster.models.features import seasons_of
from forecaster.series.conformal import dress
from forecaster.series.forecast import short_history
from forecaster.series.knots import Pipeline, prequential, scaled

Floats = NDArray[np.float64]
PLAIN, SHIPPED = "ours without LSTM", "ours"
#: Columns of the forecaster's levels that the measures read.
COLUMNS = [LEVELS.index(level) for level in GRID]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A model whose quantiles (n + h, levels) are known already."""

    name: str
    quantiles: Floats

    def quantiles_ahead(self, stretch: Stretch, h: int, levels: tuple[float, ...]) -> Floats:  # noqa: ARG002
        """The quantiles as given."""
        return self.quantiles


def stretch_from(trace: Trace, last: int | None = None) -> Stretch:
    """The trace as the models see it, up to row `last`."""
    step = round(trace.step.total_seconds())
    start = int(seconds_of(trace.index.tz_localize(None).to_numpy()[:1])[0])
    return stretch_of(trace.values[:last], start=start, step=step, seasons=seasons_of(step), trained=trace.cut)


def parts_of(stretch: Stretch, h: int, net: QuantileModel | None) -> dict[str, Floats]:
    """Calibrated quantiles (n + h, levels) in requests of every model alone, as `prequential` would make them."""
    made = {}
    for expert in MODELS:
        scale, here = scaled(stretch, expert.power)
        made[expert.name] = scale.backward(dress(expert.model.ahead(here, h), here, h, np.asarray(LEVELS)))
    if net is not None:
        made[net.name] = net.quantiles_ahead(stretch, h, LEVELS)
    return made


def mixed(stretch: Stretch, h: int, parts: Mapping[str, Floats]) -> Floats:
    """The recalibrated mix (n + h, levels) of the parts."""
    given = tuple(Given(name=name, quantiles=quantiles) for name, quantiles in parts.items())
    return prequential(stretch, h, Pipeline(experts=(), quantile_models=given)).quantiles


def spoken(stretch: Stretch, quantiles: Floats, rows: NDArray[np.int64], h: int) -> Floats:
    """Quantiles (rows, GRID); where a model is mute what the forecaster says of a short history."""
    out = np.sort(quantiles[rows], axis=1)
    for i in np.flatnonzero(~np.isfinite(out).all(axis=1)):
        seen = slice(0, max(rows[i] - h + 1, 0))
        out[i] = short_history(stretch.values[seen][stretch.observed[seen]], 1, LEVELS, None)[0]
    return np.asarray(out[:, COLUMNS])


def contenders(
    trace: Trace, targets: Targets, net: QuantileModel | None, *, ablate: bool
) -> tuple[dict[str, Rolled], dict[str, Rolled]]:
    """Ours by name, and the ablation (`NAME alone`, `mix without NAME`); joint paths are not part of it.

    Times are those of the whole mix: `fit` a first forecast from the training, `update` what the whole walk costs on top
    of it, per step of the test.
    """
    stretch = stretch_from(trace)
    fits = {name: _fit_seconds(trace, targets.h, model) for name, model in ((PLAIN, None), (SHIPPED, net))}
    made: dict[str, dict[int, Floats]] = {}
    spent = dict.fromkeys((PLAIN, SHIPPED), 0.0)
    extra: dict[str, dict[int, Floats]] = {}
    with peak_above() as memory:
        for h, rows in ((targets.h, targets.near), (trace.day, targets.day)):
            begun = time.perf_counter()
            parts = parts_of(stretch, h, None)
            middle = time.perf_counter()
            whole = parts if net is None else parts | {net.name: net.quantiles_ahead(stretch, h, LEVELS)}
            netted = time.perf_counter() - middle
            mixes = {PLAIN: parts, SHIPPED: whole} if net is not None else {PLAIN: parts}
            for name, chosen in mixes.items():
                begun_mix = time.perf_counter()
                made.setdefault(name, {})[h] = spoken(stretch, mixed(stretch, h, chosen), rows, h)
                if h == targets.h:
                    own = middle - begun + (netted if name == SHIPPED else 0.0)
                    spent[name] = own + time.perf_counter() - begun_mix
            if ablate:
                for one, quantiles in whole.items():
                    rest = {name: q for name, q in whole.items() if name != one}
                    extra.setdefault(f"{one} alone", {})[h] = spoken(stretch, quantiles, rows, h)
                    extra.setdefault(f"mix without {one}", {})[h] = spoken(stretch, mixed(stretch, h, rest), rows, h)
    steps = max(1, len(trace.values) - trace.cut)
    empty = np.empty((0, targets.steps, len(GRID)))

    def entry(found: Mapping[int, Floats], name: str) -> Rolled:
        fit = fits.get(name, float("nan"))
        update = max(0.0, spent.get(name, float("nan")) - fit) / steps
        near, day = found[targets.h], found[trace.day]
        return Rolled(near=near, day=day, joint=empty, fit=fit, update=update, memory=memory())

    ours = {name: entry(found, name) for name, found in made.items()}
    return ours, {name: entry(found, name) for name, found in extra.items()}


def _fit_seconds(trace: Trace, h: int, net: QuantileModel | None) -> float:
    """Seconds for one forecast h steps ahead from the training alone, with the walk's settings."""
    training = replace(stretch_from(trace, trace.cut), trained=trace.cut)
    begun = time.perf_counter()
    prequential(training, h, Pipeline(quantile_models=() if net is None else (net,)))
    return time.perf_counter() - begun
