"""The far tail: a generalised Pareto distribution beyond a high quantile, for levels that too few residuals support.

- An empirical quantile at level q is reliable from n ≥ 1/(1 - q) - 1 residuals on (Vovk et al. 2005; Lei et al. 2018); for
  q = 0.999 that is 999.
- With fewer, the exceedances over the 0.95 quantile get a generalised Pareto tail (probability-weighted moments; Hosking and
  Wallis 1987).
- Its shape is shrunk towards that of all series of the panel (`forecaster.hierarchy.pooled_tail`), because a few dozen points
  can't estimate a shape; without a panel, towards a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Shape that a series without exceedances of its own gets: a little heavier than exponential, as demand mostly is.
PRIOR_SHAPE = 0.1
#: Exceedances that weigh as much as the shape they are shrunk to.
PRIOR_WEIGHT = 50.0
THRESHOLD = 0.95


@dataclass(frozen=True, kw_only=True)
class TailShape:
    """The shape that far tails are shrunk to: declared, or pooled from `exceedances` of `series` up to `until`."""

    shape: float = PRIOR_SHAPE
    series: int = 0
    exceedances: int = 0
    until: datetime | None = None

    def words(self, residuals: int) -> str:
        """Which shape a tail of `residuals` has: its own share and where the rest is from."""
        own = own_weight((1 - THRESHOLD) * residuals)
        rest = f"pooled over {self.series} series" if self.series else "the default"
        return f"shape: {own:.0%} from this series, {1 - own:.0%} {rest}, {self.shape:.2f}"


DECLARED = TailShape()


def own_weight(exceedances: float) -> float:
    """Share of a series' own shape in the one it gets."""
    return exceedances / (exceedances + PRIOR_WEIGHT)


def threshold_level(n: int, least: int = 0) -> float:
    """Level of the quantile beyond which n values are the tail: 0.95, lower where fewer than `least` would lie above."""
    return max(min(THRESHOLD, 1 - least / n), 0.5)


def exceedances(ordered: Floats, level: float = THRESHOLD) -> tuple[float, Floats]:
    """The quantile at `level` of `ordered` values (n ≥ 1,) and by how much those above it exceed it, ascending."""
    place = level * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    threshold = float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))
    return threshold, ordered[int(np.searchsorted(ordered, threshold, side="right")) :] - threshold


def shape_by_moments(ordered: Floats, otherwise: float = PRIOR_SHAPE) -> float:
    """Shape of a generalised Pareto distribution of `ordered` exceedances by probability-weighted moments, -0.5 to 0.7.

    With a0 = E[x] and a1 = E[x(1 - F(x))]: shape = 2 - a0 / (a0 - 2·a1); `otherwise` where nothing can be said.
    """
    n = len(ordered)
    if n < 2 or ordered[-1] <= 0:
        return otherwise
    a0 = float(ordered.mean())
    a1 = float(ordered @ np.arange(n - 1, -1, -1)) / (n * (n - 1))
    gap = a0 - 2 * a1
    return float(np.clip(2 - a0 / gap, -0.5, 0.7)) if gap > 1e-12 * a0 else 0.7


def tail_quantiles(ordered: Floats, levels: Floats, usual: float = PRIOR_SHAPE, *, least: int = 0) -> Floats:
    """Quantiles (levels,) of `ordered` residuals (n,) beyond a threshold, the quantile at t = `threshold_level(n, least)`:

        threshold + scale/shape · (((1 - q)/(1 - t))^-shape - 1)

    The shape is shrunk towards the `usual` one by the number of exceedances; the scale then matches their mean.
    """
    beyond = threshold_level(len(ordered), least)
    threshold, over = exceedances(ordered, beyond)
    if len(over) == 0 or over[-1] <= 0:
        # No residual lies above: what is known of the spread then is the distance from the median.
        over = np.array([max(threshold - float(ordered[len(ordered) // 2]), 0.0) / 2])
    weight = own_weight(len(over))
    shape = weight * shape_by_moments(over, usual) + (1 - weight) * usual
    scale = float(over.mean()) * (1 - shape)  # mean of a generalised Pareto distribution: scale / (1 - shape)
    ratio = (1 - np.asarray(levels, dtype=float)) / (1 - beyond)
    if abs(shape) < 1e-6:
        return threshold - scale * np.log(ratio)
    return np.asarray(threshold + scale / shape * (ratio**-shape - 1))
