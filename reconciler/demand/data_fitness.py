"""Whether the data is fit to shrink a fleet on, and what a reviewer should know about it. Pure."""

from __future__ import annotations

from datetime import datetime

from forecaster.demand import DemandForecast
from forecaster.history.history import History
from reconciler.fleet.file import Fleet


def fitness(
    fleet: Fleet, history: History, forecast: DemandForecast, *, as_of: datetime
) -> tuple[tuple[str, ...], bool]:
    """Sentences about the data, and whether the plan must not scale down (demotion).

    A history that is too old, or forecasts of more than a tenth of the demand that are not calibrated, demote.
    """
    notes: list[str] = []
    age = as_of - history.end
    stale = age > fleet.history.max_age
    if stale:
        notes.append(f"the history ends {age} before the plan's time, more than {fleet.history.max_age}: no scale-down")
    weights = forecast.quantiles.mean(axis=(1, 2))
    bad = [not ok for ok in forecast.calibrated]
    share = float(weights[bad].sum() / weights.sum()) if len(bad) and weights.sum() > 0 else 0.0
    uncalibrated = share > 0.1
    if uncalibrated:
        notes.append(f"forecasts of {share:.0%} of the demand are not calibrated yet: no scale-down")
    findings = [f for f in history.quality.findings if f.kind not in ("unsorted", "future")]
    notes += [f"data: {f.kind} × {f.count} ({f.where}): {f.treatment}" for f in findings[:5]]
    if len(findings) > 5:
        notes.append(f"data: {len(findings) - 5} more findings; see `tiercast forecast --json`")
    return tuple(notes), stale or uncalibrated
