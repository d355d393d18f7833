"""How often the tail of a distribution came true so far, and weights that expect as much of it.

- The demand's place in the distribution of its own row (the probability integral transform; Dawid 1984) tells, h rows late,
  which share of the past lay in the upper tenth, and how far up.
- The tenth gets that share. Within it a survival probability S becomes S^(1/θ): log S of a calibrated forecast is exponential,
  and θ is the mean that was found.
- Both are shrunk to what was forecast, because a short past knows little of its tail.

Pooling many experts makes tails too heavy for calm demand. Counts lose where the weights change with every event, so only
the expected shortage is corrected.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster.rolling.mixture import Predictive

Floats = NDArray[np.float64]
#: The tail; rows that the forecast weighs as for its share of them, hits as for their depth; half-life in days.
TENTH, ROWS, HITS, HALF_DAYS = 0.1, 800.0, 400.0, 60.0
#: Bounds of θ: how much lighter and heavier a tail may become.
LIGHTEST, HEAVIEST = 0.3, 1.2


def exceeded(made: Predictive, y: Floats) -> Floats:
    """P(demand > y), half of a tie, by the distribution of each row; `y` (n,) requests, NaN stays NaN."""
    above = np.where(made.values > y[:, None], made.weights, 0.0).sum(axis=1)
    ties = np.where(made.values == y[:, None], made.weights, 0.0).sum(axis=1)
    return np.where(np.isfinite(y), np.maximum(above + 0.5 * ties, 1e-9), np.nan)


def recalibrated(made: Predictive, y: Floats, *, h: int, warm: int, day: int) -> Floats:
    """Weights (n, k) of `made`'s values; row t knows `y` (n,) (requests, NaN unknown) of rows `warm` to t - h only."""
    places, forget = exceeded(made, y), 0.5 ** (1 / (HALF_DAYS * day))
    share, depth = np.full(len(y), TENTH), np.ones(len(y))
    rows, hits, total = 0.0, 0.0, 0.0
    for t in range(warm + h, len(y)):
        place = places[t - h]
        if np.isfinite(place):
            rows, hits, total = forget * rows + 1, forget * hits, forget * total
            if place <= TENTH:
                hits, total = hits + 1, total + float(np.log(TENTH / place))
        share[t] = (hits + ROWS * TENTH) / (rows + ROWS)
        depth[t] = np.clip((total + HITS) / (hits + HITS), LIGHTEST, HEAVIEST)
    survival = np.minimum(np.cumsum(made.weights[:, ::-1], axis=1)[:, ::-1], 1.0)
    far = share[:, None] * (np.minimum(survival, TENTH) / TENTH) ** (1 / depth[:, None])
    near = 1 - (1 - share[:, None]) * (1 - survival) / (1 - TENTH)
    moved = np.where(survival <= TENTH, far, near)
    moved[:, 0] = 1.0
    return np.asarray(moved - np.concatenate([moved[:, 1:], np.zeros((len(y), 1))], axis=1))
