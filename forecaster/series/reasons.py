"""What a forecast says about itself: which models, how its interval did lately, where its far tail is from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from forecaster.models.base import Stretch
from forecaster.series.tail import TailShape

Floats = NDArray[np.float64]


def recent_coverage(stretch: Stretch, h: int, quantiles: Floats, levels: tuple[float, ...]) -> float | None:
    """Share of the last 200 asked and known steps inside the central 90 % interval; None with fewer than 30.

    `quantiles` (n + h, levels) were forecast h steps before.
    """
    low, high = levels.index(0.05), levels.index(0.95)
    rows = stretch.asked(h)
    rows = rows[rows < len(stretch)]
    rows = rows[stretch.observed[rows] & np.isfinite(quantiles[rows, low])][-200:]
    if len(rows) < 30:
        return None
    value = stretch.values[rows]
    return float(np.mean((value >= quantiles[rows, low] - 1e-9) & (value <= quantiles[rows, high] + 1e-9)))


def spoken(weights: Mapping[str, float]) -> str:
    """Names of the models that carry the mix, largest weight first; "prior" without any."""
    if not weights:
        return "prior"
    top = _largest(weights)
    return " + ".join([name for name in top if weights[name] > 0.1] or top[:1])


def reason(
    stretch: Stretch, weights: Mapping[str, float], coverage: float | None, *, residuals: int, tail: TailShape
) -> str:
    """One sentence for people. `residuals`: past forecasts that the intervals rest on, at the horizon with the fewest."""
    known = int(stretch.observed.sum())
    if not weights:
        return f"only {known} known steps: no model could be checked, wide default intervals"
    season = "weekly and daily" if stretch.week else "daily" if stretch.day else "no"
    shares = ", ".join(f"{name} {weights[name]:.0%}" for name in _largest(weights))
    said = "not enough checked steps" if coverage is None else f"90 % interval held {coverage:.0%} of the last steps"
    return f"{known} known steps, {season} season; mix of {shares}; {said}; tail {tail_words(residuals, tail)}"


def tail_words(residuals: int, tail: TailShape) -> str:
    """Up to which level the far tail is read off `residuals`, and what it is beyond: the rule of `conformal`."""
    if residuals >= 999:
        return "empirical to 0.999"
    return f"empirical to {'0.95' if residuals < 99 else '0.99'}, generalised Pareto beyond, {tail.words(residuals)}"


def _largest(weights: Mapping[str, float]) -> list[str]:
    """The three names with the largest weights."""
    return sorted(weights, key=lambda name: -weights[name])[:3]
