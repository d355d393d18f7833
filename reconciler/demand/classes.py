"""From the forecast of groups to the input of sizing: joint paths per QoS class, and the demand section of a plan.

The groups of a class are summed path by path, which keeps the dependence between them that the past shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import DemandForecast, RequestCost
from forecaster.history.history import History
from reconciler.demand.grouping import Grouping
from reconciler.demand.section import ClassTerms, class_service, demand_section
from reconciler.fleet.file import Application, Fleet
from reconciler.slo.latency import ServiceTime
from stacks.contract import Demand, Tier

Floats = NDArray[np.float64]

#: Service time of a request if the fleet file declares none and none could be learned.
DEFAULT_SERVICE = timedelta(milliseconds=50)


def window(forecast: DemandForecast, start: datetime, end: datetime) -> slice:
    """The forecast's steps that overlap [start, end), at least one. Horizon 1 starts one step after the cutoff."""
    first = max(int((start - forecast.cutoff) // forecast.step), 1) - 1
    last = max(int(-((forecast.cutoff - end) // forecast.step)), first + 2) - 1
    first = min(first, forecast.horizon - 1)
    return slice(first, max(min(last, forecast.horizon), first + 1))


def class_paths(forecast: DemandForecast, grouping: Grouping, fleet: Fleet, first: int) -> Floats:
    """(paths, classes, horizon − first) requests/s from the forecast's step `first` on; classes by priority."""
    qos = np.array(grouping.qos)
    sums = [forecast.paths[:, qos == name, first:].sum(axis=1) for name in fleet.qos]
    return np.stack(sums, axis=1) / forecast.step.total_seconds()


def services(grouping: Grouping, fleet: Fleet, costs: Mapping[str, RequestCost]) -> dict[str, ServiceTime]:
    """QoS class → service time of its requests: a mixture over groups and rules, weighted by requests."""
    parts: dict[str, list[tuple[ServiceTime, float]]] = {name: [] for name in fleet.qos}
    for name, qos, rules in zip(grouping.names, grouping.qos, grouping.rules, strict=True):
        parts[qos] += [(_service(rule, costs.get(name)), weight) for rule, weight in rules.items()]
    default = ServiceTime(mean_s=DEFAULT_SERVICE.total_seconds())
    return {
        qos: class_service([s for s, _ in rows], [w for _, w in rows]) if rows else default
        for qos, rows in parts.items()
    }


def section(
    fleet: Fleet,
    paths: Floats,
    steps: int,
    by_class: Mapping[str, ServiceTime],
    allowed_share: Mapping[str, float] | None = None,
) -> Demand:
    """The demand section of a plan: quantiles of each class's largest step among the plan's first `steps`.

    `allowed_share`: class → share of requests that this plan may miss; None: the promised share.
    """
    terms = {
        name: ClassTerms(
            service=by_class[name],
            latency_ms=promise.latency.total_seconds() * 1000,
            percentile=promise.percentile,
            promised_share=promise.violating_share,
            allowed_share=allowed_share[name] if allowed_share else None,
            tiers=promise.tiers,
        )
        for name, promise in fleet.qos.items()
    }
    return demand_section(
        terms,
        paths,
        step_seconds=round(fleet.step.total_seconds()),
        window=steps,
        round_trip_ms={tier: fleet.tiers.of(tier).round_trip.total_seconds() * 1000 for tier in Tier},
    )


def _service(rule: Application, cost: RequestCost | None) -> ServiceTime:
    """The service time that the rule declares, with learned values for what it does not declare."""
    declared = rule.service_time if rule.service_time is not None or cost is not None else DEFAULT_SERVICE
    base = ServiceTime(
        mean_s=(declared or DEFAULT_SERVICE).total_seconds(),
        scv=rule.scv,
        arrival_scv=rule.arrival_scv,
        concurrency_per_vcpu=rule.concurrency_per_vcpu,
        memory_mib=rule.memory_mib or (cost.memory_mib if cost is not None else 0.0),
        network_bytes=rule.network_bytes or (cost.network_bytes if cost is not None else 0.0),
        peak_factor=rule.peak_factor,
    )
    if declared is not None or cost is None:
        return base
    # Slots share their vCPU, so a request occupies its slot for longer than the vCPU time that it uses.
    return replace(base, mean_s=cost.vcpu_seconds * rule.concurrency_per_vcpu, scv=cost.scv)


def load_now(history: History, grouping: Grouping, fleet: Fleet) -> dict[str, float]:
    """QoS class → requests/s in the last known step. A class whose last step is missing is left out."""
    last = history.grouped(grouping.codes, len(grouping.names))[:, -1]
    qos = np.array(grouping.qos)
    sums = {name: float(last[qos == name].sum()) for name in fleet.qos}
    return {name: total / history.step.total_seconds() for name, total in sums.items() if np.isfinite(total)}
