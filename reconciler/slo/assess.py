"""The assessment of a fleet: latency and expected share of late requests per QoS class.

Sizing optimises against this assessment, and the latency policy repeats it.

- Classes share the instances of a tier. A class uses the share of instances that carries its load within its promise
  (`latency.safe_load`), in the order of its tiers.
- Classes are served in the order of the demand section, which is their priority.
- Load above what all tiers of a class carry within the promise counts as late:

    expected share = E[(d − s)⁺] / E[d],     shortfall probability = P(d > s)

- Both are taken over the demand's quantiles and the interruptions of spot zones. All classes are at the same quantile
  level at once (a shared peak), which is the conservative choice when only the marginals are known.
- Only the expected share is comparable to a promised or an allowed share. The shortfall probability is not a share of
  requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reconciler.slo.interruptions import Interruptions, interruption_states
from reconciler.slo.latency import SafeLoads, ServiceTime, latency_tail, percentile_of
from reconciler.slo.scenarios import aligned_scenarios
from stacks.contract import ClassDemand, Demand, Tier

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Supply:
    """Ready instances of one kind in one tier.

    Attributes:
        vcpu, memory_mib, network_mbps: size of one instance; network None: no constraint.
        interruption: probability that an interruption in `zone` takes `interrupted_share` of the instances while the
            plan is valid; 0 for capacity that can't be interrupted.
    """

    tier: Tier
    instance_type: str
    vcpu: float
    memory_mib: float
    count: int
    network_mbps: float | None = None
    zone: str = ""
    interruption: float = 0.0
    interrupted_share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ClassAssessment:
    """The assessment of one class.

    Attributes:
        latency_ms: latency at the class's percentile when demand is at its quantile `level`; infinite if the class is
            overloaded or no instance serves it.
        safe_rps: load carried within the promise while the other classes are at that level, requests/s.
        promised_share: share of requests that the class may miss over weeks.
        allowed_share: share of requests that this plan may miss.
        expected_share: share of requests that this plan is expected to miss.
        shortfall_probability: probability that the plan's largest demand exceeds the safe load, however little.
        served: requests/s by tier at `level`.
        used: share of each tier's instances that the class uses.
        reachable: False if no tier with instances meets the target even at the smallest load.
    """

    name: str
    target_ms: float
    percentile: float
    level: float
    demand_rps: float
    safe_rps: float
    latency_ms: float
    promised_share: float
    allowed_share: float
    expected_share: float
    shortfall_probability: float
    served: Mapping[Tier, float] = field(default_factory=dict)
    used: Mapping[Tier, float] = field(default_factory=dict)
    reachable: bool = True

    @property
    def holds(self) -> bool:
        """Whether the expected share of late requests is at most the allowed share."""
        return self.expected_share <= self.allowed_share * (1 + 1e-9)


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """All classes in order of priority, and the share of each tier's instances in use when each class is at its level."""

    classes: tuple[ClassAssessment, ...]
    utilisation: Mapping[Tier, float]

    @property
    def holds(self) -> bool:
        """Whether every class keeps its allowed share."""
        return all(c.holds for c in self.classes)

    def of(self, name: str) -> ClassAssessment:
        """The assessment of the class with that name."""
        return next(c for c in self.classes if c.name == name)


def slots_per_instance(supply: Supply, service: ServiceTime) -> int:
    """Whole slots of a class on one instance. The scarcest of vCPU, memory and network decides.

    A network of B bytes/s carries B / (bytes per request) requests/s. By Little's law that rate × the mean service time
    is the number of busy slots.
    """
    slots = supply.vcpu * service.concurrency_per_vcpu
    if service.memory_mib > 0:
        slots = min(slots, supply.memory_mib / service.memory_mib)
    if service.network_bytes > 0 and supply.network_mbps is not None:
        slots = min(slots, supply.network_mbps * 1e6 / 8 / service.network_bytes * service.mean_s)
    return int(slots + 1e-9)


def assess(
    demand: Demand,
    supply: Sequence[Supply],
    *,
    fine: int = 4,
    latency: bool = True,
) -> Assessment:
    """Assess a fleet against the demand section of a plan.

    Args:
        demand: per class its promise, tiers and quantiles of requests/s, in order of priority.
        supply: ready instances; several entries per tier and type are allowed.
        fine: points between two quantile levels.
        latency: False leaves `latency_ms` at NaN. A search needs only the expected shares.

    Returns:
        One assessment per class in the same order.
    """
    return Judge(demand, supply, fine=fine).of([s.count for s in supply], latency=latency)


class Judge:
    """`assess` for many fleets of the same kinds of instances. Everything that does not depend on counts is computed once."""

    def __init__(self, demand: Demand, kinds: Sequence[Supply], *, fine: int = 4) -> None:
        self.tiers = [s.tier for s in kinds]
        self.interruptions = interruption_states([(s.zone, s.interruption, s.interrupted_share) for s in kinds])
        rates, self.mass = aligned_scenarios(demand, fine)
        self.wanted = [
            _Wanted(name, wanted, kinds, rates[:, index]) for index, (name, wanted) in enumerate(demand.classes.items())
        ]

    def of(self, counts: Sequence[int], *, latency: bool = False) -> Assessment:
        """Assess `counts` instances of each kind, in the order of the kinds."""
        routing = _Routing(self.tiers, self.interruptions, np.asarray(counts, float))
        routes = [_ClassRoute(wanted, routing) for wanted in self.wanted]
        return Assessment(
            classes=tuple(r.assessment(self.mass, latency) for r in routes),
            utilisation={t: float(1 - routing.free[t][-1, 0]) if t in routing.free else 0.0 for t in routing.tiers},
        )


class _Wanted:
    """Demand and safe loads of one class on each kind of instance. The last rate is the demand at `level`."""

    def __init__(self, name: str, demand: ClassDemand, kinds: Sequence[Supply], rates: Floats) -> None:
        self.name, self.demand, self.service = name, demand, ServiceTime.of(demand.service)
        self.level = 1 - demand.allowed_share
        self.rates = np.append(rates, float(np.interp(self.level, demand.levels, demand.requests_per_second)))
        self.slots = {
            t: np.array([slots_per_instance(s, self.service) if s.tier is t else 0 for s in kinds], float)
            for t in demand.tiers
        }
        self.safe_loads = {
            t: SafeLoads(
                service=self.service,
                target_ms=demand.latency_ms,
                percentile=demand.percentile,
                round_trip_ms=demand.round_trip_ms.get(t, 0.0),
            )
            for t in demand.tiers
        }


class _Routing:
    """Free share of every tier's instances, by demand scenario (axis 0) and interruption state (axis 1)."""

    def __init__(self, tiers: Sequence[Tier], interruptions: Interruptions, counts: Floats) -> None:
        self.interruptions, self.counts = interruptions, counts
        present = {t for t, count in zip(tiers, counts, strict=True) if count}
        self.tiers = [t for t in Tier if t in present]
        self.free: dict[Tier, Floats] = {}

    def slots(self, each: Floats) -> Floats:
        """(interruption states,) slots of the whole tier; `each` is the slots per instance of each kind."""
        return self.interruptions.left @ (self.counts * each) if len(each) else np.zeros(len(self.interruptions.left))


class _ClassRoute:
    """How one class is served in every scenario, from what the classes before it left."""

    def __init__(self, wanted: _Wanted, routing: _Routing) -> None:
        self.wanted, self.routing = wanted, routing
        self.served: dict[Tier, Floats] = {}
        self.share: dict[Tier, Floats] = {}
        self.total: dict[Tier, Floats] = {}
        rest = np.repeat(wanted.rates[:, None], len(routing.interruptions.left), axis=1)
        for tier in wanted.demand.tiers:
            if tier not in routing.tiers:
                continue
            free = routing.free.setdefault(tier, np.ones_like(rest))
            total = self.total[tier] = routing.slots(wanted.slots[tier])
            table = wanted.safe_loads[tier]
            taken = np.minimum(table.load(free * total), rest)
            used = np.minimum(table.slots(taken), total)
            share = np.minimum(np.divide(used, total, out=np.zeros_like(free), where=total > 0), free)
            routing.free[tier] = np.maximum(free - share, 0.0)
            self.served[tier], self.share[tier] = taken, share
            rest = np.maximum(rest - taken, 0.0)
        self.unserved = rest

    def assessment(self, mass: Floats, latency: bool) -> ClassAssessment:
        """The assessment of the class after all classes are routed. `mass` is the probability of each scenario."""
        wanted, routing = self.wanted, self.routing
        rates = wanted.rates[:-1]
        weights = mass[:, None] * routing.interruptions.probability
        missed = np.where(self.unserved[:-1] > 1e-9 * np.maximum(rates[:, None], 1e-9), self.unserved[:-1], 0.0)
        volume = float(mass @ rates)
        usable = any(wanted.safe_loads[t].load(self.total[t]).max() > 0 for t in self.served)
        return ClassAssessment(
            name=wanted.name,
            target_ms=wanted.demand.latency_ms,
            percentile=wanted.demand.percentile,
            level=wanted.level,
            demand_rps=float(wanted.rates[-1]),
            safe_rps=self._safe(),
            latency_ms=self._latency() if latency else float("nan"),
            promised_share=wanted.demand.promised_share,
            allowed_share=wanted.demand.allowed_share,
            expected_share=float((weights * missed).sum()) / volume if volume > 0 else 0.0,
            shortfall_probability=float(weights[missed > 0].sum()),
            served={t: float(x[-1, 0]) for t, x in self.served.items()},
            used={t: float(x[-1, 0]) for t, x in self.share.items()},
            reachable=usable or not self.served,
        )

    def _safe(self) -> float:
        """Load that the class could carry next to the others: its served load plus what the tiers' free shares carry."""
        total = 0.0
        for tier, share in self.share.items():
            part = (share + self.routing.free[tier])[-1, 0]
            total += float(self.wanted.safe_loads[tier].load(part * self.total[tier][0]))
        return total

    def _latency(self) -> float:
        """Percentile of the mixture over tiers at `level`, without interruptions, at the peak of the step.

        Free instances serve requests too: the shares of a tier's classes are scaled up to the whole tier. Demand above
        the safe load is spread over the class's slots, as a balancer without admission control does.
        """
        service, demand, rate = self.wanted.service, self.wanted.demand, self.wanted.rates[-1]
        slots, loads = [], []
        for tier, share in self.share.items():
            mine, free = float(share[-1, 0]), float(self.routing.free[tier][-1, 0])
            stretched = mine / max(1 - free, 1e-12)
            slots.append(min(stretched, 1.0) * float(self.total[tier][0]))
            loads.append(float(self.served[tier][-1, 0]))
        if rate <= 0:
            return 0.0
        extra = float(self.unserved[-1, 0])
        if sum(slots) <= 0:
            return float("inf")
        busy = [load + extra * slot / sum(slots) for load, slot in zip(loads, slots, strict=True)]
        parts = [
            (b / sum(busy), s, b * service.peak_factor, demand.round_trip_ms.get(t, 0.0))
            for t, s, b in zip(self.share, slots, busy, strict=True)
            if b > 0
        ]
        return _mixture_percentile(parts, service, demand.percentile)


def _mixture_percentile(
    parts: Sequence[tuple[float, float, float, float]], service: ServiceTime, percentile: float
) -> float:
    """Latency in ms not exceeded by `percentile` of requests over parts (weight, slots, requests/s, round trip ms)."""

    def beyond(ms: float) -> float:
        return sum(w * float(latency_tail(c, r, service, (ms - trip) / 1000)) for w, c, r, trip in parts)

    saturated = sum(w for w, c, r, _ in parts if r * service.mean_s >= c)
    if saturated >= 1 - percentile:
        return float("inf")
    return percentile_of(beyond, percentile, 1000 * service.mean_s + max(trip for *_, trip in parts))
