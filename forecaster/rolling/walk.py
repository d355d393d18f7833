"""One pool walked step by step: at every step the quantiles that were possible with the data of then.

For each test step t: the forecast made with cutoff t - (1 + lead) steps (one step to see, `lead` to boot), and for hourly
origins the one made 24 hours before. All of it follows from `knots.prequential`, whose row t reads nothing newer
than t - h: changing, blanking or removing later rows changes no earlier forecast, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecaster.series.forecast import SeriesInput, short_history
from forecaster.series.knots import EVERY_ROW, Pipeline, prequential

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AheadForecast:
    """Quantiles at one horizon.

    `rows` (k,) the target steps as row numbers of `y`, ascending (rows ≥ n are steps after the last one); the cutoff of row
    t is t - `h`. `quantiles` (k, levels) requests per step, finite, ≥ 0, non-decreasing. `weights` (experts, levels) of
    `names` after the last known step.
    """

    h: int
    rows: NDArray[np.int64]
    quantiles: Floats
    names: tuple[str, ...]
    weights: Floats


@dataclass(frozen=True, kw_only=True)
class WalkForecast:
    """`near`: 1 + lead steps ahead for every step from `start` on, up to 1 + lead steps after the last row of `y`.

    `day`: 24 hours ahead for the targets of hourly origins from row `start` - (1 + lead) on; None where a day is not
    more than 1 + lead steps.
    """

    levels: tuple[float, ...]
    near: AheadForecast
    day: AheadForecast | None


def walk(
    series: SeriesInput, *, lead: int, start: int, pipeline: Pipeline = EVERY_ROW, far: bool = True
) -> WalkForecast:
    """Walk `series` from row `start` on.

    Rows before `start` are training; constants come from them alone. `far` False leaves out the 24 h forecasts.
    Seconds, not minutes: 8 weeks of 5-minute steps take about as long as one ARIMA fit.
    """
    levels, length = pipeline.levels, series.step_seconds
    stretch = series.stretch(trained=start)
    stretch = replace(stretch, refit=max(1, round(stretch.refit * pipeline.settings.refit_days)))

    def ahead(h: int, first: int, every: int) -> AheadForecast:
        made = prequential(stretch, h, pipeline)
        rows = np.arange(first, len(stretch) + h, every)
        quantiles = made.quantiles[rows]
        for i in np.flatnonzero(~np.isfinite(quantiles).all(axis=1)):
            seen = slice(0, max(rows[i] - h + 1, 0))
            quantiles[i] = short_history(stretch.values[seen][stretch.observed[seen]], 1, levels, None)[0]
        return AheadForecast(h=h, rows=rows, quantiles=quantiles, names=made.names, weights=made.weights)

    day = round(86_400 / length)
    hour = max(1, round(3_600 / length))
    near = 1 + lead
    return WalkForecast(
        levels=levels,
        near=ahead(near, start, 1),
        day=ahead(day, max(start - near, 0) + day, hour) if far and day > near else None,
    )
