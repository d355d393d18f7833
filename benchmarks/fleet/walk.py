"""Our sizing walked over the fixture of three tiers: one decision per step, from what was known at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.fleet.fixture import (
    COMMITTED,
    HOT_STEPS,
    SPOT,
    SPOT_START,
    STEP_SECONDS,
    WARM_START,
    ZONE_INTERRUPTIONS_PER_STEP,
    ZONES,
    Fixture,
    Floats,
    InterruptionPath,
)
from forecaster.demand import LEVELS
from forecaster.series.paths import paths_from_ranks
from reconciler.sizing import Option, SizingProblem, size
from reconciler.slo.latency import SafeLoads, ServiceTime
from stacks.contract import ClassDemand, Demand, Tier
from stacks.contract import Service as ContractService

#: So many slots per instance that pooling gains nothing: capacity is a plain sum, as the fixture wants it.
_SERVICE = ContractService(mean_ms=50, concurrency_per_vcpu=8192)
_PROMISE = {"latency_ms": 500.0, "percentile": 0.95}
_TABLE = SafeLoads(service=ServiceTime.of(_SERVICE), target_ms=500.0, percentile=0.95)


def question(it: Fixture, t: int, observed: dict[str, int], share: float) -> SizingProblem:
    """The sizing problem at the start of step t."""
    scale = float(_TABLE.load(_SERVICE.concurrency_per_vcpu))
    near = np.maximum.accumulate(it.quantiles[t, 0]) * scale
    demand = Demand(
        step_seconds=STEP_SECONDS,
        classes={
            "all": ClassDemand(
                **_PROMISE,
                promised_share=share,
                allowed_share=share,
                tiers=(Tier.HOT, Tier.WARM, Tier.COLD),
                levels=LEVELS,
                requests_per_second=tuple(float(x) for x in near),
                service=_SERVICE,
            )
        },
    )
    paths = paths_from_ranks(it.ranks, it.quantiles[t], np.asarray(LEVELS))[:, None, :] * scale
    options = [
        _option("hot", Tier.HOT, observed, usd_per_hour=0.0, boot_seconds=600, maximum=it.hot),
        _option("warm", Tier.WARM, observed, usd_per_hour=1.0, boot_seconds=30, committed=it.committed),
    ]
    spot = {"usd_per_hour": SPOT, "boot_seconds": 180, "interruption": ZONE_INTERRUPTIONS_PER_STEP / 2, "spot": True}
    options += [_option(f"spot-{zone}", Tier.COLD, observed, zone=zone, **spot) for zone in ZONES]
    return SizingProblem(
        demand=demand, paths=paths, options=tuple(options), hysteresis=0.0, switch_seconds=30.0, time_limit_s=5.0
    )


def _option(name: str, tier: Tier, observed: dict[str, int], *, boot_seconds: float, **more: Any) -> Option:
    """One vCPU and 1 GiB of a tier; every boot takes as long."""
    return Option(
        name=name,
        tier=tier,
        instance_type=name.partition("-")[0],
        observed=observed[name],
        boot_seconds=boot_seconds,
        boot_mean_seconds=boot_seconds,
        vcpu=1.0,
        memory_mib=1024.0,
        **{"maximum": 200, **more},
    )


@dataclass(frozen=True, kw_only=True)
class Run:
    """cost in on-demand instance-steps including the commitment; unserved and demand in instance-steps.

    `capacity` (steps,): what was ready.
    """

    cost: float
    unserved: float
    demand: float
    capacity: Floats

    @property
    def share(self) -> float:
        """Obtained share."""
        return self.unserved / self.demand


@dataclass(frozen=True, kw_only=True)
class Sizer:
    """The decisions for one fixture and promised share; the same question is asked once, whatever path leads to it.

    Paths of interruptions part only after one and meet again when it is replaced, so five of them cost little more than
    one.
    """

    it: Fixture
    share: float
    kept: dict[tuple[int, ...], dict[str, int]] = field(default_factory=dict)

    def wanted(self, t: int, observed: dict[str, int]) -> dict[str, int]:
        """Counts by option for step t, when `observed` ran at its start."""
        key = (t, *observed.values())
        if key not in self.kept:
            answer = size(question(self.it, t, observed, self.share), gap=0.005)
            self.kept[key] = {one.option: one.after for one in answer.counts}
        return dict(self.kept[key])


def walked(sizer: Sizer, path: InterruptionPath, steps: int) -> Run:
    """Walk the test with one sizing per step."""
    it = sizer.it
    counts = {"hot": it.hot, "warm": it.committed, "spot-a": 0, "spot-b": 0}
    hot_since = [it.start - 10] * it.hot
    cost, capacity = 0.0, np.zeros(steps)
    for i in range(steps):
        t = it.start + i
        wanted = sizer.wanted(t, counts)
        hot_since = hot_since[: wanted["hot"]] + [t] * (wanted["hot"] - len(hot_since))
        ready = float(sum(since + HOT_STEPS <= t for since in hot_since))
        ready += wanted["warm"] - (1 - WARM_START) * max(wanted["warm"] - counts["warm"], 0)
        cost += COMMITTED * it.committed + max(wanted["warm"] - it.committed, 0)
        for z, zone in enumerate(ZONES):
            name = f"spot-{zone}"
            cost += SPOT * wanted[name]
            started = max(wanted[name] - counts[name], 0)
            left = path.survivors(i, z, wanted[name])
            ready += max(left - (1 - SPOT_START) * started, 0.0)
            wanted[name] = left
        counts, capacity[i] = {name: wanted[name] for name in counts}, ready
    demand = it.demand[it.start : it.start + steps]
    return Run(
        cost=cost,
        unserved=float(np.maximum(demand - capacity, 0).sum()),
        demand=float(demand.sum()),
        capacity=capacity,
    )
