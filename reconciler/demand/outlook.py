"""The outlook at a time: groups of the history, their joint forecast, the current load and the quality of the data. Pure.

Plan and replay share this step before they size anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from forecaster.demand import DemandForecast
from forecaster.history.history import History
from reconciler.demand.classes import load_now
from reconciler.demand.data_fitness import fitness
from reconciler.demand.grouping import Grouping
from reconciler.demand.lost_data import NOTHING_LOST, LastHeard, LostData, lost_data, lost_notes
from reconciler.demand.trained import UNTRAINED, Trained, forecast_of
from reconciler.fleet.file import Fleet


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a history tells about demand.

    Attributes:
        load_now: requests/s per class in the last known step.
        notes: sentences about the data.
        demoted: the history is too old, so nothing is scaled down.
        blocking: QoS class → why no tier that serves it is scaled down.
        lost: classes and applications without current data.
        forecast_note: which model made the forecast.
    """

    forecast: DemandForecast
    grouping: Grouping
    load_now: Mapping[str, float]
    notes: tuple[str, ...]
    demoted: bool
    blocking: Mapping[str, str] = field(default_factory=dict)
    lost: LostData = NOTHING_LOST
    forecast_note: str = ""


def outlook(
    fleet: Fleet,
    history: History,
    *,
    at: datetime,
    seed: int = 0,
    before: Sequence[LastHeard] = (),
    trained: Trained = UNTRAINED,
) -> Outlook:
    """Group, forecast and judge a history that ends at or before `at`.

    Args:
        before: last data that the last run kept.
        trained: the kept model.

    Raises:
        InputError: no rule of the fleet file matches a pair.
    """
    made = forecast_of(fleet, history, trained, seed=seed)
    forecast, grouping = made.forecast, made.grouping
    fit = fitness(fleet, history, forecast, grouping, as_of=at)
    lost = lost_data(fleet, history, before, as_of=at)
    return Outlook(
        forecast=forecast,
        grouping=grouping,
        load_now=load_now(history, grouping, fleet),
        notes=(*fit.notes, *lost_notes(fleet, lost)),
        demoted=fit.stale,
        blocking={
            name: lost.blocking.get(name) or fit.uncalibrated[name] for name in {**lost.blocking, **fit.uncalibrated}
        },
        lost=lost,
        forecast_note=made.forecast_note,
    )
