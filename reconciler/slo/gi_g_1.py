"""One server with general arrivals and services (GI/G/1), solved numerically: probability, mean and variation of the wait.

By Spitzer's identity (Asmussen, "Applied Probability and Queues", 2nd ed. 2003, VIII.4) the stationary wait W has the cumulant
generating function Σ_{n>0} c_n (e^{sn} − 1). Here c_n = Σ_k P(S_k = n)/k, and S_k is the sum of k differences U of service and
inter-arrival time. On a grid the c_n are the Fourier coefficients of −log(1 − E[z^U]), on a circle where E[z^U] is below 1. Hence

    P(W = 0) = exp(−Σ c_n),   cumulants of W: Σ n c_n, Σ n² c_n, Σ n³ c_n   over n > 0

The unit of time is the mean service time. Service and inter-arrival times are gamma distributed up to a squared coefficient
of variation of 1, and hyperexponential above.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from reconciler.slo.service_time import Floats, ServiceTime, phases

#: Utilisations that are solved. Between them the results are interpolated linearly in logarithms.
_LOADS: Floats = np.concatenate([np.geomspace(2e-3, 0.3, 20), np.linspace(0.34, 0.98, 17)])
#: Grid points (half of them per sign), and the grid's length as a multiple of the wait's longest decay time.
_POINTS, _DECAYS = 1 << 13, 25.0
#: Least squared coefficient of variation of arrivals. Without any variation no request waits, and the ratios are undefined.
_LEAST_SCV = 0.01


@dataclass(frozen=True, kw_only=True)
class Waits:
    """The waits of one server by utilisation: P(W > 0)/ρ, E[W] over Allen–Cunneen's mean, and the second and third moment of
    the conditional wait over powers of its mean."""

    often: Floats
    longer: Floats
    second: Floats
    third: Floats


def waits(rho: Floats, scv: float, arrival_scv: float) -> Waits:
    """The waits at utilisations `rho` in (0, 1), an array of any shape."""
    at, table = np.log(np.maximum(rho, 1e-12)), _table(scv, max(arrival_scv, _LEAST_SCV))
    often, longer, second, third = (np.exp(np.interp(at, np.log(_LOADS), row)) for row in table)
    return Waits(often=often, longer=longer, second=second, third=third)


def two_phases(it: Waits) -> tuple[Floats, Floats]:
    """Means of the fast and the slow phase of the waits, as multiples of the mean wait. Exact for GI/H₂/1.

    They match three moments: with r_k = E[W^k]/k! they are the roots of z² − b z + (b − r₂), b = (r₃ − r₂)/(r₂ − 1).
    """
    two, three = it.second / 2, it.third / 6
    b = (three - two) / np.maximum(two - 1, 1e-9)
    root = np.sqrt(np.maximum(b**2 / 4 - (b - two), 0.0))
    return np.maximum(b / 2 - root, 1e-9), b / 2 + root


@lru_cache(maxsize=256)
def _table(scv: float, arrival_scv: float) -> Floats:
    """(4, loads) logarithms of the values in `Waits`."""
    often, mean, second, third = np.array([_solved(float(rho), scv, arrival_scv) for rho in _LOADS]).T
    allen_cunneen = _LOADS * (scv + arrival_scv) / 2 / (1 - _LOADS)
    those = mean / often
    rows = (often / _LOADS, mean / allen_cunneen, second / often / those**2, third / often / those**3)
    return np.asarray(np.log(np.maximum(rows, 1e-12)))


def _solved(rho: float, scv: float, arrival_scv: float) -> tuple[float, float, float, float]:
    """P(W > 0), E[W], E[W²] and E[W³] of one server."""
    tilt = (1 - rho) / (scv + arrival_scv)
    width = _DECAYS / tilt * 2 / _POINTS
    grid = np.asarray(width * np.arange(_POINTS // 2), float)
    service = _masses(1.0, scv, grid)
    # An arrival beyond the end of the grid finds the server empty, as one at the end does.
    gaps = _masses(1 / rho, arrival_scv, grid)
    gaps[-1] += 1 - gaps.sum()
    while service @ np.exp(tilt * grid) * (gaps @ np.exp(-tilt * grid)) >= 1:
        tilt /= 2
    rise = np.fft.fft(service * np.exp(tilt * grid), _POINTS)
    fall = np.conj(np.fft.fft(gaps * np.exp(-tilt * grid), _POINTS))
    sums = np.fft.ifft(-np.log1p(-rise * fall)).real[: _POINTS // 2]
    sums = np.maximum(sums * np.exp(-tilt * grid), 1e-200)
    sums[0] /= 2  # ties come from the grid: half of them count as waits
    one, two, three = (float(grid**power @ sums) for power in (1, 2, 3))
    return -float(np.expm1(-sums.sum())), one, two + one**2, three + 3 * two * one + one**3


def _masses(mean: float, scv: float, grid: Floats) -> Floats:
    """Probabilities on the grid that keep the mean: second differences of E[(X − x)⁺]."""
    width = float(grid[1])
    excess = _excess(mean, scv, np.append(grid, grid[-1] + width))
    before = np.concatenate([[mean + width], excess[:-2]])
    return np.maximum((before - 2 * excess[:-1] + excess[1:]) / width, 0.0)


def _excess(mean: float, scv: float, x: Floats) -> Floats:
    if scv == 0:
        return np.maximum(mean - x, 0.0)
    if scv <= 1:
        shape = 1 / scv
        at = x * shape / mean
        return np.asarray(mean * special.gammaincc(shape + 1, at) - x * special.gammaincc(shape, at), np.float64)
    weights, rates = phases(ServiceTime(mean_s=mean, scv=scv))
    return np.asarray(np.exp(-np.outer(x, rates)) @ (weights / rates), np.float64)
