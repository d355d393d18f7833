"""Peers that need no library: static peak, target tracking with a scale-in window, seasonal naive with a margin.

Every function returns counts (settings, n - cut) for its knob's settings; row t reads demand of rows ≤ t - h.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def whole(need: Floats) -> Floats:
    """Counts for a need in instances: rounded up, at least one."""
    return np.maximum(np.ceil(need - 1e-9), 1.0)


def static_peak(demand: Floats, cut: int) -> Floats:
    """The training's peak times a factor, always (`demand` (n,) in instances, no gaps)."""
    level = whole(np.linspace(0.1, 2.0, 100) * demand[:cut].max())
    return np.repeat(level[:, None], len(demand) - cut, axis=1)


def target_tracking(demand: Floats, cut: int, h: int, scale_in: int) -> Floats:
    """Last known demand over a target utilisation; shrinks only to the largest wish of the last `scale_in` steps."""
    out = []
    for target in np.geomspace(0.1, 1.2, 60):
        wish = whole(demand / target)
        held = np.array([wish[max(t - h - scale_in + 1, 0) : t - h + 1].max() for t in range(cut, len(demand))])
        out.append(held)
    return np.array(out)


def seasonal_margin(demand: Floats, cut: int, season: int) -> Floats:
    """The same step a season ago times a factor."""
    past = np.array([demand[t - season] for t in range(cut, len(demand))])
    return np.array([whole(past * factor) for factor in np.geomspace(0.7, 6.0, 80)])


def seasonal_quantile(demand: Floats, cut: int, season: int) -> Floats:
    """The same step a season ago plus a quantile of the training's errors of that forecast."""
    past = np.array([demand[t - season] for t in range(cut, len(demand))])
    error = demand[season:cut] - demand[: cut - season]
    return np.array([whole(past + np.quantile(error, q)) for q in 1 - np.geomspace(1e-4, 0.5, 80)])
