"""Expected shortage as a function of capacity: convex and piecewise linear, so a few tangents describe it.

F(C) = Σ_s m_s w_s (n_s − C)⁺ over scenarios with mass m, need n and weight w. A mixed-integer program therefore needs no
variable per sample path: u ≥ a − b·C for tangents (a, b) is exact at the chosen capacities and a lower bound in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """The function F for one group and step; needs ascend, `mass` carries the weights."""

    need: Floats
    mass: Floats

    @classmethod
    def of(cls, need: Floats, mass: Floats) -> Shortage:
        """From scenarios in any order; equal needs are merged."""
        values, where = np.unique(np.round(need, 9), return_inverse=True)
        return cls(need=values, mass=np.bincount(where, weights=mass, minlength=len(values)).astype(float))

    def at(self, capacity: float) -> float:
        """F(capacity)."""
        return float(self.mass @ np.maximum(self.need - capacity, 0))

    def capacity_for(self, shortage: float) -> float:
        """Least capacity with F ≤ shortage (≥ 0); exact, because F is linear between needs."""
        if self.at(0.0) <= shortage:
            return 0.0
        tail_mass = np.cumsum(self.mass[::-1])[::-1]
        values = np.array([self.at(n) for n in self.need])
        first = int(np.argmax(values <= shortage + 1e-15))
        slope = tail_mass[first]
        return max(float(self.need[first] - (shortage - values[first]) / slope), 0.0) if slope > 0 else 0.0

    def tangents(self, most: int) -> list[tuple[float, float]]:
        """At most `most` lines (a, b) with F(C) ≥ a − b·C, exact at capacities spread over the tail.

        The points are dense where demand is rare, because the marginal shortage crosses price / λ there. Empty if all mass
        is zero.
        """
        tail = np.cumsum(self.mass[::-1])[::-1]
        if tail[0] <= 0:
            return []  # no demand, so no shortage
        if len(self.need) <= most:
            chosen = np.arange(len(self.need))
        else:
            wanted = np.geomspace(max(tail[-1], 1e-9), tail[0], most)
            chosen = np.unique(np.searchsorted(-tail, -wanted[::-1], side="left").clip(0, len(tail) - 1))
        # The tangent between two needs: slope is the mass beyond, value is the sum of it.
        moments = np.cumsum((self.mass * self.need)[::-1])[::-1]
        return [(float(moments[j]), float(tail[j])) for j in chosen]
