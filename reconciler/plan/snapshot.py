"""What a run knows before it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import DemandForecast
from reconciler.demand.actuals import Actuals
from reconciler.demand.grouping import Grouping
from reconciler.fleet.file import Fleet
from reconciler.guards.clock import GuardTime
from reconciler.guards.order import PastChange
from reconciler.observe.drift import Drift
from reconciler.observe.stack_state import Observed
from reconciler.observe.world import World
from reconciler.prices.catalogue import Catalogue
from reconciler.trust.error_budget import ErrorBudget, HorizonDemand
from reconciler.trust.feedback import Standing
from reconciler.trust.memory import RunMemory
from stacks.contract import Pins, Tier


@dataclass(frozen=True, kw_only=True)
class DemandAhead:
    """Demand per QoS class from the plan's first step on.

    Attributes:
        paths: (paths, classes, steps) requests/s, classes by priority; at least the steps that the sizing looks at.
        horizons: class → what the error budget reads of the whole horizon.
    """

    paths: NDArray[np.float64]
    horizons: Mapping[str, HorizonDemand]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that a plan is decided from.

    Attributes:
        fleet, catalogue: available capacity and its prices.
        forecast, grouping: demand per group, and the groups' classes.
        observed: running instances.
        load_now: requests/s per class in the last known step. No plan goes below the capacity that it needs.
        unreachable: hypervisors that do not answer → error message.
        notes: sentences about the data, prices and fallbacks, for the plan.
        past: changes that were applied before, for cooldowns and the churn window.
        replay: the plan is for an earlier time, from the history known then (`--as-of`).
        demoted: the forecast is a fallback or stale, so nothing is scaled down.
        blocking: QoS class → why no tier that serves it shrinks: its data is lost, or its forecast is not calibrated.
        first_run: no earlier run of this stack is known, so nothing is scaled down.
        latency_now_ms: measured latency per class at its percentile, if any. Above the target it raises the safety floor.
        error_budgets: by class; they decide the share that this plan may miss.
        standing: per class the forecast in use and why. memory: what to keep for the next run; None: nothing.
        forecast_note: which model made the forecast, in a sentence.
        as_of: the time that the plan is for in the history's clock; differs from `now` in a replay.
        now: the wall clock: the plan's expiry counts from it.
        ahead: demand per class as a kept run holds it, in place of the forecast's paths; None: from the forecast.
        pins: sizes that a person has set and that have not ended.
        adopted: names of the slots whose VMs were adopted: no plan removes or moves them.
        drift: differences between the state and what runs.
        world: what runs and is ready, as the run read it; None in a repeated decision.
        actuals: the demand that arrived, as far as the history goes back; None without a history.
        clock: what cooldowns and approvals count from; None: `now`.
    """

    fleet: Fleet
    catalogue: Catalogue
    forecast: DemandForecast
    grouping: Grouping
    observed: Observed
    load_now: Mapping[str, float]
    as_of: datetime
    now: datetime
    stack: str
    ahead: DemandAhead | None = None
    clock: GuardTime | None = None
    unreachable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    past: tuple[PastChange, ...] = ()
    replay: bool = False
    demoted: bool = False
    blocking: Mapping[str, str] = field(default_factory=dict)
    first_run: bool = False
    latency_now_ms: Mapping[str, float] = field(default_factory=dict)
    error_budgets: Mapping[str, ErrorBudget] = field(default_factory=dict)
    standing: tuple[Standing, ...] = ()
    memory: RunMemory | None = None
    forecast_note: str = ""
    drift: tuple[Drift, ...] = ()
    world: World | None = None
    actuals: Actuals | None = None
    pins: Pins = field(default_factory=Pins)
    adopted: frozenset[str] = frozenset()

    @property
    def blocked_tiers(self) -> dict[Tier, str]:
        """Tier → why nothing in it is scaled down; tiers that may shrink are left out."""
        if self.demoted:
            return dict.fromkeys(Tier, "the forecast fell back or is stale")
        found: dict[Tier, list[str]] = {}
        for name, why in self.blocking.items():
            for tier in self.fleet.qos[name].tiers:
                found.setdefault(tier, []).append(why)
        return {tier: "; ".join(found[tier]) for tier in Tier if tier in found}
