"""Online aggregation of experts' quantiles, one set of weights per level.

Two rules, averaged, because they fail in different ways. Weights by a power of the inverse past loss need little evidence
and stay near equal while little is known, but cannot use that two experts err in opposite directions. Bernstein online
aggregation on linearised pinball losses (Wintenberger 2017; CRPS learning, Berrisch and Ziel 2021) finds the best convex
combination, but a linearised loss pays an expert that is far off for lying on the right side. So it starts from the first
rule's weights as its prior. Forgetting lets both follow a change of regime. A loss is known only once its step has ended,
h steps after the forecast was made. An expert that is mute for a row sleeps: the others share its weight, and its past loss
is compared with theirs over the rows where it spoke.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import blocks
from forecaster.series.loss import pinball

Floats = NDArray[np.float64]
#: Power of the inverse relative loss, and the share of Bernstein's weights (docs/models.md: what was tried).
SHARPNESS, BOLD = 32.0, 0.3


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Mixed quantiles (k, levels) and the weights (experts, levels) after the last known step."""

    quantiles: Floats
    weights: Floats


def aggregate(
    experts: Floats,
    values: Floats,
    observed: NDArray[np.bool_],
    rows: NDArray[np.int64],
    h: int,
    levels: Floats,
    *,
    block: int,
    forget: float = 1.0,
    smooth: float = 0.0,
) -> Mix:
    """Mix `experts` (experts, k, levels), NaN where mute, at the target `rows` (k,) against the truth `values` (n,).

    `block` steps share one set of weights; `forget` multiplies old regrets and losses per row; `smooth` in 0..1 mixes each
    level's scores with their mean over the levels.
    """
    count, _, width = experts.shape
    n = len(values)
    past = rows[rows < n]
    truth, known = values[past], observed[past]
    awake: NDArray[np.bool_] = np.asarray(np.isfinite(experts).all(axis=2))
    calm = experts if awake.all() else np.where(awake[:, :, None], experts, 0.0)
    parts = list(blocks(rows, n, h, block))
    by_loss = _inverse_losses(
        calm,
        awake,
        truth,
        known,
        levels,
        np.array([upto for _, upto in parts]),
        smooth=smooth,
        overlap=_overlap(rows, h),
        forget=forget,
    )
    regret, variance = np.zeros((count, width)), np.zeros((count, width))
    span = np.full((count, width), 1e-12)
    out = np.full((len(rows), width), np.nan)
    gained = np.ones((count, width))
    weights = np.full((count, width), 1.0 / count)
    taken = 0
    for (part, upto), calmer in zip(parts, by_loss, strict=True):
        if upto > taken:
            new = np.arange(taken, upto)
            new = new[known[new] & np.isfinite(out[new, 0])]
            if len(new):
                keep = forget ** len(new)
                gain = _gains(calm[:, new], awake[:, new], out[new], truth[new], levels)
                gain = (1 - smooth) * gain + smooth * gain.mean(axis=2, keepdims=True)
                span = np.maximum(span * keep, np.abs(gain).max(axis=1))
                squares = gain**2
                variance = keep * variance + squares.sum(axis=1)
                rate = np.minimum(0.5 / span, np.sqrt(np.log(count + 1) / (variance + 1e-300)))
                regret = keep * regret + gain.sum(axis=1) - rate * squares.sum(axis=1)
                power = rate * regret
                gained = rate * np.exp(power - power.max(axis=0))
            taken = upto
        calmer = calmer / calmer.sum(axis=0)
        bold = gained * calmer + 1e-300
        bold = bold / bold.sum(axis=0)
        weights = BOLD * bold + (1 - BOLD) * calmer
        here = awake[:, part]
        if here.all():
            out[part] = (weights[:, None, :] * calm[:, part]).sum(axis=0)
        else:
            live = BOLD * _renormalised(bold, here) + (1 - BOLD) * _renormalised(calmer, here)
            mixed = (live * calm[:, part]).sum(axis=0)
            out[part] = np.where(np.asarray(here.any(axis=0))[:, None], mixed, np.nan)
    return Mix(quantiles=np.sort(out, axis=1), weights=weights)


def _overlap(rows: NDArray[np.int64], h: int) -> float:
    """How many neighbouring past rows have errors that overlap h steps ahead."""
    return h / max(1, int(rows[1] - rows[0])) if len(rows) > 1 else float(h)


def _renormalised(weights: Floats, awake: NDArray[np.bool_]) -> Floats:
    """Weights (experts, rows, levels) with those of sleeping experts shared out; all zero where all sleep."""
    live = weights[:, None, :] * awake[:, :, None]
    return np.asarray(live / np.maximum(live.sum(axis=0), 1e-300))


def _gains(experts: Floats, awake: NDArray[np.bool_], mix: Floats, values: Floats, levels: Floats) -> Floats:
    """Linearised advantage (experts, rows, levels) over the mix: slope of the pinball loss times the distance."""
    slope = (values[:, None] <= mix) - levels  # derivative of the pinball loss in the forecast
    return np.asarray(slope[None] * (mix[None] - experts) * awake[:, :, None])


def _inverse_losses(
    experts: Floats,
    awake: NDArray[np.bool_],
    values: Floats,
    observed: NDArray[np.bool_],
    levels: Floats,
    known: NDArray[np.int64],
    *,
    smooth: float,
    overlap: float,
    forget: float,
) -> Floats:
    """(blocks, experts, levels): (loss / mean loss of the awake experts on the same rows)^-SHARPNESS at each block.

    A block may read the first `known` rows (ascending), each weighed by `forget` per row since. Both sums start with
    `overlap` rows of the mean loss, since errors h steps ahead overlap: a ratio leaves 1 only on evidence.
    """
    count, _, width = experts.shape
    n = len(values)
    ends = np.unique(known[known > 0])
    if not len(ends):
        return np.ones((len(known), count, width))
    spoke = np.logical_and(awake[:, :n], observed)
    common, losses = np.zeros((n, width)), []
    starts = np.concatenate([[0], ends[:-1]])
    which = np.searchsorted(ends, known, side="right") - 1
    lengths = ends - starts
    fading = forget ** (np.repeat(ends, lengths) - 1 - np.arange(ends[-1]))[:, None]

    def summed(array: Floats) -> Floats:
        """Faded sums (blocks, levels) over the rows (rows, levels) that each block knows."""
        each = np.add.reduceat(array[: ends[-1]] * fading, starts, axis=0)
        for k in range(1, len(each)):
            each[k] += forget ** lengths[k] * each[k - 1]
        return np.asarray(each[np.maximum(which, 0)])

    for one, said in zip(experts[:, :n], spoke, strict=True):
        # One expert after the other: what is worked on then stays in the cache.
        loss = pinball(values, one, levels)
        loss *= said[:, None]
        common += loss
        losses.append(summed(loss))
    common /= np.maximum(spoke.sum(axis=0), 1)[:, None]
    everyone = spoke.any(axis=0)
    mean = summed(common)
    seen = summed(everyone.astype(float)[:, None])
    own = np.stack(losses)
    peer = np.stack([mean if (said == everyone).all() else summed(common * said[:, None]) for said in spoke])
    start = overlap * mean / np.maximum(seen, 1e-9) + 1e-300
    each = (own + start) / (peer + start)
    whole = (own.sum(axis=2) + start.sum(axis=1)) / (peer.sum(axis=2) + start.sum(axis=1))
    ratio = (1 - smooth) * each + smooth * whole[:, :, None]
    ratio[:, (known <= 0) | (seen[:, 0] <= 0)] = 1.0
    return np.asarray(np.maximum(ratio, 1e-6) ** -SHARPNESS).transpose(1, 0, 2)
