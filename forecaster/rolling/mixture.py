"""One predictive distribution out of many: averaged where experts agree, pooled where one of them may be right alone.

The rule: weights follow each expert's recent pinball loss, h rows late. Averaged quantiles (Vincent) are sharp; a linear
pool of all experts and of what the hour of the day has ever seen keeps the chance that the sharp one is wrong, which is
what a share of 0.1 % is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import shifted
from forecaster.rolling.recursive import (
    EXPERTS,
    FEWEST,
    GRID,
    dressed,
    quantiles_of,
    restored,
    sample_quantiles,
    transformed,
)
from forecaster.series.loss import pinball

Floats = NDArray[np.float64]
#: Weights of the averaged distribution and of the hour's past in the pool; the experts share the rest.
AVERAGED, HOURLY = 0.55, 0.05


@dataclass(frozen=True, kw_only=True)
class Predictive:
    """Points (n, k) ascending along a row, in requests, and their probabilities (n, k)."""

    values: Floats
    weights: Floats


def seasonal(y: Floats, *, season: int, scale: str, h: int, day: int, trained: int) -> Floats:
    """Quantiles (n, GRID) of the same step a season ago with its past errors."""
    unit = max(float(np.mean(y[:trained])), 1e-12)
    x = transformed(y, scale, unit)
    center = shifted(x, season, len(x))
    center = np.where(np.isfinite(center), center, x[: min(season, trained)].mean())
    warm = max(min(season, trained - 10), 0)
    spread = np.ones(len(x))
    return restored(dressed(center, spread, x - center, warm=warm, h=h, every=max(day // 4, 1)), scale, unit)


def hourly(y: Floats, *, h: int, day: int) -> Floats:
    """Quantiles (n, GRID) of all that was ever seen within an hour of this time of the day."""
    every = max(day // 24, 1)
    blocks = max(day // every, 1)
    block = (np.arange(len(y)) % day) // every
    out, quantiles = np.zeros((len(y), len(GRID))), np.zeros(len(GRID))
    for t in range(len(y)):
        if t % every == 0:
            past = y[: max(t - h + 1, 1)]
            distance = np.abs(block[: len(past)] - block[t])
            near = past[np.minimum(distance, blocks - distance) <= 1]
            near = near if len(near) >= 10 else past
            quantiles = sample_quantiles(near) if len(near) >= FEWEST else np.quantile(near, GRID)
        out[t] = quantiles
    return np.maximum(out, 0.0)


def averaged(y: Floats, parts: Floats, *, h: int, day: int, trained: int) -> tuple[Floats, Floats]:
    """The parts' (experts, n, GRID) quantiles averaged per group of levels, and the pool's weights (n, experts)."""
    count, n, _ = parts.shape
    loss = pinball(y, parts, GRID)
    forget, first = 1 - 1 / (8 * day), min(2 * day, trained // 4)
    out, pool = np.zeros(parts.shape[1:]), np.full((n, count), 1 / count)
    for group in (GRID <= 0.5, (GRID > 0.5) & (GRID <= 0.9), GRID > 0.9):
        each = loss[:, :, group].mean(axis=2)
        lost, typical, seen = np.zeros(count), 0.0, 0.0
        weights = np.full((n, count), 1 / count)
        for t in range(n):
            if t - h >= first:
                lost = forget * lost + each[:, t - h]
                typical = forget * typical + float(np.median(each[:, t - h]))
                seen = forget * seen + 1
            if seen > 5:
                worse = (lost - lost.min()) / max(typical, 1e-12) * min(1.0, seen / 50)
                sharp, soft = np.exp(-30 * worse), np.exp(-8 * worse)
                weights[t], pool[t] = sharp / sharp.sum(), soft / soft.sum()
        out[:, group] = np.einsum("te,etk->tk", weights, parts[:, :, group])
    return np.maximum.accumulate(out, axis=1), pool


def predictive(y: Floats, *, day: int, h: int, trained: int, others: Sequence[Floats] = ()) -> Predictive:
    """The distribution of `y` (n,) (requests, no gaps) at every row as seen h rows before.

    `others` are further forecasts' quantiles (n, GRID), NaN where there is none yet; `y[:trained]` gives the constants.
    """
    season = 7 * day if trained >= 14 * day else day
    parts = [quantiles_of(y, expert, day=day, h=h, trained=trained) for expert in EXPERTS]
    clock = hourly(y, h=h, day=day)
    parts += [seasonal(y, season=season, scale=scale, h=h, day=day, trained=trained) for scale in ("log", "linear")]
    parts.append(clock)
    parts += [np.maximum.accumulate(np.where(np.isfinite(other), other, parts[0]), axis=1) for other in others]
    stack = np.stack(parts)
    mix, pool = averaged(y, stack, h=h, day=day, trained=trained)
    shares = [np.full(len(y), AVERAGED), np.full(len(y), HOURLY)]
    shares += [pool[:, i] * (1 - AVERAGED - HOURLY) for i in range(len(parts))]
    points, masses = [], []
    for quantiles, share in zip([mix, clock, *parts], shares, strict=True):
        values, mass = _points(quantiles)
        points.append(values)
        masses.append(share[:, None] * mass[None, :])
    values, weights = np.concatenate(points, axis=1), np.concatenate(masses, axis=1)
    # A tail is extrapolated; nothing is bought for demand far beyond both everything seen and the forecast's own 99 %.
    seen = shifted(np.maximum.accumulate(y), h, len(y))
    far = 1.3 * np.maximum(np.where(np.isfinite(seen), seen, y[0]), mix[:, np.searchsorted(GRID, 0.99 - 1e-9)])
    values = np.minimum(np.maximum(np.nan_to_num(values, posinf=np.inf), 0.0), far[:, None])
    order = np.argsort(values, axis=1, kind="stable")
    return Predictive(values=np.take_along_axis(values, order, 1), weights=np.take_along_axis(weights, order, 1))


def _points(quantiles: Floats) -> tuple[Floats, Floats]:
    """Two points between neighbouring quantiles (linear), one beyond the last: values (n, k) and masses (k,)."""
    levels = np.concatenate([[0.0], GRID])
    lowest = np.maximum(2 * quantiles[:, :1] - quantiles[:, 1:2], 0.0)
    edges = np.concatenate([lowest, quantiles], axis=1)
    a, b = edges[:, :-1], edges[:, 1:]
    values = np.concatenate([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b, 2 * edges[:, -1:] - edges[:, -2:-1]], axis=1)
    half = np.diff(levels) / 2
    return values, np.concatenate([half, half, [1 - levels[-1]]])
