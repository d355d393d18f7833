"""The scale a model works in: power transforms that steady the variance of demand and can always be undone.

z = ((1 + y/c)^p - 1)/p, and log(1 + y/c) for p = 0; c is a tenth of the mean demand of the training rows. p = 1 is the
identity up to a factor, p = 1/2 suits counts, p = 0 suits demand whose swings grow with its level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PowerScale:
    """`power` p in 0..1 and `unit` c > 0 in requests per step."""

    power: float
    unit: float

    def forward(self, values: Floats) -> Floats:
        """Requests to the scale."""
        ratio = np.maximum(values, 0.0) / self.unit
        return np.asarray(np.log1p(ratio) if self.power == 0 else ((1 + ratio) ** self.power - 1) / self.power)

    def backward(self, scaled: Floats) -> Floats:
        """The scale to requests, never negative."""
        if self.power == 0:
            return np.asarray(self.unit * np.expm1(np.clip(scaled, 0.0, 60.0)))
        base = np.maximum(1 + self.power * scaled, 1.0)
        return np.asarray(self.unit * (base ** (1 / self.power) - 1))


def unit_of(values: Floats, share: float = 0.1) -> float:
    """c: `share` of the mean of the known values; a hair above zero where there is nothing but zeros."""
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if len(known) else 0.0
    return max(share * mean, 1e-6)
