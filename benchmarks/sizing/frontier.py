"""Cost against unserved share: what a knob's settings make, read off at a share or at a cost, and the cheapest peer.

Cost is instance-steps, share is unserved over volume, over the steps whose demand is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STATIC, TRACKING = "static-peak", "target-tracking"
#: Shares below this one count as this one where a logarithm is taken.
LEAST_SHARE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """Settings that no other beats: `shares` ascending, `costs` falling (both (points,)).

    `coarse`: few settings, so between two of them cost is linear in the logarithm of the share (a chord of a convex
    frontier reads several per cent too dear); otherwise linear in the share.
    """

    shares: Floats
    costs: Floats
    coarse: bool = False

    def _x(self, share: Floats | float) -> Floats:
        return np.log(np.maximum(share, LEAST_SHARE)) if self.coarse else np.asarray(share, dtype=float)

    def cost_at(self, share: float) -> float:
        """Least cost at a share; NaN where no setting is that safe. Beyond the cheapest setting, that one's cost."""
        if self.shares[0] > share:
            return float("nan")
        return float(np.interp(self._x(share), self._x(self.shares), self.costs))

    def share_at(self, cost: float) -> float:
        """Least share at a cost; NaN where no setting is that cheap."""
        if cost < self.costs[-1] * (1 - 1e-9):
            return float("nan")
        found = float(np.interp(cost, self.costs[::-1], self._x(self.shares)[::-1]))
        return float(np.exp(found)) if self.coarse and cost < self.costs[0] else max(found, float(self.shares[0]))


def frontier(shares: Floats, costs: Floats, *, coarse: bool = False) -> Frontier:
    """The lower left of settings' (share, cost), both (settings,)."""
    order = np.lexsort((costs, shares))
    x, y = shares[order], costs[order]
    better = np.concatenate([[True], y[1:] < np.minimum.accumulate(y)[:-1] - 1e-9])
    return Frontier(shares=x[better], costs=y[better], coarse=coarse)


def outcome(demand: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Share and cost (settings,) of `counts` (settings, n) instances for `demand` (n,) in instances, NaN where unknown."""
    known = np.isfinite(demand)
    served = counts[:, known]
    total = max(float(demand[known].sum()), 1e-12)
    return np.maximum(demand[known] - served, 0.0).sum(axis=1) / total, served.sum(axis=1)


def charged(peers: Mapping[str, Frontier], name: str, share: float) -> float:
    """A peer's cost at a share; one that can't reach it, or costs more there than static peak, costs what that costs."""
    return float(np.fmin(peers[name].cost_at(share), peers[STATIC].cost_at(share)))


def cheapest(peers: Mapping[str, Frontier], share: float) -> tuple[str, float]:
    """The peer that is cheapest at a share, and its cost."""
    costs = {name: charged(peers, name, share) for name in peers}
    name = min(costs, key=lambda one: (np.isnan(costs[one]), costs[one]))
    return name, costs[name]
