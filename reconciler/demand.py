"""From the forecast of groups to the demand section of the stack configuration: one entry per QoS class.

The quantiles are of the largest step while the plan may be applied, taken over joint paths: a class's groups rise
together or not as they did in the past, and a plan that is valid for three steps must carry the largest of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS, DemandForecast, RequestCost
from reconciler.fleet import Application, Fleet
from reconciler.grouping import Grouping
from stacks.contract import ClassDemand, Demand, Service, Tier

Floats = NDArray[np.float64]

#: Service time of a request where the fleet declares none and none could be learned.
DEFAULT_SERVICE = timedelta(milliseconds=50)


def window(forecast: DemandForecast, start: datetime, end: datetime) -> slice:
    """The forecast's steps that overlap [start, end), at least one; horizon 1 starts one step after the cutoff."""
    first = max(int((start - forecast.cutoff) // forecast.step), 1) - 1
    last = max(int(-((forecast.cutoff - end) // forecast.step)), first + 2) - 1
    first = min(first, forecast.horizon - 1)
    return slice(first, max(min(last, forecast.horizon), first + 1))


def class_paths(forecast: DemandForecast, grouping: Grouping, fleet: Fleet) -> dict[str, Floats]:
    """QoS class → (paths, horizon) requests per step, summed over the class's groups path by path."""
    qos = np.array(grouping.qos)
    return {name: forecast.paths[:, qos == name].sum(axis=1) for name in fleet.qos}


def demand_section(forecast: DemandForecast, grouping: Grouping, fleet: Fleet, steps: slice) -> Demand:
    """The demand that sizes must answer, per class in order of priority.

    Args:
        forecast: joint forecast of the groups.
        grouping: the groups' classes and rules.
        fleet: promises and declared costs.
        steps: the forecast's steps while the plan is valid (`window`).
    """
    seconds = forecast.step.total_seconds()
    classes = {}
    for name, paths in class_paths(forecast, grouping, fleet).items():
        promise = fleet.qos[name]
        peak = paths[:, steps].max(axis=1) / seconds
        rates = np.maximum.accumulate(np.quantile(peak, LEVELS, method="higher"))
        classes[name] = ClassDemand(
            latency_ms=promise.latency.total_seconds() * 1000,
            percentile=promise.percentile,
            violating_share=promise.violating_share,
            tiers=promise.tiers,
            levels=LEVELS,
            requests_per_second=tuple(float(f"{rate:.6g}") for rate in rates),
            service=_service(name, grouping, forecast.costs),
            round_trip_ms={tier: _round_trip_ms(fleet, tier) for tier in promise.tiers},
        )
    return Demand(step_seconds=round(seconds), classes=classes)


def _round_trip_ms(fleet: Fleet, tier: Tier) -> float:
    tiers = fleet.tiers
    trips = {Tier.HOT: tiers.hot.round_trip, Tier.WARM: tiers.warm.round_trip, Tier.COLD: tiers.cold.round_trip}
    return trips[tier].total_seconds() * 1000


def _service(name: str, grouping: Grouping, costs: Mapping[str, RequestCost]) -> Service:
    """The class's requests as one mixture: means weighted by requests, variation by the mixture's second moment."""
    rows: list[tuple[float, Application, float, float, float]] = []
    for group, qos, rules in zip(grouping.names, grouping.qos, grouping.rules, strict=True):
        if qos != name:
            continue
        cost = costs.get(group)
        for rule, weight in rules.items():
            declared = rule.service_time
            if declared is not None or cost is None:
                took, varied = (declared or DEFAULT_SERVICE).total_seconds() * 1000, rule.scv
            else:
                took, varied = cost.vcpu_seconds * 1000 * rule.concurrency_per_vcpu, cost.scv
            memory = rule.memory_mib or (cost.memory_mib if cost is not None else 0.0)
            rows.append((weight, rule, took, varied, memory))
    if not rows:
        return Service(mean_ms=DEFAULT_SERVICE.total_seconds() * 1000)
    total = sum(r[0] for r in rows)
    weights = np.array([r[0] / total for r in rows])
    mean = np.array([r[2] for r in rows])
    scv = np.array([r[3] for r in rows])
    overall = float(weights @ mean)
    busy = weights * mean / overall
    return Service(
        mean_ms=_rounded(overall),
        scv=_rounded(float(weights @ ((scv + 1) * mean**2)) / overall**2 - 1),
        arrival_scv=_rounded(float(weights @ [r[1].arrival_scv for r in rows])),
        # Slots are counted per vCPU: the harmonic mean keeps the vCPU time of the mixture.
        concurrency_per_vcpu=_rounded(1 / float(busy @ [1 / r[1].concurrency_per_vcpu for r in rows])),
        memory_mib=_rounded(float(max(r[4] for r in rows))),
        peak_factor=_rounded(float(weights @ [r[1].peak_factor for r in rows])),
    )


def _rounded(value: float) -> float:
    """Six significant digits: what a reviewer can read and a digest can hold."""
    return float(f"{max(value, 0.0):.6g}")
