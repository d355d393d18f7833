"""Demand scenarios that represent the quantile functions of a demand section."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stacks.contract import ClassDemand, Demand

Floats = NDArray[np.float64]


def demand_scenarios(demand: ClassDemand, fine: int = 4) -> tuple[Floats, Floats]:
    """Requests/s and their probabilities, which represent a class's quantile function.

    - Between two levels the quantile function is linear (`fine` points).
    - Below the first level it is flat.
    - Above the last level the tail is exponential with the slope of the last two levels, represented by its mean. This
      rarest part of the demand decides whether a promised share of 0.1 % is kept.
    """
    levels, rates = np.asarray(demand.levels, float), np.asarray(demand.requests_per_second, float)
    parts = (np.arange(fine) + 0.5) / fine
    inner = (rates[:-1, None] + np.diff(rates)[:, None] * parts).ravel()
    mass = np.repeat(np.diff(levels) / fine, fine)
    slope = 0.0
    if len(levels) > 1 and levels[-1] < 1:
        slope = float((rates[-1] - rates[-2]) / np.log((1 - levels[-2]) / (1 - levels[-1])))
    values = np.concatenate([rates[:1], inner, rates[-1:] + slope])
    return values, np.concatenate([levels[:1], mass, [1 - levels[-1]]])


def aligned_scenarios(demand: Demand, fine: int = 4) -> tuple[Floats, Floats]:
    """Scenarios with all classes at the same level at once (a shared peak), the conservative choice for marginals.

    Returns:
        rates (scenarios, classes) in requests/s and their probabilities (scenarios,), which sum to 1.
    """
    own = [demand_scenarios(c, fine) for c in demand.classes.values()]
    ends = [np.round(np.cumsum(mass), 12) for _, mass in own]
    edges = np.unique(np.clip(np.concatenate([np.array([0.0, 1.0]), *ends]), 0.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    columns = [
        values[np.minimum(np.searchsorted(end, middles), len(values) - 1)]
        for (values, _), end in zip(own, ends, strict=True)
    ]
    return np.stack(columns, axis=1), np.diff(edges)
