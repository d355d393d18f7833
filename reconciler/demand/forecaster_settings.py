"""From the fleet file to the forecaster's settings: horizon, calendar, number of series, declared costs. Pure.

The forecaster knows nothing of fleets. This module translates.
"""

from __future__ import annotations

from collections.abc import Iterable

from forecaster.calendar.clock import CalendarEvent, DemandCalendar
from forecaster.demand import RequestCost
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.history.history import Pair
from forecaster.workload.utilisation import Units
from reconciler.fleet.file import Fleet


def calendar_of(fleet: Fleet) -> DemandCalendar:
    """Local time, holidays, events and excluded times. Raises `ForecastError` for an unknown zone or country."""
    said = fleet.calendar
    return DemandCalendar(
        timezone=said.timezone,
        country=said.country,
        events=tuple(
            CalendarEvent(name=e.name, start=e.start, end=e.end, effect=None if e.effect == "learn" else e.effect)
            for e in said.events
        ),
        excluded=tuple((e.start, e.end) for e in said.exclude),
    )


def settings_of(fleet: Fleet, *, seed: int = 0) -> PlbmSettings:
    """The forecaster's settings for this fleet."""
    return PlbmSettings(
        horizon=max(int(fleet.horizon / fleet.step), 1),
        seed=seed,
        calendar=calendar_of(fleet),
        keep=fleet.history.window,
        most=fleet.history.series,
    )


def declared_costs(fleet: Fleet, pairs: Iterable[Pair]) -> dict[str, RequestCost]:
    """Application → the cost that the fleet file declares. vCPU-seconds = service time / slots per vCPU."""
    found: dict[str, RequestCost] = {}
    for user, application in pairs:
        rule = fleet.rule(user, application)
        if rule is None or rule.service_time is None or application in found:
            continue
        found[application] = RequestCost(
            vcpu_seconds=rule.service_time.total_seconds() / rule.concurrency_per_vcpu,
            memory_mib=rule.memory_mib,
            network_bytes=0.0,
            scv=rule.scv,
        )
    return found


def units_of(fleet: Fleet) -> Units:
    """The units of the history's utilisation columns."""
    return Units(vcpus=fleet.history.vcpus_per_cpu, memory_mib=fleet.history.mib_per_memory)
