"""Demand in steps that shed load without counting it: at least what was served.

The rule: a censored step is neither taken at face value nor left out (shedding happens when demand is high, so
leaving it out would bias every forecast low). It takes the expected demand given that it exceeded what was served,
under a log-normal around the same time of the last week or day: E[log d | log d > c] = μ + σ λ((c − μ)/σ), λ the inverse Mills
ratio (Tobin 1958).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
#: Standard deviation of log demand around its season where too few steps show it.
DEFAULT_SPREAD = 0.3


def uncensored(values: Floats, censored: NDArray[np.bool_], seasons: tuple[int, ...]) -> Floats:
    """`values` (n,) with censored steps replaced by their expected demand; never less than what was served.

    `seasons` in steps; the longest with a known value decides what was expected. Only steps before t are used for t.
    """
    if not censored.any():
        return values
    out = values.copy()
    seen: list[float] = []
    for t in range(len(out)):
        before = [out[t - s] for s in sorted(seasons, reverse=True) if t >= s and np.isfinite(out[t - s])]
        usual = before[0] if before else out[t - 1] if t and np.isfinite(out[t - 1]) else np.nan
        if not (np.isfinite(usual) and np.isfinite(values[t]) and usual > 0):
            continue
        if not censored[t]:
            if values[t] > 0:
                seen.append(float(np.log(values[t] / usual)))
            continue
        spread = float(np.std(seen[-500:])) if len(seen) >= 30 else DEFAULT_SPREAD
        spread = max(spread, 0.05)
        bound = (np.log(max(values[t], 1e-9)) - np.log(usual)) / spread
        mills = np.exp(norm.logpdf(bound) - norm.logsf(bound))
        out[t] = max(values[t], usual * np.exp(spread * mills))
    return out
