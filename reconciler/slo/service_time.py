"""The service time of requests: its declared or learned moments, and the distribution fitted to them.

The distribution is gamma for c_s² ≤ 1 (constant at 0, exponential at 1) and hyperexponential with balanced means above 1.
This is the usual two-moment fit of queueing theory (Tijms, "A First Course in Stochastic Models", 2003, app. B).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stacks.contract_base import Service as ContractService

Floats = NDArray[np.float64]

#: Nodes of the Gauss–Legendre rule over the service time's distribution (error of a probability < 1e-5).
_POINTS, _MASSES = np.polynomial.legendre.leggauss(48)
#: The variable is u = 1 − w³ in probability, which puts most nodes at long service times, where the density is low.
_LEVELS = 1 - ((_POINTS + 1) / 2) ** 3
_WEIGHTS = _MASSES / 2 * 3 * ((_POINTS + 1) / 2) ** 2


@dataclass(frozen=True, kw_only=True)
class ServiceTime:
    """How the requests of an application or class occupy a slot.

    Attributes:
        mean_s: mean service time, s.
        scv: squared coefficient of variation of the service time.
        arrival_scv: squared coefficient of variation of the inter-arrival time.
        concurrency_per_vcpu: requests that one vCPU serves at once.
        memory_mib: memory that a request holds while it is served, MiB.
        network_bytes: bytes transferred per request.
        peak_factor: peak rate within a step / mean rate of the step, ≥ 1.
    """

    mean_s: float
    scv: float = 1.0
    arrival_scv: float = 1.0
    concurrency_per_vcpu: float = 1.0
    memory_mib: float = 0.0
    network_bytes: float = 0.0
    peak_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that describe no queue."""
        if not (self.mean_s > 0 and self.concurrency_per_vcpu > 0 and self.peak_factor >= 1):
            raise ValueError(
                f"service needs mean_s > 0, concurrency_per_vcpu > 0 and peak_factor ≥ 1; got {self.mean_s}, "
                f"{self.concurrency_per_vcpu}, {self.peak_factor}"
            )
        if min(self.scv, self.arrival_scv, self.memory_mib, self.network_bytes) < 0:
            raise ValueError("service: scv, arrival_scv, memory_mib and network_bytes must not be negative")

    @classmethod
    def of(cls, service: ContractService) -> ServiceTime:
        """The service time of the stack configuration's class."""
        return cls(
            mean_s=service.mean_ms / 1000,
            scv=service.scv,
            arrival_scv=service.arrival_scv,
            concurrency_per_vcpu=service.concurrency_per_vcpu,
            memory_mib=service.memory_mib,
            network_bytes=service.network_bytes,
            peak_factor=service.peak_factor,
        )


def service_tail(service: ServiceTime, seconds: float) -> float:
    """P(S > seconds) of the fitted service time."""
    if seconds < 0:
        return 1.0
    if service.scv == 0:
        return float(seconds < service.mean_s)
    if service.scv <= 1:
        shape = 1 / service.scv
        return float(special.gammaincc(shape, seconds * shape / service.mean_s))
    weights, rates = phases(service)
    return float(np.sum(weights * np.exp(-rates * seconds)))


def phases(service: ServiceTime) -> tuple[Floats, Floats]:
    """Weights and rates (1/s) of the two phases with balanced means that match mean and c_s² > 1."""
    p = (1 + np.sqrt((service.scv - 1) / (service.scv + 1))) / 2
    weights = np.array([p, 1 - p])
    return weights, 2 * weights / service.mean_s


@lru_cache(maxsize=4096)
def service_nodes(service: ServiceTime, seconds: float) -> tuple[Floats, Floats]:
    """Quadrature of the service time's distribution over [0, seconds]: points and their probabilities."""
    below = 1 - service_tail(service, seconds)
    if service.scv == 0:
        return np.array([service.mean_s]), np.array([below])
    if service.scv <= 1:
        shape = 1 / service.scv
        u = _LEVELS * below
        return special.gammaincinv(shape, u) * service.mean_s / shape, _WEIGHTS * below
    weights, rates = phases(service)
    parts = -np.expm1(-rates * seconds)
    points = [-np.log1p(-_LEVELS * part) / rate for part, rate in zip(parts, rates, strict=True)]
    masses = [_WEIGHTS * part * weight for part, weight in zip(parts, weights, strict=True)]
    return np.concatenate(points), np.concatenate(masses)


def third_moment(service: ServiceTime) -> float:
    """E[S³]/E[S]³ of the fitted service time."""
    if service.scv <= 1:
        return (1 + service.scv) * (1 + 2 * service.scv)
    weights, rates = phases(service)
    return float(np.sum(weights * 6 / (rates * service.mean_s) ** 3))
