"""Small sizing problems that the tests share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reconciler.sizing import ClassTerms, Option, Sizing, SizingProblem, demand_section
from reconciler.slo.latency import ServiceTime
from stacks.contract import Tier


def count_of(sizing: Sizing, option: str) -> int:
    """Planned count of an option."""
    return next(c.after for c in sizing.counts if c.option == option)


ALL = (Tier.HOT, Tier.WARM, Tier.COLD)
TRIPS = {Tier.HOT: 1.0, Tier.WARM: 5.0, Tier.COLD: 10.0}


def option(tier: Tier, name: str = "m", **changes: Any) -> Option:
    """An option with 2 vCPU; hot is free, warm 0.10, cold 0.04 USD/h, all ready within the step."""
    price = {Tier.HOT: 0.0, Tier.WARM: 0.10, Tier.COLD: 0.04}[tier]
    values: dict[str, Any] = {
        "name": f"{tier.value}/{name}",
        "tier": tier,
        "instance_type": name,
        "vcpu": 2,
        "memory_mib": 8192,
        "usd_per_hour": price,
        "boot_seconds": 30,
        "boot_mean_seconds": 20,
        "maximum": 40,
    }
    return Option(**{**values, **changes})


def lognormal_paths(
    rates: Sequence[float], horizon: int = 1, paths: int = 200, seed: int = 1, spread: float = 0.15
) -> NDArray[np.float64]:
    """(paths, classes, horizon) requests/s around the rates."""
    noise = np.random.default_rng(seed).normal(0, spread, (paths, len(rates), horizon))
    return np.asarray(rates, float)[:, None] * np.exp(np.cumsum(noise, axis=2))


def problem(
    rates: dict[str, float],
    options: Sequence[Option],
    *,
    tiers: dict[str, Sequence[Tier]] | None = None,
    latency_ms: float = 250.0,
    share: float = 0.01,
    service: ServiceTime | None = None,
    horizon: int = 1,
    window: int = 1,
    paths: NDArray[np.float64] | None = None,
    **changes: Any,
) -> SizingProblem:
    """A problem with one service of 50 ms for all classes, steps of five minutes."""
    names = list(rates)
    service = service or ServiceTime(mean_s=0.05)
    samples = lognormal_paths(list(rates.values()), horizon) if paths is None else paths
    section = demand_section(
        {
            name: ClassTerms(
                service=service,
                latency_ms=latency_ms,
                percentile=0.95,
                promised_share=share,
                tiers=(tiers or {}).get(name, ALL),
            )
            for name in names
        },
        samples,
        step_seconds=300,
        window=window,
        round_trip_ms=TRIPS,
    )
    values: dict[str, Any] = {"hysteresis": 0.0, "switch_seconds": 0.0, **changes}
    return SizingProblem(demand=section, paths=samples, options=tuple(options), window=window, **values)
