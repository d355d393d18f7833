"""The sizing problem: pure data, already checked, in the units of the formulas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reconciler.errors import ContradictoryBounds
from reconciler.sizing.boot_time import BootTime
from reconciler.sizing.option_cost import Mixed, Waiting
from reconciler.sizing.safety_floor import floor_demand
from reconciler.slo.assess import Judge, Supply
from reconciler.slo.latency import ServiceTime
from stacks.contract import Demand, Tier

#: Maximum of an option that nothing limits, in instances.
UNLIMITED = 10_000


@dataclass(frozen=True, kw_only=True)
class Option:
    """One kind of instance that is available in one tier (and zone). The program decides its count.

    Attributes:
        name: unique key, such as `warm/m5.large` or `cold/burst@us-east-1a`.
        instance_type: type, flavour, or group of interchangeable types (with the size of the smallest).
        vcpu, memory_mib, network_mbps: of one instance; network None: not a constraint.
        usd_per_hour: price of one more instance; 0 where it is owned.
        mixed: both prices of a group that is bought at two markets; then `usd_per_hour` is the mean of many.
        upkeep_usd_per_hour: cost of each instance in addition to its price, committed or not: its volume.
        waiting: the ready pool, which is paid whether a reactive policy starts its instances or not.
        committed: instances paid for whether used or not: free up to this count.
        minimum, maximum: bounds on the count (guards, quotas).
        observed: instances that exist now.
        ready: how many of them serve; None: all. The others serve after their boot time.
        boot_seconds: time after which a new instance serves with 95 % probability; decides the lead in steps.
        boot_mean_seconds: mean of it, for the cost of a start; billed from launch.
        zone, interruption, interrupted_share: probability per step that an interruption in the zone takes that share of
            them; interruption 0: they stay.
        spot: whether it is bought at the spot market; on_demand_usd_per_hour: what it would cost without it.
        ready_share: booted instances that wait, as a share of the count; started where demand runs over (recourse).
        ready_seconds: time in which they do.
    """

    name: str
    tier: Tier
    instance_type: str
    vcpu: float
    memory_mib: float
    usd_per_hour: float
    network_mbps: float | None = None
    committed: int = 0
    minimum: int = 0
    maximum: int = UNLIMITED
    observed: int = 0
    ready: int | None = None
    boot_seconds: float = 180.0
    boot_mean_seconds: float = 90.0
    zone: str = ""
    interruption: float = 0.0
    interrupted_share: float = 1.0
    spot: bool = False
    on_demand_usd_per_hour: float | None = None
    ready_share: float = 0.0
    ready_seconds: float = 30.0
    mixed: Mixed | None = None
    upkeep_usd_per_hour: float = 0.0
    waiting: Waiting | None = None

    @property
    def boot(self) -> BootTime:
        """Boot time of one instance."""
        return BootTime(p95_s=self.boot_seconds, mean_s=self.boot_mean_seconds)

    def usd(self, count: int) -> float:
        """USD/hour of `count` instances, exactly as in the bill, without cost that is paid anyway."""
        running = self.mixed.usd(count) if self.mixed else max(count - self.committed, 0) * self.usd_per_hour
        return running + count * self.upkeep_usd_per_hour + (self.waiting.usd(count) if self.waiting else 0.0)

    @property
    def beside_usd(self) -> float:
        """USD/hour of one more instance in addition to its price, including its share of the pool (not rounded)."""
        pool = self.waiting.share * self.waiting.usd_per_hour if self.waiting else 0.0
        return self.upkeep_usd_per_hour + pool

    def pooled(self, count: int) -> int:
        """Instances in the ready pool of a group with `count` instances."""
        return min(math.ceil(self.ready_share * count), max(self.maximum - count, 0))

    @property
    def serving(self) -> int:
        """Observed instances that serve now."""
        return self.observed if self.ready is None else min(self.ready, self.observed)

    def supply(self, count: int, window: int = 1) -> Supply:
        """`count` instances as supply for `assess`, over a plan of `window` steps."""
        return Supply(
            tier=self.tier,
            instance_type=self.instance_type,
            vcpu=self.vcpu,
            memory_mib=self.memory_mib,
            count=count,
            network_mbps=self.network_mbps,
            zone=self.zone,
            interruption=1 - (1 - self.interruption) ** window,
            interrupted_share=self.interrupted_share,
        )


@dataclass(frozen=True, kw_only=True)
class OwnHost:
    """A hypervisor (or bare-metal host) that carries the options of a tier."""

    name: str
    tier: Tier
    cores: int
    memory_mib: int


@dataclass(frozen=True, kw_only=True)
class SizingProblem:
    """The whole sizing problem.

    Attributes:
        demand: the plan's demand section: promises, tiers and quantiles per class in order of priority. The sizes keep
            every promise against exactly this, as `assess` judges it.
        paths: (paths, classes, horizon) requests/s, joint samples; step 0 is the first step of the plan.
        options: the available kinds of instances.
        window: steps for which the counts of this plan hold.
        hosts, spare_hosts: own hosts, and how many may be lost with every promise still kept (N+1 = 1).
        tier_bounds: least and most instances per tier.
        budget_usd_per_hour: ceiling of the plan's cost including `sunk_usd_per_hour`.
        class_usd_per_hour: ceiling of a class's share of the cost, by the share of each tier's instances that it uses.
        sunk_usd_per_hour: cost that no decision changes: commitments, reservations, load balancers.
        load_now: requests/s measured now per class: the safety floor.
        first_run: a stack's first run never scales down.
        keep_observed: tiers or options (by name) that must not shrink, e.g. on a demoted forecast.
        hysteresis: share of the horizon's cost that a change must save to be made (`guards.hysteresis` in fleet.yaml).
        switch_seconds: running time that a start or stop is priced at, against churn.
        horizon_share: per class the allowed share of the horizon's requests that may be missed; the promised one where absent.
            The plan's own share is in the demand section.
        time_limit_s: for the integer program.
    """

    demand: Demand
    paths: NDArray[np.float64]
    options: tuple[Option, ...]
    window: int = 1
    hosts: tuple[OwnHost, ...] = ()
    spare_hosts: int = 0
    tier_bounds: Mapping[Tier, tuple[int, int]] = field(default_factory=dict)
    budget_usd_per_hour: float | None = None
    class_usd_per_hour: Mapping[str, float] = field(default_factory=dict)
    sunk_usd_per_hour: float = 0.0
    load_now: Mapping[str, float] = field(default_factory=dict)
    first_run: bool = False
    keep_observed: frozenset[str] = frozenset()
    hysteresis: float = 0.02
    switch_seconds: float = 60.0
    horizon_share: Mapping[str, float] = field(default_factory=dict)
    time_limit_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a problem that no program can solve. Each message says what to change."""
        count, classes, horizon = self.paths.shape
        if classes != len(self.demand.classes) or count < 1:
            raise ValueError(f"paths are {self.paths.shape}, expected (·, {len(self.demand.classes)}, ·)")
        if not 1 <= self.window <= horizon:
            raise ValueError(f"window is {self.window} steps, expected 1 to the horizon of {horizon}")
        if not np.isfinite(self.paths).all() or (self.paths < 0).any():
            raise ValueError("paths must be finite and not negative")
        names = [o.name for o in self.options]
        if len(names) != len(set(names)):
            raise ValueError("two options have the same name")
        for option in self.options:
            if option.minimum > option.maximum:
                raise ContradictoryBounds(option.name, option.minimum, option.maximum)
            if not (math.isfinite(option.usd_per_hour) and option.usd_per_hour >= 0):
                raise ValueError(f"option {option.name}: usd_per_hour is {option.usd_per_hour}")
            if option.usd_per_hour == 0 and option.tier is not Tier.HOT and not self._hosted(option.tier):
                raise ValueError(f"option {option.name} costs nothing; only owned instances may")
        for tier, (low, high) in self.tier_bounds.items():
            if low > high:
                raise ContradictoryBounds(f"tier {tier.value}", low, high)

    def _hosted(self, tier: Tier) -> bool:
        return any(h.tier is tier for h in self.hosts)

    @cached_property
    def judge(self) -> Judge:
        """`assess` of the demand section for counts in the options' order."""
        return Judge(self.demand, [o.supply(1, self.window) for o in self.options])

    @cached_property
    def judge_uninterrupted(self) -> Judge:
        """The same without interruptions."""
        return Judge(self.demand, self._uninterrupted())

    @cached_property
    def judge_now(self) -> Judge:
        """The same with the measured load instead of the quantiles, without interruptions: the safety floor."""
        return Judge(floor_demand(self.demand, self.load_now), self._uninterrupted(), fine=1)

    def _uninterrupted(self) -> list[Supply]:
        return [replace(o.supply(1), interruption=0.0) for o in self.options]

    @property
    def horizon(self) -> int:
        """Steps looked ahead."""
        return int(self.paths.shape[2])

    def lead(self, option: Option) -> int:
        """Whole steps before a new instance of the option serves. Less than half a step counts as 0."""
        return max(math.ceil(option.boot_seconds / self.demand.step_seconds - 0.5), 0)

    def service(self, name: str) -> ServiceTime:
        """The service of a class: exactly the demand section's, which the policy judges by."""
        return ServiceTime.of(self.demand.classes[name].service)

    def share_ahead(self, name: str) -> float:
        """Share of a class's requests over the horizon that may be missed."""
        return self.horizon_share.get(name, self.demand.classes[name].promised_share)

    def floor_of(self, option: Option) -> int:
        """Least count of an option: its minimum, or its running instances if it must not shrink."""
        held = self.first_run or option.name in self.keep_observed or option.tier.value in self.keep_observed
        return max(option.minimum, min(option.observed, option.maximum) if held else 0)
