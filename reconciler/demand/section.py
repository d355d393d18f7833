"""The demand section of a plan, from sample paths. Sizing uses it, and the latency policy checks against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from reconciler.slo.latency import ServiceTime
from stacks.contract import ClassDemand, Demand, Tier
from stacks.contract import Service as ContractService


def class_service(services: Sequence[ServiceTime], rates: Sequence[float]) -> ServiceTime:
    """The service time of a class: the mixture of its applications' service times, weighted by their rates (requests/s).

    - Mean and second moment of the service time, and the peak factor, are weighted by rate.
    - vCPU and memory of a slot are weighted by the time that requests hold slots (rate × mean).
    - Without demand all applications have the same weight.
    """
    weights = np.asarray(rates, float)
    weights = np.full(len(services), 1.0) if weights.sum() <= 0 else weights
    weights = weights / weights.sum()
    means = np.array([s.mean_s for s in services])
    second = means**2 * (1 + np.array([s.scv for s in services]))
    mean = float(weights @ means)
    held = weights * means / mean

    def mixed(values: Sequence[float], by: NDArray[np.float64]) -> float:
        return float(by @ np.asarray(values, float))

    return ServiceTime(
        mean_s=mean,
        scv=max(float(weights @ second) / mean**2 - 1, 0.0),
        arrival_scv=mixed([s.arrival_scv for s in services], weights),
        concurrency_per_vcpu=1 / mixed([1 / s.concurrency_per_vcpu for s in services], held),
        memory_mib=mixed([s.memory_mib for s in services], held),
        network_bytes=mixed([s.network_bytes for s in services], weights),
        peak_factor=max(mixed([s.peak_factor for s in services], weights), 1.0),
    )


@dataclass(frozen=True, kw_only=True)
class ClassTerms:
    """The promise of a QoS class, and the service time of its requests.

    Attributes:
        latency_ms: latency target at the percentile.
        promised_share: share of requests that may miss the target.
        allowed_share: share that this plan may miss; None: the promised share.
        tiers: tiers that may serve the class.
    """

    service: ServiceTime
    latency_ms: float
    percentile: float
    promised_share: float
    tiers: Sequence[Tier]
    allowed_share: float | None = None


def demand_section(
    classes: Mapping[str, ClassTerms],
    paths: NDArray[np.float64],
    *,
    step_seconds: int,
    window: int,
    round_trip_ms: Mapping[Tier, float],
    levels: Sequence[float] = LEVELS,
) -> Demand:
    """Build the section for `classes`, in order of priority.

    Args:
        paths: (paths, classes, horizon) requests/s.
        window: steps for which the plan is valid. The quantiles are those of the largest demand among them.
        round_trip_ms: per tier.

    Returns:
        The contract's demand section. Numbers are rounded to 6 significant digits, so equal demand gives equal bytes.
        Quantiles never cross.
    """
    peaks = paths[:, :, :window].max(axis=2)
    built = {}
    for index, (name, terms) in enumerate(classes.items()):
        rates = np.maximum.accumulate([_rounded(q) for q in np.quantile(peaks[:, index], levels, method="hazen")])
        service = terms.service
        built[name] = ClassDemand(
            priority=index,
            latency_ms=terms.latency_ms,
            percentile=terms.percentile,
            promised_share=terms.promised_share,
            allowed_share=terms.promised_share if terms.allowed_share is None else _rounded(terms.allowed_share),
            tiers=tuple(terms.tiers),
            levels=tuple(levels),
            requests_per_second=tuple(float(r) for r in rates),
            service=ContractService(
                mean_ms=_rounded(service.mean_s * 1000),
                scv=_rounded(service.scv),
                arrival_scv=_rounded(service.arrival_scv),
                concurrency_per_vcpu=_rounded(service.concurrency_per_vcpu),
                memory_mib=_rounded(service.memory_mib),
                network_bytes=_rounded(service.network_bytes),
                peak_factor=max(_rounded(service.peak_factor), 1.0),
            ),
            round_trip_ms={tier: round_trip_ms[tier] for tier in terms.tiers if tier in round_trip_ms},
        )
    return Demand(step_seconds=step_seconds, classes=built)


def _rounded(value: float) -> float:
    """6 significant digits."""
    return float(f"{value:.6g}") if math.isfinite(value) else value
