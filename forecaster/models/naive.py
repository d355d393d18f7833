"""Seasonal naive and its slow relatives: the same time last week, yesterday, or the last value; and seasonal means.

They are what the mix falls back to, what short histories get, and the yardstick of every table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.base import Stretch
from forecaster.models.features import seasonal_ewma, shifted, whole_seasons

Floats = NDArray[np.float64]


def _season(stretch: Stretch, wanted: str) -> int:
    """Length of the wanted season ("week", "day", "none"), or the next shorter one that the stretch has."""
    if wanted == "week" and stretch.week:
        return stretch.week
    if wanted != "none" and stretch.day:
        return stretch.day
    return 1


@dataclass(frozen=True, kw_only=True)
class SeasonalNaive:
    """The value one season ago; without the season, the last known value."""

    season: str = "week"

    @property
    def name(self) -> str:
        """`naive-week`, `naive-day` or `naive-none`."""
        return f"naive-{self.season}"

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """See `base.PointModel`."""
        season = _season(stretch, self.season)
        return shifted(stretch.values, whole_seasons(season, h), len(stretch) + h)


@dataclass(frozen=True, kw_only=True)
class SeasonalMean:
    """Mean over earlier seasons at the same phase, newer ones weighing more (`rate` a season)."""

    season: str = "week"
    rate: float = 0.35

    @property
    def name(self) -> str:
        """`mean-week` or `mean-day`."""
        return f"mean-{self.season}"

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """See `base.PointModel`."""
        season = _season(stretch, self.season)
        means = seasonal_ewma(stretch.values, season, self.rate)
        return np.asarray(shifted(means, whole_seasons(season, h), len(stretch) + h))
