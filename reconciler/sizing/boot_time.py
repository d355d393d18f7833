"""How long instances take from launch to serving: a distribution from the two figures that a catalogue has. Pure.

Boot times are positive and skewed, so they are lognormal with the catalogue's mean and 95th percentile (the two moments
decide both parameters: p95/mean = exp(z·σ − σ²/2), z = 1.645). What is stated to vary more than any lognormal keeps its 95th
percentile; where that is not above the mean, every boot takes exactly that long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NORMAL = NormalDist()
#: The standard normal's 95th percentile.
_Z95 = _NORMAL.inv_cdf(0.95)


@dataclass(frozen=True, kw_only=True)
class BootTime:
    """Seconds from launch to serving: 95th percentile and mean."""

    p95_s: float
    mean_s: float

    @property
    def spread(self) -> float:
        """σ of the logarithm; 0 where the boot time is certain, at most 1.645 (p95 = 3.87 × the mean)."""
        if self.p95_s <= self.mean_s or self.mean_s <= 0:
            return 0.0
        return _Z95 - math.sqrt(max(_Z95**2 - 2 * math.log(self.p95_s / self.mean_s), 0.0))

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """(count,) boot times in s."""
        return self.p95_s * np.exp(self.spread * (rng.standard_normal(count) - _Z95))
