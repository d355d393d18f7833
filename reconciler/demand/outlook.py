"""What a history says at a time: its groups, their joint forecast, the load now, and whether to trust it. Pure.

The one step that a plan and the replay share before anything is sized.
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
    """What a history says.

    load_now: requests/s per class in the last step known. notes: on the data. demoted: the history is too old, nothing
    shrinks on it. blocking: QoS class → why no tier that serves it shrinks. lost: what has no current data. forecast_note:
    which model made the forecast.
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

    `before` is what the last run had heard, `trained` the model that was kept.

    Raises:
        InputError: no rule of the fleet fits a pair.
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
