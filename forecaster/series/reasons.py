"""The sentence that explains a forecast: the models, the recent coverage of the interval, and the source of the far tail."""

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
        return f"only {known} known steps: no model could be checked, so the wide default intervals are used"
    season = "a weekly and a daily season" if stretch.week else "a daily season" if stretch.day else "no season"
    shares = ", ".join(f"{name} {weights[name]:.0%}" for name in _largest(weights))
    checked = "too few forecasts could be checked"
    if coverage is not None:
        checked = f"the 90 % interval contained {coverage:.0%} of the latest values"
    return f"{known} known steps with {season}; models: {shares}; {checked}; far tail: {tail_words(residuals, tail)}"


def tail_words(residuals: int, tail: TailShape) -> str:
    """Up to which level past errors give the far tail, and what gives it beyond; by the rule of `conformal`."""
    if residuals >= 999:
        return "from past errors up to the 0.999 quantile"
    upto = "0.95" if residuals < 99 else "0.99"
    return f"from past errors up to the {upto} quantile, a generalised Pareto distribution beyond ({tail.words(residuals)})"


def _largest(weights: Mapping[str, float]) -> list[str]:
    """The three names with the largest weights."""
    return sorted(weights, key=lambda name: -weights[name])[:3]
