"""Whether the data is good enough to scale down, and the reviewer's notes about the data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from forecaster.demand import DemandForecast
from forecaster.history.history import History
from reconciler.demand.grouping import Grouping
from reconciler.fleet.file import Fleet

#: Uncalibrated groups block the scale-downs of their class above this share of its forecast.
_UNCALIBRATED = 0.1


@dataclass(frozen=True, kw_only=True)
class DataFitness:
    """Quality of the data.

    Attributes:
        notes: sentences for the reviewer.
        stale: the whole history is too old to scale down.
        uncalibrated: QoS class → why its forecast does not allow a scale-down.
    """

    notes: tuple[str, ...]
    stale: bool
    uncalibrated: Mapping[str, str] = field(default_factory=dict)


def fitness(
    fleet: Fleet, history: History, forecast: DemandForecast, grouping: Grouping, *, as_of: datetime
) -> DataFitness:
    """Judge the age of the whole history, and the calibration of each class's forecast."""
    notes: list[str] = []
    age = as_of - history.end
    stale = age > fleet.history.max_age
    if stale:
        notes.append(
            f"the history ends {age} before the plan's time; the limit is {fleet.history.max_age}: nothing is scaled down"
        )
    findings = [f for f in history.quality.findings if f.kind not in ("unsorted", "future")]
    notes += [f"data: {f.kind} × {f.count} ({f.where}): {f.treatment}" for f in findings[:5]]
    if len(findings) > 5:
        notes.append(f"data: {len(findings) - 5} more findings; run `tiercast forecast --json` to list them")
    return DataFitness(notes=tuple(notes), stale=stale, uncalibrated=_uncalibrated(forecast, grouping))


def _uncalibrated(forecast: DemandForecast, grouping: Grouping) -> dict[str, str]:
    """Classes with more than a tenth of their forecast uncalibrated. If a class has no volume, groups are counted."""
    weights = forecast.quantiles.mean(axis=(1, 2))
    qos, found = np.array(grouping.qos), {}
    bad = np.array([not ok for ok in forecast.calibrated], dtype=bool)
    for name in dict.fromkeys(grouping.qos):
        mine = qos == name
        volume = weights[mine] if weights[mine].sum() > 0 else np.ones(int(mine.sum()))
        share = float(volume[bad[mine]].sum() / volume.sum()) if len(bad) else 0.0
        if share > _UNCALIBRATED:
            found[name] = f"forecasts of {share:.0%} of QoS class {name} are not calibrated yet"
    return found
