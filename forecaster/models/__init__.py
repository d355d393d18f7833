"""The models. A new one is one file beside this and one line in MODELS.

`Expert` pairs a model with the scale it works in; the mix weighs experts, not models.
"""

from __future__ import annotations

from dataclasses import dataclass

from forecaster.models.arima import HarmonicArima
from forecaster.models.base import PointModel
from forecaster.models.direct import Direct
from forecaster.models.ets import ExponentialSmoothing
from forecaster.models.naive import SeasonalMean, SeasonalNaive


@dataclass(frozen=True, kw_only=True)
class Expert:
    """A model in a scale: `power` 1 linear, 0.5 square root, 0 logarithm."""

    model: PointModel
    power: float = 1.0

    @property
    def name(self) -> str:
        """Model and scale, `direct·sqrt`."""
        return f"{self.model.name}·{ {1.0: 'lin', 0.5: 'sqrt', 0.0: 'log'}.get(self.power, self.power) }"


#: The mix of a forecast, in the order of the tables.
MODELS: tuple[Expert, ...] = (
    Expert(model=SeasonalNaive(season="week")),
    Expert(model=SeasonalNaive(season="day")),
    Expert(model=SeasonalNaive(season="none"), power=0.5),
    Expert(model=SeasonalMean(season="week"), power=0.5),
    Expert(model=SeasonalMean(season="day"), power=0.5),
    Expert(model=HarmonicArima(refits=2), power=0.5),
    Expert(model=ExponentialSmoothing(), power=0.5),
    Expert(model=Direct(), power=0.5),
    Expert(model=Direct(penalty=30.0, label="direct-calm"), power=0.5),
    Expert(model=Direct(penalty=30.0, profile="day", label="direct-day"), power=0.0),
    Expert(model=Direct(penalty=10.0, profile="none", label="direct-none"), power=0.5),
)
