"""What a history says at a time: its groups, their joint forecast, the load now, and whether to trust it. Pure.

The one step that a plan and the replay share before anything is sized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from forecaster.demand import DemandForecast
from forecaster.history.history import History
from reconciler.demand.classes import load_now
from reconciler.demand.data_fitness import fitness
from reconciler.demand.forecaster_settings import forecast_grouping
from reconciler.demand.grouping import Grouping, group
from reconciler.fleet.file import Fleet


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """`load_now` requests/s per class in the last step known; `notes` on the data; `demoted`: nothing shrinks on it."""

    forecast: DemandForecast
    grouping: Grouping
    load_now: Mapping[str, float]
    notes: tuple[str, ...]
    demoted: bool


def outlook(fleet: Fleet, history: History, *, at: datetime, seed: int = 0) -> Outlook:
    """Group, forecast and judge a history that ends at or before `at`.

    Raises:
        InputError: no rule of the fleet fits a pair.
    """
    grouping = group(history, fleet, keep=fleet.history.series)
    forecast = forecast_grouping(history, grouping.names, grouping.qos, grouping.codes.tolist(), fleet, seed=seed)
    notes, demoted = fitness(fleet, history, forecast, as_of=at)
    return Outlook(
        forecast=forecast,
        grouping=grouping,
        load_now=load_now(history, grouping, fleet),
        notes=notes,
        demoted=demoted,
    )
