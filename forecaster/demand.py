"""The interface between forecasting and sizing.

A forecast has quantiles per application and step, joint sample paths with those marginals, and a text that explains it.
Sizing reads only this and never calls a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

#: Levels of every quantile forecast: 0.01, 0.05 to 0.95 by 0.05, 0.99, 0.999.
LEVELS: tuple[float, ...] = (0.01, *(round(0.05 * k, 2) for k in range(1, 20)), 0.99, 0.999)


@dataclass(frozen=True, kw_only=True)
class RequestCost:
    """What one request of an application costs, and where that was learned.

    `vcpu_seconds` vCPU·s per request, `memory_mib` resident MiB while it is served, `network_bytes` bytes per request,
    `scv` squared coefficient of variation of the service time; `source` is "measured", "program", "application",
    "pool", "utilisation" or "declared".
    """

    vcpu_seconds: float
    memory_mib: float
    network_bytes: float
    scv: float = 1.0
    source: str = "declared"


@dataclass(frozen=True, kw_only=True)
class DemandForecast:
    """Joint forecast of offered requests per step.

    Attributes:
        cutoff: start of the last step whose demand is known (UTC); horizon h is the step that starts at cutoff + h·step.
        step: length of a step.
        applications: names, in the order of axis 0.
        levels: quantile levels, ascending, in the order of the last axis of `quantiles`.
        quantiles: (applications, horizon, levels) requests per step; non-decreasing along the last axis, ≥ 0.
        paths: (paths, applications, horizon) requests per step: joint samples whose marginals are `quantiles`.
        models: per application the model or mix that was used.
        reasons: per application one sentence: why this model, what was left out, which tail.
        costs: per application what a request costs; empty where nothing was learned or declared.
        calibrated: per application False where coverage failed and sizing must not scale down on it (demotion).
    """

    cutoff: datetime
    step: timedelta
    applications: tuple[str, ...]
    levels: tuple[float, ...]
    quantiles: NDArray[np.float64]
    paths: NDArray[np.float64]
    models: tuple[str, ...]
    reasons: tuple[str, ...]
    costs: Mapping[str, RequestCost] = field(default_factory=dict)
    calibrated: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        """Refuse shapes that do not agree; a forecast with crossing quantiles is a programming error."""
        count, horizon, levels = self.quantiles.shape
        if count != len(self.applications) or levels != len(self.levels):
            raise ValueError(
                f"quantiles are {self.quantiles.shape}, expected ({len(self.applications)}, ·, {len(self.levels)})"
            )
        if self.paths.shape[1:] != (count, horizon):
            raise ValueError(f"paths are {self.paths.shape}, expected (·, {count}, {horizon})")
        if np.any(np.diff(self.quantiles, axis=2) < 0) or np.any(self.quantiles < 0):
            raise ValueError("quantiles cross or are negative")

    @property
    def horizon(self) -> int:
        """Number of steps forecast."""
        return int(self.quantiles.shape[1])

    def digest(self) -> str:
        """SHA-256 over cutoff, step, names, levels and the rounded numbers: equal forecasts have equal digests."""
        sha = hashlib.sha256()
        head = (self.cutoff.isoformat(), str(self.step.total_seconds()), *self.applications, *map(repr, self.levels))
        sha.update("\n".join(head).encode())
        sha.update(np.round(self.quantiles, 6).astype("<f8").tobytes())
        sha.update(np.round(self.paths, 6).astype("<f8").tobytes())
        return sha.hexdigest()
