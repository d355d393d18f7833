"""Dynamic harmonic regression with ARMA errors, the order chosen by AICc.

z_t = intercept + Fourier terms of day and week + known covariates + ARMA(p, q) errors (Hyndman and Athanasopoulos 2021,
ch. 10 and 12.1), in two stages:

- Least squares for the regression.
- Hannan-Rissanen (statsmodels) for the ARMA coefficients of the errors. It is consistent and takes milliseconds instead of the
  minutes of a joint likelihood. The errors are cut at six median deviations before, so that it survives spikes.

Refits are spaced out; between them the coefficients stay and only the newest values move.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from statsmodels.tsa.arima.estimators.hannan_rissanen import hannan_rissanen

from forecaster.models.base import Stretch
from forecaster.models.direct import bounded

Floats = NDArray[np.float64]
Orders = tuple[tuple[int, int], ...]
#: Orders that are tried, smallest first.
ORDERS: Orders = ((1, 0), (2, 0), (1, 1), (3, 0), (2, 1), (5, 0), (2, 2))
#: Rows a fit reads, and terms of the infinite autoregression that are kept.
FIT_ROWS = 2500
MEMORY = 60


@dataclass(frozen=True, kw_only=True)
class _ArimaFit:
    """Coefficients of the regression and weights of the newest errors in the next one; made from rows before `row`."""

    row: int
    beta: Floats
    weights: Floats


@dataclass(frozen=True, kw_only=True)
class HarmonicArima:
    """`daily` and `weekly` are the numbers of sine-cosine pairs; `refits` how many refits a stretch gets at most.

    `differenced` models the change of the errors (ARIMA with d = 1), for levels that wander.
    """

    daily: int = 8
    weekly: int = 10
    refits: int = 12
    differenced: bool = False

    @property
    def name(self) -> str:
        """`arima` or `arima-d1`."""
        return "arima-d1" if self.differenced else "arima"

    def ahead(self, stretch: Stretch, h: int) -> Floats:
        """See `base.PointModel`."""
        n, z = len(stretch), stretch.values
        m = n + h
        longest = max((h, *stretch.horizons))
        key = ("harmonics", self.daily, self.weekly)
        columns = stretch.once(key, lambda: self._regressors(stretch, n + longest), at=longest)
        out = np.full(m, np.nan)
        fits = stretch.once(self, lambda: self._fits(stretch, columns))
        for number, fit in enumerate(fits):
            last = fits[number + 1].row if number + 1 < len(fits) else n + 1
            # Targets whose origin had seen the rows of this fit, but not yet those of the next.
            begin, end = fit.row + h - 1, last + h - 1
            from_row = max(0, fit.row - 1 - MEMORY)
            part = z[from_row : end - h] - (columns[from_row : end - h] * fit.beta).sum(axis=1)
            reach = lfilter(multistep(fit.weights, h), [1.0], part)
            out[begin:end] = (columns[begin:end] * fit.beta).sum(axis=1) + reach[begin - h - from_row :]
        return bounded(out, z, h)

    def _fits(self, stretch: Stretch, columns: Floats) -> list[_ArimaFit]:
        """The fits, which no horizon changes: each is for origins from its row - 1 on and reads rows before it."""
        n, z, fits = len(stretch), stretch.values, list[_ArimaFit]()
        least = max(40, 3 * columns.shape[1], 2 * stretch.day)
        # Refit rows are multiples of a stride that depends on the training only, never on what comes later.
        stride = stretch.refit * max(1, stretch.trained // stretch.refit // self.refits)
        orders = ORDERS
        for row in range(stride * -(-least // stride), n + 1, stride):
            first = max(0, row - FIT_ROWS)
            use = stretch.observed[first:row]
            beta = _least_squares(columns[first:row][use], z[first:row][use])
            errors = z[first:row] - (columns[first:row] * beta).sum(axis=1)
            # The order is chosen once, at the first fit, and again each sixth; in between only its coefficients move.
            weights, orders = self._one_step(errors, orders if len(fits) % 6 else ORDERS)
            fits.append(_ArimaFit(row=row, beta=beta, weights=weights))
        return fits

    def _regressors(self, stretch: Stretch, m: int) -> Floats:
        """Intercept, Fourier terms of the seasons that the stretch has, and what is known in advance: (m, p)."""
        position = stretch.phase + np.arange(m)
        columns = [np.ones(m)]
        for period, order in ((stretch.day, self.daily), (stretch.week, self.weekly)):
            if period:
                skip = 7 if period == stretch.week and stretch.day else 0  # every seventh weekly pair is a daily one
                for k in range(1, min(order, (period - 1) // 2) + 1):
                    if not (skip and k % skip == 0):
                        angle = 2 * np.pi * k * position / period
                        columns += [np.sin(angle), np.cos(angle)]
        if stretch.known is not None:
            columns += list(stretch.known[:m].T)
        return np.column_stack(columns)

    def _one_step(self, errors: Floats, orders: Orders) -> tuple[Floats, Orders]:
        """Weights (k,) of the newest errors, newest first, in the next one's forecast; and the order that was best."""
        series = np.diff(errors) if self.differenced else errors
        limit = 6 * float(np.median(np.abs(series - np.median(series)))) + 1e-12
        series = np.clip(series, np.median(series) - limit, np.median(series) + limit)
        ar, ma = choose_arma(series - series.mean(), orders)
        infinite, kept = _autoregression(ar, ma), ((len(ar), len(ma)),) if len(ar) else ORDERS
        if not self.differenced:
            return infinite, kept
        level = np.zeros(MEMORY + 1)  # z_t = z_{t-1} + sum pi_j (z_{t-j} - z_{t-j-1})
        level[0] = 1.0
        level[:MEMORY] += infinite
        level[1:] -= infinite
        return level, kept


def _least_squares(columns: Floats, target: Floats) -> Floats:
    """Coefficients with a hint of ridge, so that nearly constant covariates do no harm."""
    gram = columns.T @ columns
    gram[np.diag_indices_from(gram)] += 1e-6 * np.trace(gram) / len(gram) + 1e-12
    return np.asarray(np.linalg.solve(gram, columns.T @ target))


def choose_arma(series: Floats, orders: Orders = ORDERS) -> tuple[Floats, Floats]:
    """AR and MA coefficients of the order with the least AICc = n·log(variance) + 2k + 2k(k + 1)/(n - k - 1)."""
    n = len(series)
    best: tuple[float, Floats, Floats] = (np.inf, np.zeros(0), np.zeros(0))
    if n < 30 or float(np.std(series)) < 1e-12:
        return best[1], best[2]
    for p, q in orders:
        k = p + q + 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found, _ = hannan_rissanen(series, p, q, demean=False)
        except (ValueError, np.linalg.LinAlgError):
            continue
        ar, ma = np.asarray(found.ar_params, dtype=float), np.asarray(found.ma_params, dtype=float)
        if not (_inside(ar) and _inside(-ma)):
            continue
        shocks = lfilter(np.r_[1.0, -ar], np.r_[1.0, ma], series)
        variance = float(np.mean(shocks[max(p, q) :] ** 2))
        score = n * np.log(variance + 1e-300) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
        if score < best[0]:
            best = (score, ar, ma)
    return best[1], best[2]


def _inside(coefficients: Floats) -> bool:
    """True where 1 - c1·x - c2·x² - ... has all roots outside the unit circle, with a little room."""
    if len(coefficients) == 0:
        return True
    companion = np.diag(np.ones(len(coefficients) - 1), -1)
    companion[0] = coefficients
    return bool(np.abs(np.linalg.eigvals(companion)).max() < 0.9999)


def _autoregression(ar: Floats, ma: Floats) -> Floats:
    """First MEMORY coefficients of the infinite autoregression of an ARMA process."""
    impulse = np.zeros(MEMORY + 1)
    impulse[0] = 1.0
    return -np.asarray(lfilter(np.r_[1.0, -ar], np.r_[1.0, ma], impulse))[1:]


def multistep(one: Floats, h: int) -> Floats:
    """Weights of the h-step forecast from those of the one-step forecast, by substituting forecasts for values."""
    width = len(one)
    rows = np.zeros((h, width))
    rows[0] = one
    for k in range(1, h):
        rows[k, : width - 1] = rows[k - 1, 1:]
        rows[k] += rows[k - 1, 0] * one
    return np.asarray(rows[h - 1])
