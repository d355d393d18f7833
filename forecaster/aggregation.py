"""Online aggregation of experts' quantiles, one set of weights per level.

Two rules, averaged, because they fail in different ways. Bernstein online aggregation on linearised pinball losses
(Wintenberger 2017; CRPS learning, Berrisch and Ziel 2021) finds the best convex combination of experts, but needs
evidence. Weights by a power of the inverse past loss need little and stay near equal while little is known, but cannot
use that two experts err in opposite directions. Forgetting lets both follow a change of regime. A loss is known only
once its step has ended, h steps after the forecast was made. An expert that is mute for a row sleeps: the others share
its weight, and its past loss is compared with theirs over the rows where it spoke.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
#: Power of the inverse relative loss. On the tune split 8 is worse at both horizons, 32 no better.
SHARPNESS = 16.0


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
    forget_losses: float = 1.0,
    prior: Floats | None = None,
    smooth: float = 0.0,
) -> Mix:
    """Mix `experts` (experts, n + h, levels), NaN where mute, against the truth `values` (n,).

    `block` steps share one set of weights; `forget` and `forget_losses` multiply old regrets and old losses per step;
    `prior` (experts,) are the first weights; `smooth` in 0..1 mixes each level's scores with their mean over the levels.
    """
    count, m, width = experts.shape
    n = m - h
    awake: NDArray[np.bool_] = np.asarray(np.isfinite(experts).all(axis=2))
    calm = np.where(awake[:, :, None], experts, 0.0)
    first = np.full(count, 1.0 / count) if prior is None else prior / prior.sum()
    regret, variance = np.zeros((count, width)), np.zeros((count, width))
    span = np.full((count, width), 1e-12)
    begins = np.arange(0, m, block)
    by_loss = _inverse_losses(calm, awake, values, observed, h, levels, begins, forget=forget_losses, smooth=smooth)
    out = np.full((m, width), np.nan)
    bold = np.repeat(first[:, None], width, axis=1)
    weights = bold
    taken = 0
    for number, begin in enumerate(begins):
        upto = min(max(begin - h + 1, 0), n)
        if upto > taken:
            rows = np.arange(taken, upto)
            rows = rows[observed[rows] & np.isfinite(out[rows, 0])]
            if len(rows):
                keep = forget ** len(rows)
                gain = _gains(calm[:, rows], awake[:, rows], out[rows], values[rows], levels)
                gain = (1 - smooth) * gain + smooth * gain.mean(axis=2, keepdims=True)
                span = np.maximum(span * keep, np.abs(gain).max(axis=1))
                variance = keep * variance + (gain**2).sum(axis=1)
                rate = np.minimum(0.5 / span, np.sqrt(np.log(count + 1) / (variance + 1e-300)))
                regret = keep * regret + (gain - rate[:, None, :] * gain**2).sum(axis=1)
                power = np.log(first)[:, None] + rate * regret
                bold = rate * np.exp(power - power.max(axis=0))
                bold = bold / bold.sum(axis=0)
            taken = upto
        part = slice(begin, min(begin + block, m))
        calmer = first[:, None] * by_loss[number]
        both = [_renormalised(w, awake[:, part]) for w in (bold, calmer)]
        live = 0.5 * (both[0] + both[1])
        weights = 0.5 * (bold + calmer / calmer.sum(axis=0))
        out[part] = np.where(
            np.asarray(awake[:, part].any(axis=0))[:, None], (live * calm[:, part]).sum(axis=0), np.nan
        )
    return Mix(quantiles=np.sort(out, axis=1), weights=weights)


def _renormalised(weights: Floats, awake: NDArray[np.bool_]) -> Floats:
    """Weights (experts, rows, levels) with those of sleeping experts shared out; all zero where all sleep."""
    live = weights[:, None, :] * awake[:, :, None]
    return np.asarray(live / np.maximum(live.sum(axis=0), 1e-300))


def _gains(experts: Floats, awake: NDArray[np.bool_], mix: Floats, values: Floats, levels: Floats) -> Floats:
    """Linearised advantage (experts, rows, levels) over the mix: slope of the pinball loss times the distance."""
    slope = (values[:, None] <= mix) - levels  # derivative of the pinball loss in the forecast
    return np.asarray(np.where(awake[:, :, None], slope[None] * (mix[None] - experts), 0.0))


def _inverse_losses(
    experts: Floats,
    awake: NDArray[np.bool_],
    values: Floats,
    observed: NDArray[np.bool_],
    h: int,
    levels: Floats,
    begins: NDArray[np.int64],
    *,
    forget: float,
    smooth: float,
) -> Floats:
    """(blocks, experts, levels): (loss / mean loss of the awake experts on the same rows)^-SHARPNESS at each block.

    Both sums start with h rows of the mean loss, since errors h steps ahead overlap: a ratio leaves 1 only on evidence.
    """
    count, m, width = experts.shape
    n = m - h
    if n < 1:
        return np.ones((len(begins), count, width))
    spoke = np.logical_and(awake[:, :n], observed)[:, :, None]
    error = values[None, :, None] - experts[:, :n]
    loss = np.where(spoke, np.maximum(levels * error, (levels - 1) * error), 0.0)
    common = loss.sum(axis=0) / np.maximum(spoke.sum(axis=0), 1)

    def faded(array: Floats, axis: int) -> Floats:
        return np.asarray(lfilter([1.0], [1.0, -forget], array, axis=axis))

    known = begins - h
    rows = np.maximum(known, 0)
    own = faded(loss, 1)[:, rows]
    peer = faded(common[None] * spoke, 1)[:, rows]
    seen = faded(np.asarray(spoke.any(axis=0), dtype=float)[:, 0], 0)[rows]
    start = h * faded(common, 0)[rows] / np.maximum(seen, 1e-9)[:, None] + 1e-300
    each = (own + start) / (peer + start)
    whole = (own.sum(axis=2) + start.sum(axis=1)) / (peer.sum(axis=2) + start.sum(axis=1))
    ratio = (1 - smooth) * each + smooth * whole[:, :, None]
    ratio[:, (known < 0) | (seen <= 0)] = 1.0
    return np.asarray(np.maximum(ratio, 1e-6) ** -SHARPNESS).transpose(1, 0, 2)
