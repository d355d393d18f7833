"""Whether the data is fit to shrink a fleet on, and what a reviewer should know about it. Pure."""

from __future__ import annotations

from datetime import datetime

from forecaster.demand import DemandForecast
from forecaster.history.history import History
from reconciler.fleet.file import Fleet
from reconciler.prices.catalogue import Catalogue

#: Days by which a catalogue's date may be ahead: whoever wrote it may live east of the clock, which is UTC.
_DATE_SKEW_DAYS = 1


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


def price_notes(fleet: Fleet, catalogue: Catalogue, now: datetime) -> tuple[str, ...]:
    """A sentence where the prices are older than the fleet allows, or dated so that their age can't be told."""
    days = catalogue.age_days(now.date())
    if days < -_DATE_SKEW_DAYS:
        return (
            f"prices ({catalogue.source}) are dated {catalogue.taken_on.isoformat()}, which is still to come: their age is "
            "not known and they may be stale; correct `taken_on` in the catalogue",
        )
    if days <= fleet.prices.max_age.days:
        return ()
    return (f"prices are {days} days old ({catalogue.source}); more than {fleet.prices.max_age.days} days is stale",)


def commitment_notes(fleet: Fleet) -> tuple[str, ...]:
    """A sentence per commitment or reservation that is paid for and of no use, or that is said to cost nothing."""
    warm, cold = fleet.tiers.warm, fleet.tiers.cold
    notes = []
    for what, name, count in (
        *(("commitments", c.instance_type, c.count) for c in warm.commitments),
        *(("reservations", r.instance_type, r.count) for r in warm.reservations),
    ):
        if name in warm.instance_types:
            continue
        used = (
            "only the cold tier's on-demand part can use them" if name in cold.instance_types else "nothing uses them"
        )
        notes.append(
            f"tiers.warm.{what}: {count} × {name} are paid whether used or not, but {name} is not among "
            f"tiers.warm.instance_types, so {used}: add the type there, or leave them out"
        )
    notes += [
        f"tiers.warm.commitments: {c.count} × {c.instance_type} count as paid in advance, at 0 USD/hour: correct "
        "`usd_per_hour` if they cost anything"
        for c in warm.commitments
        if c.usd_per_hour == 0
    ]
    return tuple(dict.fromkeys(notes))
