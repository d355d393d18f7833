"""What an allocation cost and missed: the measures of a replayed pool.

Cost in instance-steps, unserved share, regret against the exact clairvoyant at the same share, SPEC elasticity
(Bauer et al., Chameleon), scale events and the instances that were moved.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from forecaster.history.history import History
from reconciler.onepool.walk import Allocation

Floats = NDArray[np.float64]


def pooled(history: History) -> dict[str, Floats]:
    """Requests per step (n,) of each application, its users added; NaN where missing."""
    names, _, values = history.by_application()
    return {name: np.asarray(values[k], dtype=float) for k, name in enumerate(names)}


def clairvoyant_cost(demand: Floats, unit: float, share: float, floor: int = 1) -> float:
    """The least Σ s (instances, whole, ≥ `floor`) that leaves at most `share` of Σ demand unserved.

    Exact: an instance-step serves min(unit, rest); these gains fall within a step, so the largest ones over all steps
    until enough is served are the fewest.
    """
    s = float(floor * len(demand))
    rest = np.maximum(demand - floor * unit, 0.0)
    need = float(demand.sum() * (1 - share) - np.minimum(demand, floor * unit).sum())
    tolerance = 1e-9 * max(float(demand.sum()), 1.0)
    if need <= tolerance:
        return s
    full = np.floor(rest / unit + 1e-9)
    if need <= full.sum() * unit + tolerance:
        return s + math.ceil((need - tolerance) / unit)
    left = np.sort(np.maximum(rest - full * unit, 0.0))[::-1]
    got = np.cumsum(left)
    return s + float(full.sum()) + int(np.searchsorted(got, need - full.sum() * unit - tolerance)) + 1


def measured(demand: Floats, one: Allocation, unit: float, lead: int) -> dict[str, float | None]:
    """The measures over the steps whose demand is known; `demand` (rows,) requests from T0 on.

    `cost` counts ready instances; `cost_with_boots` also the `lead` steps that each start is billed for before it is ready.
    """
    known = np.isfinite(demand)
    d, s = demand[known], one.counts[: len(demand)][known].astype(float)
    if not len(d):
        none = dict.fromkeys(("obtained_share", "cost", "cost_with_boots", "regret", "violating_steps"), 0.0)
        return {"promised_share": one.promised_share, "steps": 0, **none}
    missed = np.maximum(d - s * unit, 0.0)
    share = float(missed.sum() / d.sum()) if d.sum() > 0 else 0.0
    best = clairvoyant_cost(d, unit, share)
    need = np.maximum(np.ceil(d / unit - 1e-9), 1.0)
    bad = np.diff(np.flatnonzero(np.concatenate([[True], missed <= 1e-9 * unit, [True]]))) - 1
    moves = np.diff(s)
    return {
        "promised_share": one.promised_share,
        "steps": len(d),
        "obtained_share": share,
        "cost": float(s.sum()),
        "cost_with_boots": float(s.sum() + lead * np.maximum(np.diff(one.counts[: len(demand)]), 0).sum()),
        "regret": float(s.sum() / best - 1),
        "violating_steps": int(bad.sum()),
        "longest_violating_run": int(bad.max()),
        "theta_U": float(100 * np.mean(np.maximum(need - s, 0) / need)),
        "theta_O": float(100 * np.mean(np.maximum(s - need, 0) / need)),
        "tau_U": float(100 * np.mean(s < need)),
        "tau_O": float(100 * np.mean(s > need)),
        "instability": float(100 * np.mean(np.sign(np.diff(need)) != np.sign(moves))) if len(d) > 1 else 0.0,
        "scale_events": int((moves != 0).sum()),
        "instances_moved": float(np.abs(moves).sum()),
    }
