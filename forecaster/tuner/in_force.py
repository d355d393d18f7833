"""One series through the pipeline under the settings in force, which may differ between near and far horizons.

The rule: as long as all horizons use the same settings the pipeline is asked once; else once for the steps up to half a
day and once for those beyond, and the answers are put together.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.models import MODELS
from forecaster.models.base import near_stride
from forecaster.models.features import seasons_of
from forecaster.models.lstm import QuantileLstm
from forecaster.series.forecast import SeriesForecast, SeriesInput, forecast_series, most_rows
from forecaster.series.knots import STRIDES, Pipeline, Prequential, knots
from forecaster.series.tail import DECLARED, TailShape
from forecaster.tuner import DEFAULT, Choice, PipelineSettings, Refit, Tuner, distance, refined

Floats = NDArray[np.float64]
#: What is in force at which distance; a distance that is not named has the default settings.
Choices = tuple[tuple[str, Choice], ...]


@dataclass(frozen=True, kw_only=True)
class Laid:
    """A series as the pipeline is asked about it.

    Attributes:
        name: seeds what is explored; `seed` of all random numbers.
        values: (n,) requests per step, NaN where unknown, at `times` (n,), `step` apart.
        horizon: steps to forecast.
        covariates: (n + horizon, k) known in advance, or None.
        prior: (levels,) quantiles for too short a history.
        net: the global net, None to do without.
        experts: names of the experts to ask (the net included); empty: all.
        tail: the shape that far tails are shrunk to.
    """

    name: str
    seed: int
    values: Floats
    times: NDArray[np.datetime64]
    step: timedelta
    horizon: int
    covariates: Floats | None
    prior: Floats | None
    net: QuantileLstm | None
    experts: tuple[str, ...] = ()
    tail: TailShape = DECLARED

    @property
    def step_seconds(self) -> int:
        """Seconds per step."""
        return round(self.step.total_seconds())

    @property
    def input(self) -> SeriesInput:
        """Values, times and what is known in advance, for the pipeline."""
        return SeriesInput(values=self.values, times=self.times, step=self.step, covariates=self.covariates)

    @property
    def origin_stride(self) -> int:
        """Steps between the origins whose errors tie series together: equal for all series of one history, whatever
        window of it their settings read."""
        seasons = seasons_of(self.step_seconds)
        n = min(len(self.values), most_rows(seasons))
        day = seasons[0] if seasons and 2 * seasons[0] <= n else 0
        return near_stride(n, day)

    def parts(self) -> dict[str, tuple[int, ...]]:
        """Modelled horizons by distance, ascending; a distance beyond the horizon is left out."""
        out: dict[str, tuple[int, ...]] = {}
        for h in knots(self.horizon) if self.horizon else ():
            out.setdefault(distance(h, self.step_seconds), ())
            out[distance(h, self.step_seconds)] += (h,)
        return out


def forecast(laid: Laid, choices: Choices) -> SeriesForecast:
    """The pipeline's forecast under the settings in force."""
    in_force = dict(choices)
    parts = laid.parts()
    settings = {part: in_force.get(part, Choice()).settings for part in parts}
    if len(set(settings.values())) <= 1:
        return _under(laid, next(iter(settings.values()), DEFAULT))
    near, far = (_under(laid, settings[part], parts[part]) for part in parts)
    return _joined(near, far)


def chosen(laid: Laid, made: SeriesForecast, choices: Choices, tuner: Tuner, *, new_rows: int) -> Choices:
    """What is to be in force from now on.

    `made` is the forecast under the default settings, `choices` what was in force for the last `new_rows` rows.
    """
    if not made.history:
        return choices
    past = {one.h: one for one in made.history}
    # The rows that the pipeline read: it leaves very old ones out.
    values = laid.values[-(len(made.history[0].quantiles) - made.history[0].h) :]
    stretch = replace(laid.input.newest(len(values)), covariates=None).stretch(trained=len(values))
    end = stretch.start + len(values) * stretch.step
    in_force, day = dict(choices), round(86_400 / stretch.step)
    for part, horizons in laid.parts().items():
        # The agent learned two steps and a day ahead: the horizon nearest to that speaks for all of its distance.
        h = min(horizons, key=lambda k: abs(k - (2 if part == "near" else day)))
        rng = np.random.default_rng([laid.seed, zlib.crc32(f"{laid.name}@{part}".encode()), end])

        def run(settings: PipelineSettings, h: int = h) -> Prequential:
            made = _under(laid, settings, (h,)).history
            return made[0] if made else replace(past[h], quantiles=np.full_like(past[h].quantiles, np.nan))

        def net(h: int = h) -> Mapping[str, Floats]:
            return {} if laid.net is None else {laid.net.name: laid.net.quantiles_ahead(stretch, h, LEVELS)}

        refit = Refit(
            series=laid.name,
            stretch=stretch,
            default=past[h],
            run=run,
            net=net,
            new_rows=new_rows,
            asked=replace(stretch, horizons=(h,)).asked(h),
        )
        in_force[part] = refined(tuner, in_force.get(part, Choice()), refit, rng=rng)
    return tuple(sorted(in_force.items()))


def _under(laid: Laid, settings: PipelineSettings, horizons: Sequence[int] | None = None) -> SeriesForecast:
    """The forecast under one set of settings: up to the last of `horizons`, modelled there; None: all."""
    read = settings.newest(laid.values, laid.step_seconds)
    return forecast_series(
        laid.input.newest(len(read)),
        horizon=laid.horizon if horizons is None else horizons[-1],
        n_paths=1,
        rng=np.random.default_rng(laid.seed),
        prior=laid.prior,
        horizons=horizons,
        pipeline=_pipeline(laid, settings),
    )


def _pipeline(laid: Laid, settings: PipelineSettings) -> Pipeline:
    """The pipeline under `settings` with those parts of its model set that are to be asked.

    All of the set where none of them is; all there are where the set is empty (a net alone, without a net).
    """
    nets = () if laid.net is None else (laid.net,)
    asked = tuple(e for e in MODELS if not laid.experts or e.name in laid.experts)
    wanted = tuple(n for n in nets if not laid.experts or n.name in laid.experts)
    base = replace(STRIDES, tail=laid.tail)
    for found in (
        settings.pipeline(wanted, experts=asked, base=base),
        settings.pipeline(nets, base=base),
    ):
        if found.experts or found.quantile_models:
            return found
    return replace(settings, model_set="all").pipeline(nets, base=base)


def _joined(near: SeriesForecast, far: SeriesForecast) -> SeriesForecast:
    """The near steps of one forecast and the later ones of another."""
    count = len(near.quantiles)
    return SeriesForecast(
        quantiles=np.concatenate((near.quantiles, far.quantiles[count:])),
        paths=np.concatenate((near.paths, far.paths[:, count:]), axis=1),
        model=near.model if near.model == far.model else f"{near.model}, later {far.model}",
        reason=near.reason if near.reason == far.reason else f"{near.reason}; after {count} steps {far.reason}",
        calibrated=near.calibrated and far.calibrated,
        history=(*near.history, *far.history),
    )
