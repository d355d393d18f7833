"""From the fleet file to the forecaster's settings: horizon, calendar, what is forecast together, declared costs.

Pure: the forecaster knows nothing of fleets, and this is where one meets the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from forecaster.calendar.clock import CalendarEvent, DemandCalendar
from forecaster.demand import DemandForecast, RequestCost
from forecaster.hierarchy.settings import NodeOf, PlbmSettings
from forecaster.history.history import History, Pair
from forecaster.plbm import PLBM
from forecaster.workload.utilisation import Units
from reconciler.fleet.file import Fleet

#: Label of requests that no rule of the fleet file fits.
UNRULED = "no rule"


def calendar_of(fleet: Fleet) -> DemandCalendar:
    """Local clock, holidays, events and excluded stretches. Raises `ForecastError` for an unknown zone or country."""
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
    """How the forecaster works for this fleet."""
    return PlbmSettings(
        horizon=max(int(fleet.horizon / fleet.step), 1),
        seed=seed,
        calendar=calendar_of(fleet),
        keep=fleet.history.window,
        most=max(fleet.history.series, 1),
    )


def nodes_of(fleet: Fleet, pairs: Iterable[Pair]) -> NodeOf:
    """What is forecast together: an application, or `application@class` where its users are of several classes.

    The label of a node is its QoS class. `pairs` are those of the history; a pair that came later, or is asked for, goes
    to its application's node of its own class.
    """
    classes: dict[str, set[str]] = {}
    for user, application in pairs:
        classes.setdefault(application, set()).add(_qos(fleet, user, application))

    def node_of(user: str, application: str) -> tuple[str, str]:
        qos = _qos(fleet, user, application)
        several = len(classes.get(application, {qos}) | {qos}) > 1
        return (f"{application}@{qos}" if several else application), qos

    return node_of


def _qos(fleet: Fleet, user: str, application: str) -> str:
    rule = fleet.rule(user, application)
    return rule.qos if rule is not None else UNRULED


def declared_costs(fleet: Fleet, pairs: Iterable[Pair]) -> dict[str, RequestCost]:
    """Costs by application that the fleet file declares: vCPU-seconds are service time per slot of a vCPU."""
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
    """What one unit of the history's utilisation is."""
    return Units(vcpus=fleet.history.vcpus_per_cpu, memory_mib=fleet.history.mib_per_memory)


def forecast_grouping(
    history: History, names: Sequence[str], labels: Sequence[str], codes: Sequence[int], fleet: Fleet, *, seed: int = 0
) -> DemandForecast:
    """Joint forecast of given groups of pairs, with the fleet's calendar, the pretrained net and the tuner.

    `codes` (pairs,) is each pair's group, `names` and `labels` the groups' names and classes. The rows come in the order
    of the names, sorted.
    """
    of_pair = {pair: (names[code], labels[code]) for pair, code in zip(history.pairs, codes, strict=True)}
    # Made anew by every plan: the pretrained net will do, training would take longer than all the rest.
    settings = replace(settings_of(fleet, seed=seed), big_pairs=0, most=max(len(names), 1), warm=None)
    plbm = PLBM(settings, node_of=lambda user, application: of_pair[user, application])
    return plbm.train(history, declared=declared_costs(fleet, history.pairs), units=units_of(fleet)).forecast()
