"""Online aggregation of experts' quantiles, one set of weights per level.

Bernstein online aggregation (Wintenberger 2017) on linearised pinball losses, as in CRPS learning (Berrisch and Ziel
2021): the mix is asymptotically as good as the best convex combination of the experts at each level. Learning rates
adapt to the observed range and variance of the regrets; forgetting lets the weights follow a change of regime. A loss
is known only once its step has ended, h steps after the forecast was made. Experts that are mute for a row sleep:
their weight is shared by the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Mixed quantiles (n + h, levels) and the weights (experts, levels) after the last known step."""

    quantiles: Floats
    weights: Floats


def aggregate(
    experts: Floats,
    values: Floats,
    observed: NDArray[np.bool_],
    h: int,
    levels: Floats,
    *,
    block: int,
    forget: float = 1.0,
    prior: Floats | None = None,
    smooth: float = 0.0,
) -> Mix:
    """Mix `experts` (experts, n + h, levels), NaN where mute, against the truth `values` (n,).

    `block` steps share one set of weights; `forget` multiplies old regrets per step; `prior` (experts,) are the first
    weights; `smooth` in 0..1 mixes each level's regrets with their mean over the levels.
    """
    count, m, width = experts.shape
    n = m - h
    awake: NDArray[np.bool_] = np.asarray(np.isfinite(experts).all(axis=2))
    calm = np.where(awake[:, :, None], experts, 0.0)
    start = np.full(count, 1.0 / count) if prior is None else prior / prior.sum()
    regret = np.zeros((count, width))
    variance = np.zeros((count, width))
    span = np.full((count, width), 1e-12)
    out = np.full((m, width), np.nan)
    weights = np.repeat(start[:, None], width, axis=1)
    taken = 0
    for begin in range(0, m, block):
        upto = min(max(begin - h + 1, 0), n)
        if upto > taken:
            rows = np.arange(taken, upto)
            rows = rows[observed[rows] & np.isfinite(out[rows, 0])]
            if len(rows):
                keep = forget ** len(rows)
                gain = _gains(calm[:, rows], awake[:, rows], out[rows], values[rows], levels)
                if smooth:
                    gain = (1 - smooth) * gain + smooth * gain.mean(axis=2, keepdims=True)
                span = np.maximum(span * keep, np.abs(gain).max(axis=1))
                variance = keep * variance + (gain**2).sum(axis=1)
                rate = np.minimum(0.5 / span, np.sqrt(np.log(count + 1) / (variance + 1e-300)))
                regret = keep * regret + (gain - rate[:, None, :] * gain**2).sum(axis=1)
                power = np.log(start)[:, None] + rate * regret
                power -= power.max(axis=0)
                weights = rate * np.exp(power)
                weights /= weights.sum(axis=0)
            taken = upto
        part = slice(begin, min(begin + block, m))
        live = weights[:, None, :] * awake[:, part, None]
        total = live.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[part] = np.where(total > 0, (live * calm[:, part]).sum(axis=0) / total, np.nan)
    return Mix(quantiles=np.sort(out, axis=1), weights=weights)


def _gains(experts: Floats, awake: NDArray[np.bool_], mix: Floats, values: Floats, levels: Floats) -> Floats:
    """Linearised advantage (experts, rows, levels) of each expert over the mix: slope of the pinball loss times distance."""
    slope = (values[:, None] <= mix) - levels  # derivative of the pinball loss in the forecast
    return np.asarray(np.where(awake[:, :, None], slope[None] * (mix[None] - experts), 0.0))
