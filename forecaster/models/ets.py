"""Exponential smoothing: a level that follows the newest values, a damped trend, and seasonal indices for day or week.

Additive errors and season in the model's scale (in the logarithm: multiplicative). The smoothing of the level is chosen by
the series' own past h-step errors from a small grid at each refit, the season's rate is fixed: with several hundred
seasonal states a likelihood fit mostly spends time. `statsmodels` fits the trend case for a single series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.features import ewma, seasonal_ewma, shifted, whole_seasons
from forecaster.models.base import Stretch
from forecaster.models.direct import bounded

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SeasonalLevel:
    """Seasonal indices (newer seasons weigh `rate`) plus a level that moves by `follow` of each error.

    `follow` < 0 is a time constant in days instead: -0.3 averages about a third of a day. `season` as in `naive`.
    """

    season: str = "week"
    rate: float = 0.35
    follow: float = 0.3

    @property
    def name(self) -> str:
        """`level-week-0.3`."""
        return f"level-{self.season}-{self.follow:g}"

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """See `base.Model`."""
        day = stretch.day or max(1, round(86_400 / stretch.step))
        season = stretch.week if self.season == "week" and stretch.week else stretch.day or 1
        if self.season == "none":
            season = 1
        m = len(stretch) + h
        follow = self.follow if self.follow > 0 else min(1.0, 1.0 / max(1.0, -self.follow * day))
        if season == 1:
            return np.asarray(shifted(ewma(stretch.values, follow), h, m))
        index = seasonal_ewma(stretch.values, season, self.rate)
        off = stretch.values - shifted(index, season, m)[: len(stretch)]
        level = ewma(np.where(np.isfinite(off), off, 0.0), follow)
        return bounded(shifted(index, whole_seasons(season, h), m) + shifted(level, h, m), stretch.values, h)
