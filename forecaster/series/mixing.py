"""Online aggregation of experts' quantiles, one set of weights per level.

Two sets of weights are averaged, because they fail in different ways:

- Powers of the inverse past loss need little evidence and stay near equal while little is known. They cannot use that two
  experts err in opposite directions.
- Bernstein online aggregation on linearised pinball losses (Wintenberger 2017; CRPS learning, Berrisch and Ziel 2021) finds
  the best convex combination. A linearised loss rewards an expert that is far off on the right side, so the first set of
  weights is its prior.

Both forget, to follow a change of regime. A loss is known h steps after the forecast was made. An expert that is mute for
a row sleeps: the others share its weight, and its loss is compared with theirs over the rows where it spoke.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.base import Stretch
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
    stretch: Stretch,
    h: int,
    levels: Floats,
    *,
    block: int,
    forget: float = 1.0,
    smooth: float = 0.0,
) -> Mix:
    """Mix `experts` (experts, k, levels), NaN where mute, of the rows `stretch.asked(h)`; both in requests.

    `block` steps share one set of weights; `forget` multiplies old regrets and losses per row; `smooth` in 0..1 mixes each
    level's scores with their mean over the levels.
    """
    rows, n = stretch.asked(h), len(stretch)
    panel = _panel_of(experts, stretch, rows)
    parts = list(blocks(rows, n, h, block))
    knowing = np.array([upto for _, upto in parts])
    by_loss = _inverse_losses(panel, levels, knowing, smooth=smooth, overlap=_overlap(rows, h), forget=forget)
    regrets = _Regrets.none(len(experts), len(levels), forget)
    out = np.full((len(rows), len(levels)), np.nan)
    weights = np.full((len(experts), len(levels)), 1.0 / len(experts))
    taken = 0
    for (part, upto), inverse in zip(parts, by_loss, strict=True):
        if upto > taken:
            new = np.arange(taken, upto)
            new = new[panel.known[new] & np.isfinite(out[new, 0])]
            if len(new):
                gain = _gains(panel, new, out[new], levels)
                regrets.learn((1 - smooth) * gain + smooth * gain.mean(axis=2, keepdims=True))
            taken = upto
        calm = inverse / inverse.sum(axis=0)
        bold = regrets.gained * calm + 1e-300
        bold = bold / bold.sum(axis=0)
        weights = BOLD * bold + (1 - BOLD) * calm
        out[part] = _mixed(panel, part, bold, calm)
    return Mix(quantiles=np.sort(out, axis=1), weights=weights)


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """What is mixed: `quantiles` (experts, k, levels), zero where an expert is mute, and `awake` (experts, k) where it is not.

    `truth` (past,) and where it is `known` (past,) are those of the rows that lie in the past.
    """

    quantiles: Floats
    awake: NDArray[np.bool_]
    truth: Floats
    known: NDArray[np.bool_]


def _panel_of(experts: Floats, stretch: Stretch, rows: NDArray[np.int64]) -> _Panel:
    awake: NDArray[np.bool_] = np.asarray(np.isfinite(experts).all(axis=2))
    past = rows[rows < len(stretch)]
    return _Panel(
        quantiles=experts if awake.all() else np.where(awake[:, :, None], experts, 0.0),
        awake=awake,
        truth=stretch.values[past],
        known=stretch.observed[past],
    )


@dataclass(kw_only=True)
class _Regrets:
    """The state of Bernstein online aggregation: regrets and their variance and span (experts, levels), faded per row.

    `gained` (experts, levels) are the weights that the regrets alone give, up to a factor per level.
    """

    regret: Floats
    variance: Floats
    span: Floats
    gained: Floats
    forget: float

    @classmethod
    def none(cls, experts: int, levels: int, forget: float) -> _Regrets:
        """Before any loss is known."""
        shape = (experts, levels)
        return cls(
            regret=np.zeros(shape),
            variance=np.zeros(shape),
            span=np.full(shape, 1e-12),
            gained=np.ones(shape),
            forget=forget,
        )

    def learn(self, gain: Floats) -> None:
        """Take in the advantages (experts, rows, levels) of newly known rows."""
        keep = self.forget ** gain.shape[1]
        self.span = np.maximum(self.span * keep, np.abs(gain).max(axis=1))
        squares = gain**2
        self.variance = keep * self.variance + squares.sum(axis=1)
        rate = np.minimum(0.5 / self.span, np.sqrt(np.log(len(gain) + 1) / (self.variance + 1e-300)))
        self.regret = keep * self.regret + gain.sum(axis=1) - rate * squares.sum(axis=1)
        power = rate * self.regret
        self.gained = rate * np.exp(power - power.max(axis=0))


def _mixed(panel: _Panel, part: slice, bold: Floats, calm: Floats) -> Floats:
    """Mixed quantiles (rows, levels) of the rows in `part`; the weight of a sleeping expert goes to the others."""
    quantiles, awake = panel.quantiles[:, part], panel.awake[:, part]
    if awake.all():
        weights = BOLD * bold + (1 - BOLD) * calm
        return np.asarray((weights[:, None, :] * quantiles).sum(axis=0))
    live = BOLD * _renormalised(bold, awake) + (1 - BOLD) * _renormalised(calm, awake)
    return np.where(np.asarray(awake.any(axis=0))[:, None], (live * quantiles).sum(axis=0), np.nan)


def _overlap(rows: NDArray[np.int64], h: int) -> float:
    """How many neighbouring past rows have errors that overlap h steps ahead."""
    return h / max(1, int(rows[1] - rows[0])) if len(rows) > 1 else float(h)


def _renormalised(weights: Floats, awake: NDArray[np.bool_]) -> Floats:
    """Weights (experts, rows, levels) with those of sleeping experts shared out; all zero where all sleep."""
    live = weights[:, None, :] * awake[:, :, None]
    return np.asarray(live / np.maximum(live.sum(axis=0), 1e-300))


def _gains(panel: _Panel, rows: NDArray[np.int64], mix: Floats, levels: Floats) -> Floats:
    """Linearised advantage (experts, rows, levels) over the mix: slope of the pinball loss times the distance."""
    slope = (panel.truth[rows][:, None] <= mix) - levels  # derivative of the pinball loss in the forecast
    return np.asarray(slope[None] * (mix[None] - panel.quantiles[:, rows]) * panel.awake[:, rows, None])


def _inverse_losses(
    panel: _Panel, levels: Floats, known: NDArray[np.int64], *, smooth: float, overlap: float, forget: float
) -> Floats:
    """(blocks, experts, levels): (loss / mean loss of the awake experts on the same rows)^-SHARPNESS at each block.

    A block may read the first `known` rows (ascending), each weighed by `forget` per row since. Both sums start with
    `overlap` rows of the mean loss, since errors h steps ahead overlap: a ratio leaves 1 only on evidence.
    """
    count, _, width = panel.quantiles.shape
    n = len(panel.truth)
    ends = np.unique(known[known > 0])
    if not len(ends):
        return np.ones((len(known), count, width))
    spoke = np.logical_and(panel.awake[:, :n], panel.known)
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

    for one, said in zip(panel.quantiles[:, :n], spoke, strict=True):
        # One expert after the other: what is worked on then stays in the cache.
        loss = pinball(panel.truth, one, levels)
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
