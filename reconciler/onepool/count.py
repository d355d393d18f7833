"""Counts at a price of shortage, exact for whole instances.

Least Σ s + λ·Σ E[(d - s·unit)⁺] separates by step: the (s+1)-th instance is worth having while λ·unit times the share of
it that is expected to be used, f(s) = E[min(max(d/unit - s, 0), 1)], exceeds 1. So s is the smallest whole number with
f(s) ≤ p, p = 1/(λ·unit), the risk: the newsvendor's critical ratio with integrality (Arrow, Harris & Marschak 1951).
The same p at every step spends a given unserved volume at least cost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: The risks that are offered, ascending.
RISKS: Floats = np.exp(np.linspace(np.log(1e-6), np.log(0.9), 110))


def counts_at(values: Floats, weights: Floats, risks: Floats = RISKS, floor: int = 1) -> tuple[Floats, Floats]:
    """Counts (n, risks) and the unserved volume expected at them (n, risks), both in instances; as `least_counts`."""
    counts = least_counts(values, weights, risks, floor)
    return counts, unserved_at(values, weights, counts)


def least_counts(values: Floats, weights: Floats, risks: Floats = RISKS, floor: int = 1) -> Floats:
    """Counts (n, risks) in instances.

    `values` (n, k) demand in instances, ascending along a row, with probabilities `weights` (n, k); `risks` ascending.
    """
    short, tail = _beyond(values, weights)
    counts = np.empty((len(values), len(risks)))
    for t, v in enumerate(values):
        far = v[0] - 5.0
        x = np.concatenate([[far], v])
        e = np.concatenate([[short[t, 0] + 5.0 * tail[t]], short[t]])
        ends = np.sort(np.concatenate([[far + 1.0], v, v - 1.0]))
        used = np.minimum.accumulate(np.interp(ends, x, e) - np.interp(ends + 1.0, x, e))
        counts[t] = np.maximum(np.ceil(np.interp(risks, used[::-1], ends[::-1]) - 1e-9), floor)
    return counts


def unserved_at(values: Floats, weights: Floats, counts: Floats) -> Floats:
    """E[(d - s)⁺] (n, risks) in instances at `counts` (n, risks), by distributions as in `least_counts`."""
    short, tail = _beyond(values, weights)
    out = np.empty(counts.shape)
    for t, v in enumerate(values):
        below = np.maximum(v[0] - counts[t], 0.0) * tail[t]
        out[t] = np.interp(counts[t], v, short[t]) + below
    return out


def _beyond(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """E[(d - v)⁺] (n, k) at every value v, piecewise linear between them, and the mass (n,) of all."""
    tail = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    mass = np.cumsum((weights * values)[:, ::-1], axis=1)[:, ::-1]
    return mass - values * tail, tail[:, 0]
