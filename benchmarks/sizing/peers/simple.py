"""Peers that need no library: static peak, target tracking with a scale-in window, the same time a season ago.

`demand` (n,) is in instances and has no gaps. Peers decide the rows `first` … n - 1, row t from demand of rows ≤ t - h; what
they learn once, they learn from the rows before `cut`.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.sizing.peers.knobs import Floats, Peer, margin, quantile, whole

#: Settings of static peak, as shares of the training's peak: falling.
PEAKS: Floats = np.linspace(2.0, 0.1, 100)


def recent(demand: Floats, first: int, h: int, window: int = 1) -> Floats:
    """The largest of the `window` newest known steps (n - first,); before there are any, the first step."""
    before = max(h + window - 1 - first, 0)
    padded = np.concatenate([np.full(before, demand[0]), demand])
    begin = first + before - h - window + 1
    return np.asarray(sliding_window_view(padded[begin : len(padded) - h], window).max(axis=1))


def season_ago(demand: Floats, first: int, season: int, h: int) -> Floats:
    """The same time in the newest season that is known (n - first,); the first step where there is none yet."""
    rows = np.arange(first, len(demand)) - season * -(-h // season)
    return np.asarray(demand[np.maximum(rows, 0)])


def static_peak(demand: Floats, cut: int, first: int) -> Peer:
    """A share of the training's peak, always."""
    level = whole(PEAKS * demand[:cut].max())
    return Peer(first=first, counts=np.repeat(level[:, None], len(demand) - first, axis=1))


def target_tracking(demand: Floats, first: int, h: int, scale_in: int) -> Peer:
    """Last known demand over a target utilisation; shrinks only to the largest wish of the last `scale_in` steps."""
    return margin(recent(demand, first, h, scale_in), first)


def seasonal_margin(demand: Floats, first: int, season: int, h: int) -> Peer:
    """The same step a season ago times a factor."""
    return margin(season_ago(demand, first, season, h), first)


def seasonal_quantile(demand: Floats, cut: int, first: int, season: int, h: int) -> Peer:
    """The same step a season ago plus so many standard deviations of the training's errors of that forecast."""
    lag = season * -(-h // season)
    errors = demand[lag:cut] - demand[: max(cut - lag, 0)]
    spread = float(errors.std()) if len(errors) else float(demand[:cut].std())
    past = season_ago(demand, first, season, h)
    return quantile(past, np.full(len(past), spread), first)
