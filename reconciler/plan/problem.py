"""The sizing problem of a snapshot: demand section, sample paths, options and bounds. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from reconciler.demand.classes import class_paths, section, services, window
from reconciler.fleet.file import Fleet
from reconciler.plan.placement import Placement
from reconciler.plan.snapshot import DemandAhead, Snapshot
from reconciler.prices.bill import hourly
from reconciler.prices.billed_fleet import BilledFleet
from reconciler.prices.catalogue import Catalogue
from reconciler.sizing import Option, SizingProblem
from reconciler.sizing.options import capacity_of, hosts, options, tier_bounds
from reconciler.sizing.safety_floor import felt_load
from reconciler.trust.error_budget import ErrorBudget, allowed_shares, horizon_demand
from stacks.contract import Slot, Tier

#: Least steps that the integer program looks ahead, and the least time that a start is billed for.
PROGRAM_STEPS, BILLED = 12, timedelta(minutes=1)


def problem_of(snapshot: Snapshot) -> SizingProblem:
    """The sizing's question: demand section, paths from the plan's first step, options, bounds."""
    fleet = snapshot.fleet
    steps = window(snapshot.forecast, snapshot.as_of, snapshot.as_of + fleet.validity)
    by_class = services(snapshot.grouping, fleet, snapshot.forecast.costs)
    ahead = ahead_of(snapshot)
    length = steps.stop - steps.start
    tiers = fleet.tiers
    choices = with_least(
        options(fleet, snapshot.catalogue, snapshot.observed, frozenset(snapshot.unreachable)),
        Counter(f"{tier.value}/{slot.flavour}" for tier, slot in adopted_slots(snapshot)),
    )
    homes = hosts(fleet, frozenset(snapshot.unreachable))
    bounds = tier_bounds(fleet, frozenset(snapshot.unreachable))
    for tier, pin in snapshot.pins.tiers.items():  # the other tiers are sized for what a pin leaves
        size = min(pin.count, capacity_of(fleet, tier, frozenset(snapshot.unreachable)))
        bounds[tier] = (size, size)
    allowed = {
        name: allowed_shares(
            snapshot.error_budgets.get(name, ErrorBudget()),
            ahead.horizons[name],
            promised_share=promise.violating_share,
            steps_per_day=timedelta(days=1) / fleet.step,
        )
        for name, promise in fleet.qos.items()
    }
    demand = section(fleet, ahead.paths, length, by_class, {name: a.window for name, a in allowed.items()})
    running = [option.supply(option.serving) for option in choices]
    return SizingProblem(
        demand=demand,
        paths=ahead.paths[:, :, : steps_ahead(fleet, choices, length)],
        options=choices,
        window=length,
        hosts=homes,
        spare_hosts=tiers.hot.spare_hosts,
        tier_bounds=_possible(bounds, choices),
        budget_usd_per_hour=fleet.guards.usd_per_hour,
        class_usd_per_hour={name: q.usd_per_hour for name, q in fleet.qos.items() if q.usd_per_hour is not None},
        hysteresis=fleet.guards.hysteresis,
        sunk_usd_per_hour=sunk(fleet, snapshot.catalogue),
        load_now=felt_load(demand, snapshot.load_now, snapshot.latency_now_ms, running),
        first_run=snapshot.first_run or snapshot.observed.first_run,
        keep_observed=frozenset(tier.value for tier in snapshot.blocked_tiers if tier not in snapshot.pins.tiers),
        horizon_share={name: a.horizon for name, a in allowed.items()},
    )


def adopted_slots(snapshot: Snapshot) -> list[tuple[Tier, Slot]]:
    """Slots of adopted VMs on hosts that answer."""
    return [
        (tier, slot)
        for tier, slots in snapshot.observed.slots.items()
        for slot in slots
        if slot.name(tier.value) in snapshot.adopted and slot.hypervisor not in snapshot.unreachable
    ]


def with_least(choices: Sequence[Option], least: Mapping[str, int]) -> tuple[Option, ...]:
    """The options with a minimum of the count in `least`, as far as there is room for it."""
    return tuple(
        replace(o, minimum=min(max(o.minimum, least[o.name]), o.maximum)) if least.get(o.name) else o for o in choices
    )


def ahead_of(snapshot: Snapshot) -> DemandAhead:
    """Demand per class from the plan's first step on: of the forecast, where the snapshot does not hold it."""
    if snapshot.ahead is not None:
        return snapshot.ahead
    fleet = snapshot.fleet
    steps = window(snapshot.forecast, snapshot.as_of, snapshot.as_of + fleet.validity)
    paths = class_paths(snapshot.forecast, snapshot.grouping, fleet, steps.start)
    length = steps.stop - steps.start
    horizons = {name: horizon_demand(paths[:, k], window=length) for k, name in enumerate(fleet.qos)}
    return DemandAhead(paths=paths, horizons=horizons)


def steps_ahead(fleet: Fleet, choices: tuple[Option, ...], window: int) -> int:
    """Steps that the program looks at: the plan's own, and as many as decide whether a start of now will have paid.

    At least the longest boot, the longer cooldown and the least billed time; the forecast's horizon may be shorter.
    """
    boot = timedelta(seconds=max((o.boot_seconds for o in choices), default=0.0))
    ahead = boot + max(fleet.guards.cooldown_up, fleet.guards.cooldown_down) + max(BILLED, fleet.step)
    return max(PROGRAM_STEPS, window, math.ceil(ahead / fleet.step - 1e-9))


def _possible(bounds: Mapping[Tier, tuple[int, int]], choices: Sequence[Option]) -> dict[Tier, tuple[int, int]]:
    """Bounds of the tiers that have options; a declared minimum gives way to what can be had."""
    offered = {tier: [o.maximum for o in choices if o.tier is tier] for tier in bounds}
    return {tier: (min(low, sum(offered[tier])), high) for tier, (low, high) in bounds.items() if offered[tier]}


def sunk(fleet: Fleet, catalogue: Catalogue) -> float:
    """USD/hour that is paid whatever is decided: own hosts, commitments, reservations, load balancer."""
    return hourly(
        BilledFleet(
            commitments=fleet.tiers.warm.commitments,
            reservations=fleet.tiers.warm.reservations,
            hypervisors=tuple((tier, host.name) for tier in Tier for host in fleet.tiers.of(tier).own_hosts),
            load_balancers=int(fleet.routing is not None and bool(fleet.routing.vpc)),
        ),
        catalogue,
    ).usd_per_hour


def with_room(problem: SizingProblem, counts: Mapping[str, int], places: Mapping[Tier, Placement]) -> SizingProblem:
    """The problem with at most as many VMs of a flavour as found a place; a tier's minimum gives way to that."""
    missing = {
        f"{tier.value}/{name}": n for tier, found in places.items() for name, n in (found.unplaced or {}).items()
    }
    choices = tuple(
        replace(o, maximum=counts[o.name] - missing[o.name]) if o.name in missing else o for o in problem.options
    )
    most = {tier: sum(o.maximum for o in choices if o.tier is tier) for tier in problem.tier_bounds}
    bounds = {tier: (min(low, most[tier]), high) for tier, (low, high) in problem.tier_bounds.items()}
    return replace(problem, options=choices, tier_bounds=bounds)
