"""What every peer is turned into: counts at each setting of its one knob, from the safest setting to the cheapest.

A margin multiplies what the peer says is needed; a spread adds so many standard deviations to its mean. Both grids reach
further than the 0.99999 quantile of a normal distribution (4.26), because real errors do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
#: Factors on a need, falling.
MARGINS: Floats = np.geomspace(30.0, 0.3, 640)
#: Standard deviations on top of a mean, falling.
SPREADS: Floats = np.concatenate([np.geomspace(30.0, 5.0, 80, endpoint=False), np.linspace(5.0, -4.0, 361)])


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`counts` (settings, rows) whole instances for the rows from `first` on, safest setting first.

    `mean` and `deviation` (rows,): the normal distribution of demand in instances behind them, of a peer that has one.
    """

    first: int
    counts: Floats
    mean: Floats | None = None
    deviation: Floats | None = None


def whole(need: Floats) -> Floats:
    """Counts for a need in instances: rounded up, at least one."""
    return np.maximum(np.ceil(need - 1e-9), 1.0)


def margin(need: Floats, first: int) -> Peer:
    """The need (rows,) times every margin."""
    return Peer(first=first, counts=whole(need * MARGINS[:, None]))


def quantile(mean: Floats, deviation: Floats, first: int) -> Peer:
    """Normal quantiles: mean and deviation (rows,) of demand in instances."""
    return Peer(
        first=first,
        counts=whole(mean + SPREADS[:, None] * deviation),
        mean=mean,
        deviation=np.maximum(deviation, 1e-9),
    )


def expected_unserved(peer: Peer) -> Floats:
    """E[(d - count)⁺] (settings, rows) in instances by the peer's normal distribution; zeros for a peer without one."""
    if peer.mean is None or peer.deviation is None:
        return np.zeros_like(peer.counts)
    z = (peer.counts - peer.mean) / peer.deviation
    return np.asarray(peer.deviation * np.maximum(norm.pdf(z) - z * norm.sf(z), 0.0))
