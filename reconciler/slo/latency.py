"""Latency of a pool of servers: how long requests wait, and the largest load that keeps a promise.

The formulas are pure. Sizing and the latency policy share them and therefore agree.

    latency = network round trip + wait in the queue + service

A pool is c equal slots behind one queue (the balancer sends to the least loaded instance). With mean service time S,
offered load a = λS and utilisation ρ = a/c:

    P(W > 0) = Erlang C(c, a)
    P(W > t) = C(c, a) · exp(−θt),   θ = (c − a)/S · 2/(c_a² + c_s²)

- θ is the tail rate of Erlang C, scaled by the Allen–Cunneen factor for general arrivals and services (Allen,
  "Probability, Statistics and Queueing Theory", 2nd ed. 1990, §5.3.1). It is exact for M/M/c.
- One exponential is too coarse for few servers at light load. The conditional wait therefore keeps this mean and gets a
  second phase for its variation.
- `service_time` holds the distribution of S.

Units: rates are requests/s, service times seconds, latencies milliseconds. A slot serves one request at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from reconciler.slo.gi_g_1 import two_phases, waits
from reconciler.slo.service_time import Floats, ServiceTime, phases, service_nodes, service_tail, third_moment

__all__ = [
    "SafeLoads",
    "ServiceTime",
    "erlang_c",
    "latency_percentile",
    "latency_tail",
    "percentile_of",
    "reachable",
    "safe_load",
    "service_tail",
    "wait_tail",
]

#: Above this number of slots the safe load grows in proportion to the slots. This underestimates it slightly: a larger
#: pool carries more per slot, but above this size the gain is below 1 %.
_LARGEST_POOL = 4_096

#: Slots at which safe loads are tabulated: every number up to 128, then 3 % apart; linear between (error < 1e-5).
_GRID: Floats = np.unique(np.concatenate([np.arange(129), np.round(np.geomspace(128, _LARGEST_POOL, 119))])).astype(
    float
)


def erlang_c(servers: ArrayLike, offered: ArrayLike) -> Floats:
    """Probability that an arriving request waits in M/M/c.

    Args:
        servers: slots c > 0; any shape, also non-integer (the formula's analytic continuation).
        offered: load a = λS in busy slots, broadcast against `servers`.

    Returns:
        Probabilities of the broadcast shape; 1 where a ≥ c. The result is stable for any c, because Erlang B is computed
        as the ratio of a Poisson probability to its distribution function, B = e^{−a} a^c / Γ(c+1) / Q(c+1, a).
    """
    c, a = np.broadcast_arrays(np.asarray(servers, float), np.asarray(offered, float))
    saturated = a >= c
    safe = np.where(saturated | (a <= 0), c / 2, a)
    blocking = np.exp(c * np.log(safe) - safe - special.gammaln(c + 1)) / special.gammaincc(c + 1, safe)
    waiting = blocking / (1 - safe / c * (1 - blocking))
    return np.where(saturated, 1.0, np.where(a <= 0, 0.0, waiting))


def _wait_phases(servers: Floats, rate: Floats, service: ServiceTime) -> tuple[Floats, Floats, Floats, Floats]:
    """The conditional wait as two exponential phases: weights w₁, w₂ (w₁ + w₂ = 1) and means m₁, m₂ in s.

    - The mean is Allen–Cunneen's, 1/θ.
    - The squared coefficient of variation v is 1 for many servers. For one server it is that of M/G/1 (Whitt, "The
      Queueing Network Analyzer", 1983, eq. 52): v₁ = 2ρ − 1 + 4(1 − ρ)E[S³] / (3 E[S]³ (c_s² + 1)²). Between them the
      difference decreases as 1/c, as simulation shows.
    - v > 1 is fitted by balanced means, v < 1 by two phases in series (w₂ < 0). One server with hyperexponential service
      has exactly two phases (M/H₂/1, GI/H₂/1).
    - If arrivals are not Poisson, mean and v₁ are those of one server, solved numerically (`gi_g_1`). The factor on the
      mean is used for every c. It is exact in GI/M/c, where the conditional wait is that of one server c times as fast.
    """
    rho = np.minimum(rate * service.mean_s / servers, 1 - 1e-12)
    mean = service.mean_s * (service.arrival_scv + service.scv) / 2 / (servers * (1 - rho))
    fade = 1 / np.maximum(servers, 1.0)
    if service.arrival_scv == 1:
        single = 2 * rho - 1 + 4 * (1 - rho) * third_moment(service) / (3 * (service.scv + 1) ** 2)
    else:
        alone = waits(rho, service.scv, service.arrival_scv)
        mean, single = np.maximum(mean * alone.longer / alone.often, 1e-15), alone.second - 1
    v = np.maximum(1 + (single - 1) * fade, 0.51)
    spread = np.sqrt(np.abs(v - 1) / (v + 1))
    in_row = np.sqrt(np.clip(2 * v - 1, 0.0, 1.0))
    over = v >= 1
    w1 = np.where(over, (1 + spread) / 2, (1 + in_row) / np.where(over, 1.0, 2 * in_row))
    m1 = np.where(over, mean / (1 + spread), mean * (1 + in_row) / 2)
    m2 = np.where(over, mean / np.maximum(1 - spread, 1e-9), np.maximum(mean * (1 - in_row) / 2, 1e-15))
    if service.scv > 1 and np.any(servers < 2):
        one = servers < 2
        if service.arrival_scv == 1:
            fast, slow = _one_server_phases(rate, service, rho)
        else:
            fast, slow = (mean * phase for phase in two_phases(alone))
        share = np.clip((mean - fast) / np.maximum(slow - fast, 1e-15), 0.0, 1.0)
        w1, m1, m2 = np.where(one, share, w1), np.where(one, slow, m1), np.where(one, fast, m2)
    return w1, 1 - w1, m1, m2


def _one_server_phases(rate: Floats, service: ServiceTime, rho: Floats) -> tuple[Floats, Floats]:
    """Mean wait in s of the fast and the slow phase of M/H₂/1: the poles of Pollaczek–Khinchine's transform."""
    mu = phases(service)[1]
    half = (mu.sum() - np.minimum(rate, 1 / service.mean_s)) / 2
    root = np.sqrt(np.maximum(half**2 - mu.prod() * (1 - rho), 0.0))
    return 1 / (half + root), 1 / np.maximum(half - root, 1e-12)


def _waiting(servers: Floats, rate: Floats, service: ServiceTime) -> Floats:
    """P(W > 0): Erlang C. If arrivals are not Poisson, times the factor of one server to the power c^(0.73 − 0.33 ρ).

    The power was fitted to simulations of 2 and 5 servers, for any c_s². Near saturation it is close to the √c of Halfin
    and Whitt's limit (1981).
    """
    poisson = erlang_c(servers, rate * service.mean_s)
    if service.arrival_scv == 1:
        return poisson
    rho = np.minimum(rate * service.mean_s / servers, 1 - 1e-12)
    alone = waits(rho, service.scv, service.arrival_scv)
    more = np.log(alone.often) * np.maximum(servers, 1.0) ** (0.73 - 0.33 * rho)
    found = np.exp(np.minimum(np.log(np.maximum(poisson, 1e-300)) + more, 0.0))
    return np.where(poisson > 0, found, 0.0)


def wait_tail(servers: ArrayLike, rate: ArrayLike, service: ServiceTime, seconds: ArrayLike) -> Floats:
    """P(W > seconds) of the wait alone, G/G/c; 1 if the pool is saturated."""
    c, r, t = np.broadcast_arrays(*(np.asarray(x, float) for x in (servers, rate, seconds)))
    w1, w2, m1, m2 = _wait_phases(c, r, service)
    decay = np.where(t >= 0, w1 * np.exp(-np.maximum(t, 0) / m1) + w2 * np.exp(-np.maximum(t, 0) / m2), 1.0)
    return np.where(r * service.mean_s >= c, 1.0, _waiting(c, r, service) * decay)


def latency_tail(servers: ArrayLike, rate: ArrayLike, service: ServiceTime, seconds: float) -> Floats:
    """P(W + S > seconds): wait and service together, without the round trip; 1 if the pool is saturated.

    W and S of one request are independent in a first-come queue, so the tail is
    P(S > t) + C · E[P(W > t − S | W > 0); S ≤ t].
    """
    c, r = np.broadcast_arrays(np.asarray(servers, float), np.asarray(rate, float))
    if seconds <= 0:
        return np.ones_like(c)
    points, masses = service_nodes(service, float(seconds))
    saturated = r * service.mean_s >= c
    left = np.maximum(seconds - points, 0.0)
    w1, w2, m1, m2 = _wait_phases(c, r, service)
    waited = w1 * (np.exp(-left / m1[..., None]) @ masses) + w2 * (np.exp(-left / m2[..., None]) @ masses)
    total = service_tail(service, seconds) + _waiting(c, r, service) * waited
    return np.where(saturated, 1.0, np.minimum(total, 1.0))


def latency_percentile(
    servers: float, rate: float, service: ServiceTime, percentile: float, round_trip_ms: float = 0.0
) -> float:
    """Latency in ms that the share `percentile` of the requests does not exceed; infinite if the pool is saturated."""
    if rate * service.mean_s >= servers:
        return float("inf")
    seconds = percentile_of(lambda t: float(latency_tail(servers, rate, service, t)), percentile, service.mean_s)
    return round_trip_ms + 1000 * seconds


def percentile_of(tail: Callable[[float], float], percentile: float, scale: float) -> float:
    """The time t with tail(t) = 1 − percentile, for a tail that falls from 1 towards 0; `scale` is a first guess.

    The method is regula falsi (Illinois) on the tail's logarithm, which is nearly straight. It returns the upper end of
    the bracket, to a relative accuracy of 1e-6.
    """
    aim = math.log(1 - percentile)

    def over(t: float) -> float:
        return math.log(max(tail(t), 1e-300)) - aim

    low, high = 0.0, scale
    below, above = -aim, over(high)
    while above > 0:
        low, below = high, above
        high *= 2
        above = over(high)
    side = 0
    for turn in range(90):
        if high - low <= 1e-6 * high:
            break
        # Every third step halves: at a jump of the tail (constant service) the secant alone converges slowly.
        middle = (low + high) / 2 if turn % 3 == 2 else (low * above - high * below) / (above - below)
        middle = min(max(middle, low + 3e-7 * high), high * (1 - 3e-7))
        value = over(middle)
        if value > 0:
            low, below = middle, value
            above = above / 2 if side == 1 else above
            side = 1
        else:
            high, above = middle, value
            below = below / 2 if side == -1 else below
            side = -1
    return high


def reachable(service: ServiceTime, target_ms: float, percentile: float, round_trip_ms: float = 0.0) -> bool:
    """Whether an idle pool keeps the promise: round trip and service alone are within the target."""
    return service_tail(service, (target_ms - round_trip_ms) / 1000) < 1 - percentile


def safe_load(
    servers: ArrayLike, service: ServiceTime, target_ms: float, percentile: float, round_trip_ms: float = 0.0
) -> Floats:
    """Largest mean rate of a step at which the latency percentile stays within the target.

    Args:
        servers: slots of the pool, any shape; 0 gives 0.
        service: service time of the requests. Its peak factor is divided out, so the promise also holds at the peak of a
            step.
        target_ms: latency target including the round trip.
        percentile: share of requests that must meet it, such as 0.95.
        round_trip_ms: network round trip to the tier.

    Returns:
        requests/s, the shape of `servers`; 0 if even an idle pool misses the target.
    """
    c = np.asarray(servers, float)
    seconds = (target_ms - round_trip_ms) / 1000
    if not reachable(service, target_ms, percentile, round_trip_ms):
        return np.zeros_like(c)
    inside = np.clip(c, 0.0, _LARGEST_POOL)
    asked = 1 - percentile
    low, high = np.zeros_like(c), inside / service.mean_s
    slots = np.maximum(inside, 1e-9)
    below, above = np.full_like(c, service_tail(service, seconds) - asked), np.full_like(c, percentile)
    # Halve until the tail is nearly straight within the bracket (4e-6 of its width), then take two secants. The result is
    # accurate to about 1e-9, far below the error of the approximation.
    for turn in range(20):
        middle = (low + high) / 2 if turn < 18 else (low * above - high * below) / (above - below)
        excess = latency_tail(slots, middle, service, seconds) - asked
        holds = excess <= 0
        low, high = np.where(holds, middle, low), np.where(holds, high, middle)
        below, above = np.where(holds, excess, below), np.where(holds, above, excess)
    return low * np.maximum(c / _LARGEST_POOL, 1.0) / service.peak_factor


@dataclass(frozen=True, kw_only=True)
class SafeLoads:
    """Safe load by whole slots, tabulated once per service and promise, with look-up in both directions."""

    service: ServiceTime
    target_ms: float
    percentile: float
    round_trip_ms: float = 0.0

    def load(self, slots: ArrayLike) -> Floats:
        """requests/s that `slots` (rounded down) carry within the promise."""
        whole = np.floor(np.maximum(np.asarray(slots, float), 0) + 1e-9)
        table = self._table
        inside: Floats = np.interp(whole, _GRID, table) * np.maximum(whole / _LARGEST_POOL, 1.0)
        return inside

    def slots(self, rate: ArrayLike) -> Floats:
        """Fewest whole slots that carry the rate; infinite if no number of slots does."""
        found = np.ceil(self.needed(rate) - 1e-9)
        # The table is flat for pools that are too small to carry any load: the step searched for comes after that part.
        return np.where(np.asarray(rate, float) <= 0, 0.0, np.maximum(found, 1.0))

    def needed(self, rate: ArrayLike) -> Floats:
        """Slots that carry the rate, linear between whole ones, so that missing slots are in proportion to missing load."""
        # Rounding must not add a slot: a load returned by `load` maps back to the same slots.
        wanted = np.asarray(rate, float) * (1 - 1e-12)
        table = self._table
        if table[-1] <= 0:
            return np.where(wanted > 0, np.inf, 0.0)
        above = np.clip(np.searchsorted(table, wanted, side="left"), 1, len(table) - 1)
        step = np.maximum(table[above] - table[above - 1], 1e-300)
        inside = _GRID[above - 1] + (_GRID[above] - _GRID[above - 1]) * (wanted - table[above - 1]) / step
        beyond = wanted / table[-1] * _LARGEST_POOL
        return np.where(wanted <= 0, 0.0, np.where(wanted <= table[-1], inside, beyond))

    @cached_property
    def _table(self) -> Floats:
        return _safe_load_table(self.service, self.target_ms, self.percentile, self.round_trip_ms)


@lru_cache(maxsize=1024)
def _safe_load_table(service: ServiceTime, target_ms: float, percentile: float, round_trip_ms: float) -> Floats:
    # The look-up of slots needs monotone values, which the noise of the bisection can break.
    table: Floats = np.maximum.accumulate(safe_load(_GRID, service, target_ms, percentile, round_trip_ms))
    table.setflags(write=False)
    return table
