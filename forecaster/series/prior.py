"""The prior forecast of a series with little or no history.

The rule: the prior comes from series of the same group, else from those of the whole pool, else from a declared default.
Each is wide, and the forecast names the one that was used. With its first rows, the series' own level is averaged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
#: Requests per step where nothing else is known, and the standard deviation of their logarithm.
DEFAULT_LEVEL, DEFAULT_SPREAD = 1.0, 1.5
#: Series with values that a group or pool needs before it says anything.
ENOUGH = 2
#: Levels at which each series speaks for itself: its steps count equally, and every series as much as the next.
OWN_LEVELS = tuple(np.linspace(0.01, 0.99, 49))


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Quantiles of a step's demand: `quantiles` (levels,) requests, `source` "group …", "pool" or "default"."""

    quantiles: Floats
    source: str


def default_prior(levels: Sequence[float], level: float = DEFAULT_LEVEL) -> Prior:
    """A log-normal around `level` requests per step whose 90 % interval spans a factor of 140."""
    quantiles = level * np.exp(DEFAULT_SPREAD * norm.ppf(np.asarray(levels)))
    return Prior(quantiles=np.asarray(quantiles), source="default")


def priors(
    panel: Floats, groups: Sequence[str], levels: Sequence[float], *, level: float = DEFAULT_LEVEL
) -> dict[str, Prior]:
    """Priors per group of `panel` (series, n) (NaN where missing), with "" for the pool of all.

    A group with fewer than two series that have values falls back on the pool, the pool on the default.
    """
    own = [_own(row) for row in panel]
    known = [k for k, quantiles in enumerate(own) if quantiles is not None]
    pool = _mixed([own[k] for k in known], levels, "pool") or default_prior(levels, level)
    out = {"": pool}
    for group in sorted(set(groups)):
        inside = [own[k] for k in known if groups[k] == group]
        out[group] = _mixed(inside, levels, f"group {group}") or pool
    return out


def _own(row: Floats) -> Floats | None:
    finite = row[np.isfinite(row)]
    return np.quantile(finite, OWN_LEVELS) if len(finite) >= ENOUGH else None


def _mixed(own: Sequence[Floats | None], levels: Sequence[float], source: str) -> Prior | None:
    """Quantiles of a step of a series drawn at random from `own`, widened for how few there are."""
    spoken = [quantiles for quantiles in own if quantiles is not None]
    if len(spoken) < ENOUGH:
        return None
    points = np.log1p(np.concatenate(spoken))
    grid = np.quantile(points, np.asarray(levels))
    # k series show less than the spread between series: a new one lies outside all of them with chance 2/(k + 1).
    middle = float(np.median(points))
    widened = middle + (grid - middle) * (1.0 + 2.0 / len(spoken))
    return Prior(quantiles=np.maximum(np.expm1(np.maximum.accumulate(widened)), 0.0), source=source)


def unknown_user(parts: Floats, levels: Sequence[float], rng: np.random.Generator) -> Floats:
    """(horizon, levels) demand of a user never seen: that of a known one chosen at random in every path.

    `parts` (users, paths, horizon) are the paths of known users of the application. Both halves are widened, since the
    new user may be larger or smaller than all of them; and k users say no more of how users differ than the default
    prior's spread over k does, however steady they are themselves.
    """
    users, count, horizon = parts.shape
    chosen = parts[rng.integers(users, size=count), np.arange(count)]
    grid = np.asarray(levels)
    quantiles = np.quantile(chosen, grid, axis=0).T
    middle = quantiles[:, [int(np.argmin(np.abs(grid - 0.5)))]]
    wide = middle + (quantiles - middle) * (1.0 + 2.0 / users)
    least = np.maximum(middle, DEFAULT_LEVEL / users) * np.exp(DEFAULT_SPREAD / users * norm.ppf(grid))
    wide = np.where(grid < 0.5, np.minimum(wide, least), np.where(grid > 0.5, np.maximum(wide, least), middle))
    return np.maximum(np.maximum.accumulate(wide.reshape(horizon, len(grid)), axis=1), 0.0)
