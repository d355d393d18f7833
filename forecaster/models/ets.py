"""Exponential smoothing in state space form: statsmodels fits it, its form is chosen by AICc.

The season is a seasonal index that is smoothed itself (as many states as steps in a week: a joint likelihood would spend
minutes on them); what is left has a level and perhaps a trend, damped or not, with additive or multiplicative errors
(Hyndman, Koehler, Ord and Snyder 2008). Parameters are estimated at refits on the newest rows; between refits the states
are filtered forward, with innovations cut at a few of their usual sizes, so that a spike leaves the level alone and a
shift, which goes on, does not (Gelper, Fried and Croux 2010).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from forecaster.models.base import Stretch
from forecaster.models.direct import bounded
from forecaster.models.features import seasonal_ewma, shifted, whole_seasons

Floats = NDArray[np.float64]
#: Errors and trends that are tried: additive or multiplicative; none, additive, damped.
FORMS = tuple((error, trend) for error in ("add", "mul") for trend in ("none", "add", "damped"))
#: Rows a fit reads, and rows it needs.
FIT_ROWS, LEAST_ROWS = 600, 40
#: An innovation beyond this many usual ones counts as that many; the usual size follows at the given rate.
CUT, SIZE_RATE = 4.0, 0.02
#: That many cut innovations in a row, all up or all down, are a shift: the level begins anew at their median.
SHIFTED = 8


@dataclass(frozen=True, kw_only=True)
class _EtsFit:
    """Smoothing of level and trend, damping (0: no trend), usual size of an innovation; `state`: level and trend
    after the rows it was made from."""

    alpha: float
    beta: float
    phi: float
    size: float
    state: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ExponentialSmoothing:
    """`rate`: weight of the newest season in the seasonal index; `refits` how many fits the training gets at most."""

    rate: float = 0.35
    refits: int = 4

    @property
    def name(self) -> str:
        """`ets`."""
        return "ets"

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """See `base.PointModel`."""
        m = len(stretch) + h
        season = stretch.week or stretch.day or 1
        index, level, growth, phi = stretch.once(self, lambda: self._states(stretch, season))
        reach = np.where(phi < 1, phi * (1 - phi**h) / np.where(phi < 1, 1 - phi, 1.0), h)
        out = shifted(level + reach * growth, h, m)
        if season > 1:
            out += shifted(index, whole_seasons(season, h), m)
        return bounded(out, stretch.values, h)

    def _states(self, stretch: Stretch, season: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Seasonal index, level, trend and damping after each row, each (n,); the level is NaN before the first fit."""
        z, n = stretch.values, len(stretch)
        index, rest, begin = z, z, 0
        if season > 1:
            index, begin = seasonal_ewma(z, season, self.rate), season
            rest = z - shifted(index, season, n)
        level, growth, phi = np.full(n, np.nan), np.zeros(n), np.zeros(n)
        stride = stretch.refit * max(1, stretch.trained // stretch.refit // self.refits)
        # A short history is fitted as soon as it can be, then at multiples of a stride that no later row changes.
        soonest = begin + LEAST_ROWS
        rows = [r for r in (soonest, *range(stride * (soonest // stride + 1), n + 1, stride)) if r <= n]
        forms = FORMS
        for number, (row, following) in enumerate(pairwise([*rows, n + 1])):
            newest = slice(max(begin, row - FIT_ROWS), row)
            # The form is chosen at the first fit, and again each sixth; in between only its parameters move.
            fit, forms = _fitted(rest[newest][stretch.observed[newest]], forms if number % 6 else FORMS)
            part = slice(row - 1, following - 1)
            level[part], growth[part] = _filtered(rest[part][1:], stretch.observed[part][1:], fit)
            phi[part] = fit.phi
        return index, level, growth, phi


def _fitted(window: Floats, forms: tuple[tuple[str, str], ...]) -> tuple[_EtsFit, tuple[tuple[str, str], ...]]:
    """The form of least AICc on `window`, and that form alone, to be fitted at the next refits."""
    middle = float(np.median(window)) if len(window) else 0.0
    spread = float(np.median(np.abs(window - middle))) if len(window) else 0.0
    changes = np.diff(window)
    size = float(np.median(np.abs(changes))) + 1e-9 * (1 + abs(middle)) if len(changes) else 1.0
    newest = float(np.median(window[-SHIFTED:])) if len(window) else 0.0
    fallback = _EtsFit(alpha=0.3, beta=0.0, phi=0.0, size=size, state=(newest, 0.0))
    if len(window) < LEAST_ROWS // 2 or spread <= 1e-9 * (1 + abs(middle)):
        return fallback, FORMS
    calm = np.clip(window, middle - 6 * spread, middle + 6 * spread)
    # Errors in proportion need a positive series: what the season left is put at the height of its own spread.
    lift = 8 * spread - middle
    best, score, chosen = fallback, np.inf, FORMS
    for form in forms:
        fit, aicc = _estimated(calm, lift, form)
        if aicc < score:
            best, score, chosen = fit, aicc, (form,)
    return best, chosen


def _estimated(window: Floats, lift: float, form: tuple[str, str]) -> tuple[_EtsFit, float]:
    """statsmodels' estimate of one form on `window` + `lift`, and its AICc; the start is known: only rates are searched."""
    error, trend = form
    start = {} if trend == "none" else {"initial_trend": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ETSModel(
            window + lift,
            error=error,
            trend=None if trend == "none" else "add",
            damped_trend=trend == "damped",
            initialization_method="known",
            initial_level=float(window[:10].mean()) + lift,
            **start,
        )
        made = model.fit(disp=False, maxiter=40)
    alpha, rest = float(made.params[0]), made.params[1:]
    beta = 0.0 if trend == "none" else float(rest[0])
    phi = 0.0 if trend == "none" else float(rest[1]) if trend == "damped" else 1.0
    size = float(np.median(np.abs(window + lift - made.fittedvalues)))
    state = (float(made.level[-1]) - lift, 0.0 if trend == "none" else float(made.slope[-1]))
    fit = _EtsFit(alpha=alpha, beta=beta, phi=phi, size=size + 1e-9 * (1 + abs(lift)), state=state)
    aicc = float(made.aicc)
    return fit, aicc if np.isfinite(aicc) and np.isfinite(state).all() else np.inf


def _filtered(values: Floats, observed: NDArray[np.bool_], fit: _EtsFit) -> tuple[Floats, Floats]:
    """Level and trend before the first and after each of `values` (k,): (k + 1,) each; unknown values teach nothing."""
    level, growth = fit.state
    size, levels, growths = fit.size, [level], [growth]
    run: list[float] = []
    upwards = True
    for value, known in zip(values.tolist(), observed.tolist(), strict=True):
        level += fit.phi * growth
        growth *= fit.phi
        if known:
            error = value - level
            cut = max(-CUT * size, min(CUT * size, error))
            run = [] if cut == error else [*(run if upwards == (error > 0) else []), value]
            upwards = error > 0
            size = max(size + SIZE_RATE * (1.5 * abs(cut) - size), 0.25 * fit.size)
            level += fit.alpha * cut
            growth += fit.beta * cut
            if len(run) == SHIFTED:
                level, growth, size, run = sorted(run)[SHIFTED // 2], 0.0, fit.size, []
        levels.append(level)
        growths.append(growth)
    return np.array(levels), np.array(growths)
