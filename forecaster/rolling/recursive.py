"""Regressions that learn at every step: recursive least squares with forgetting, dressed with their own past errors.

The rule: row t of every result reads targets of rows ≤ t - h only.

- Lags, seasonal lags, running means and the daily curve predict the level in a transformed scale. Log suits errors in
  proportion, linear suits spikes of fixed height, square root lies between.
- A second regression predicts the log of the error's size.
- The standardised errors have their empirical distribution, with a generalised Pareto tail (`forecaster.series.tail`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import shifted
from forecaster.series.tail import tail_quantiles, threshold_level

Floats = NDArray[np.float64]
#: Levels of the predictive distribution: the forecasts' grid and a tail that a share of 0.1 % needs.
TAIL = (0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99997)
GRID: Floats = np.array([0.01, *(round(0.05 * k, 2) for k in range(1, 20)), *TAIL])

#: Values that a sample needs for a tail of its own, and how many of them are its tail at least.
FEWEST, LEAST = 30, 10


@dataclass(frozen=True, kw_only=True)
class Recursive:
    """One regression: `scale` "log", "loose" (log with a large offset), "root" or "linear"; `seasonal` or only its
    newest lags; `forget` weight of the past per step."""

    scale: str
    seasonal: bool
    forget: float


#: Chosen on training stretches; each helps where another fails.
EXPERTS = (
    Recursive(scale="log", seasonal=True, forget=0.9995),
    Recursive(scale="linear", seasonal=True, forget=0.9995),
    Recursive(scale="root", seasonal=True, forget=0.998),
    Recursive(scale="loose", seasonal=False, forget=0.998),
    Recursive(scale="log", seasonal=True, forget=1.0),
)


def transformed(y: Floats, scale: str, unit: float) -> Floats:
    """`y` (requests) in the scale of the regression; `unit` is the training's mean."""
    v = y / unit
    if scale in ("log", "loose"):
        return np.log(v + (0.1 if scale == "log" else 0.5))
    return np.sqrt(v) if scale == "root" else v


def restored(x: Floats, scale: str, unit: float) -> Floats:
    """The inverse of `transformed`, never negative."""
    if scale in ("log", "loose"):
        return np.maximum(np.exp(np.minimum(x, 12.0)) - (0.1 if scale == "log" else 0.5), 0.0) * unit
    v = np.maximum(x, 0.0)
    return (v**2 if scale == "root" else v) * unit


def design(x: Floats, *, day: int, h: int, seasonal: bool, weekly: bool) -> Floats:
    """Regressors (n, k) of `x` (n,); every entry of row t is of rows ≤ t - h."""
    n, week = len(x), 7 * day
    lags = {h, h + 1, h + 2, h + 3}
    if seasonal:
        lags |= {day - 1, day, day + 1, day + h, day + h + 1, 2 * day}
        lags |= {week - 1, week, week + 1, week + h, 2 * week} if weekly else set()
    columns = [np.ones(n)] + [shifted(x, lag, n) for lag in sorted(lag for lag in lags if lag >= h)]
    total = np.cumsum(x)
    for width in (max(day // 4, 1), day):
        mean = np.full(n, np.nan)
        mean[width:] = (total[width:] - total[:-width]) / width
        columns.append(shifted(mean, h, n))
    columns += daily(n, day, 4 if seasonal else 1)
    out = np.stack(columns, axis=1)
    out = np.where(np.isfinite(out), out, out[:, 1:2])
    return np.where(np.isfinite(out), out, 0.0)


def daily(n: int, day: int, terms: int) -> list[Floats]:
    """Sine and cosine of the day's first `terms` harmonics, each (n,)."""
    phase = 2 * np.pi * np.arange(n) / day
    return [f(k * phase) for k in range(1, terms + 1) for f in (np.sin, np.cos)]


def recursive_fit(X: Floats, y: Floats, *, h: int, forget: float, ridge: float, clip: float = 6.0) -> Floats:
    """Predictions (n,): row t by weights that saw targets ≤ t - h. An error beyond `clip` mean errors counts as that."""
    n, k = X.shape
    P, w, out, size = np.eye(k) / ridge, np.zeros(k), np.zeros(n), np.nan
    for t in range(n):
        j = t - h
        if j >= h:
            x = X[j]
            error = float(y[j] - x @ w)
            size = abs(error) if np.isnan(size) else size
            error = max(-clip * size, min(clip * size, error))
            size = 0.99 * size + 0.01 * abs(error)
            Px = P @ x
            gain = Px / (forget + x @ Px)
            w = w + gain * error
            P = (P - np.outer(gain, Px)) / forget
            if t % 50 == 0:
                P = (P + P.T) / 2
            trace = np.trace(P)
            if trace > 1e6 * k:  # a regressor that no longer moves must not blow up its variance
                P *= 1e6 * k / trace
        out[t] = X[t] @ w
    return out


def smoothed(values: Floats, rate: float, h: int) -> Floats:
    """Exponential mean (n,) of rows ≤ t - h."""
    out, state = np.zeros(len(values)), float(values[:h].mean())
    for t in range(len(values)):
        if t >= h:
            state += rate * (values[t - h] - state)
        out[t] = state
    return out


def sample_quantiles(z: Floats) -> Floats:
    """Quantiles (GRID,) of a sample: empirical, with a generalised Pareto tail beyond its last 3 %; normal if it is small."""
    if len(z) < FEWEST:
        from scipy.stats import norm

        deviation = float(z.std()) if len(z) > 5 else 1.0
        return np.asarray(norm.ppf(GRID) * max(deviation, 1e-9) * 1.2)
    out = np.quantile(z, GRID)
    far = 1 - 0.6 * (1 - threshold_level(len(z), LEAST)) < GRID
    out[far] = tail_quantiles(np.sort(z), GRID[far], least=LEAST)
    return np.asarray(np.maximum.accumulate(out))


def dressed(center: Floats, spread: Floats, z: Floats, *, warm: int, h: int, every: int) -> Floats:
    """Quantiles (n, GRID) of `center` + `spread` × the errors `z` known `h` rows before; refreshed every `every` rows."""
    out, quantiles = np.zeros((len(center), len(GRID))), np.linspace(-2.0, 6.0, len(GRID))
    for t in range(len(center)):
        if t % every == 0:
            past = z[warm : max(t - h + 1, warm)]
            quantiles = sample_quantiles(past) if len(past) > 5 else quantiles
        out[t] = center[t] + spread[t] * quantiles
    return out


def quantiles_of(y: Floats, expert: Recursive, *, day: int, h: int, trained: int) -> Floats:
    """Quantiles (n, GRID) in requests that `expert` would have forecast h rows before; constants from `y[:trained]`."""
    unit = max(float(np.mean(y[:trained])), 1e-12)
    x = transformed(y, expert.scale, unit)
    n, every = len(x), max(day // 4, 1)
    X = design(x, day=day, h=h, seasonal=expert.seasonal, weekly=trained >= 14 * day)
    center = recursive_fit(X, x, h=h, forget=expert.forget, ridge=1e-2)
    low = shifted(np.minimum.accumulate(x), h, n)
    high = shifted(np.maximum.accumulate(x), h, n)
    low, high = np.where(np.isfinite(low), low, x[0]), np.where(np.isfinite(high), high, x[0])
    center = np.clip(center, low - 0.2 * (high - low), high + 0.3 * (high - low))
    error = x - center
    floor = 0.02 * float(np.std(x[:trained])) + 1e-6
    size = np.log(np.abs(error) + floor)
    warm = max(h, min(2 * day, trained // 4))
    recent = np.zeros(n)
    recent[h + 1 :] = np.log(np.abs(x[1 : n - h] - x[: n - h - 1]) + floor)
    about = [np.ones(n), *(smoothed(size, rate, h) for rate in (0.3, 0.05, 0.005)), center - np.mean(x[:trained])]
    S = np.stack([*about, *daily(n, day, 3), recent], axis=1)
    spread = np.concatenate(
        [
            np.full(warm, size[:warm].mean()),
            recursive_fit(S[warm:], size[warm:], h=h, forget=0.9997, ridge=1.0, clip=1e9),
        ]
    )
    spread = np.exp(np.clip(spread, np.log(floor) - 1, size[:trained].max() + 2))
    out = restored(dressed(center, spread, error / spread, warm=warm, h=h, every=every), expert.scale, unit)
    return np.asarray(np.maximum.accumulate(out, axis=1))
