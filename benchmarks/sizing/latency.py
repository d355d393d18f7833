"""How near the safe load is to a discrete-event simulation (SimPy): c from 1 to 200, c_s² from 0.25 to 4.

    python -m benchmarks.sizing.latency [--requests 60000] [--arrival-scv 1] [--json OUT]

A case is right within 10 % if the simulated share of late requests is at most what the percentile allows at 0.9 × the
safe load and more at 1.1 × it. Targets are multiples of the percentile of an idle pool.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from reconciler.slo.latency import ServiceTime, latency_percentile, safe_load
from reconciler.slo.service_time import phases

SERVERS, SCVS = (1, 2, 5, 20, 80, 200), (0.25, 0.5, 1.0, 2.0, 4.0)
#: Percentile and target / idle percentile.
TARGETS = ((0.95, 1.2), (0.95, 2.0), (0.99, 1.5))


@dataclass(frozen=True, kw_only=True)
class LatencyCase:
    """One pool with its promise."""

    servers: int
    scv: float
    percentile: float
    stretch: float
    arrival_scv: float = 1.0

    @property
    def service(self) -> ServiceTime:
        """Mean service time of one second."""
        return ServiceTime(mean_s=1.0, scv=self.scv, arrival_scv=self.arrival_scv)

    @property
    def target_ms(self) -> float:
        """The latency target."""
        return self.stretch * latency_percentile(1e6, 1e-6, self.service, self.percentile)

    @property
    def safe(self) -> float:
        """Our safe load, requests/s."""
        return float(safe_load(self.servers, self.service, self.target_ms, self.percentile))


def cases(arrival_scv: float = 1.0) -> Iterator[LatencyCase]:
    """The grid."""
    for servers, scv, (percentile, stretch) in itertools.product(SERVERS, SCVS, TARGETS):
        yield LatencyCase(servers=servers, scv=scv, percentile=percentile, stretch=stretch, arrival_scv=arrival_scv)


def draw(rng: np.random.Generator, mean: float, scv: float, count: int) -> NDArray[np.float64]:
    """Times with a mean and squared coefficient of variation: gamma up to 1, hyperexponential above."""
    if scv <= 1:
        return rng.gamma(1 / scv, mean * scv, count)
    weights, rates = phases(ServiceTime(mean_s=mean, scv=scv))
    return rng.exponential(1.0, count) / rates[np.where(rng.random(count) < weights[0], 0, 1)]


def late_share(case: LatencyCase, rate: float, requests: int, seed: int) -> float:
    """Simulated share of requests whose wait + service exceeds the target, after a tenth of warm-up."""
    rng = np.random.default_rng(seed)
    gaps = draw(rng, 1 / rate, case.arrival_scv, requests)
    services = draw(rng, 1.0, case.scv, requests)
    latencies = np.zeros(requests)
    environment = simpy.Environment()
    pool = simpy.Resource(environment, capacity=case.servers)

    def request(number: int) -> Iterator[Any]:
        arrived = environment.now
        with pool.request() as slot:
            yield slot
            yield environment.timeout(services[number])
        latencies[number] = environment.now - arrived

    def source() -> Iterator[Any]:
        for number in range(requests):
            yield environment.timeout(gaps[number])
            environment.process(request(number))

    environment.process(source())
    environment.run()
    return float((latencies[requests // 10 :] > case.target_ms / 1000).mean())


def verdict(case: LatencyCase, requests: int, seed: int = 1) -> dict[str, float | bool]:
    """The case's figures: safe utilisation, late shares over the allowed one at ± 10 %, and whether it is right."""
    allowed = 1 - case.percentile
    below = late_share(case, 0.9 * case.safe, requests, seed)
    # Above saturation everything is late in the end.
    above = late_share(case, 1.1 * case.safe, requests, seed + 1) if 1.1 * case.safe < case.servers else 1.0
    return {
        "servers": case.servers,
        "service_scv": case.scv,
        "percentile": case.percentile,
        "stretch": case.stretch,
        "safe_utilisation": round(case.safe / case.servers, 4),
        "late_at_90": round(below / allowed, 3),
        "late_at_110": round(above / allowed, 3),
        "within_10_percent": below <= allowed < above,
    }


def main() -> None:
    """Print the cases that are not within 10 %, and the count that are."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sizing.latency", description="Safe loads against SimPy."
    )
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--arrival-scv", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for case in cases(arguments.arrival_scv):
        rows.append(verdict(case, arguments.requests))
        if not rows[-1]["within_10_percent"]:
            print(rows[-1], flush=True)
    good = sum(bool(row["within_10_percent"]) for row in rows)
    print(f"{good} of {len(rows)} cases within 10 % of the simulation")
    if arguments.json:
        arguments.json.write_text(json.dumps({"within": good, "cases": len(rows), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
