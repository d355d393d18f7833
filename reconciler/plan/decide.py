"""From a forecast and what runs to a plan: the decisions of one run in their order. Pure.

forecast → demand section → sizes → guards → places → configuration → plan file
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from forecaster.demand import DemandForecast
from reconciler.demand.classes import class_paths, section, services, window
from reconciler.demand.grouping import Grouping
from reconciler.fleet.file import Fleet
from reconciler.guards.guarded import GuardedSizing, guarded, rules_of
from reconciler.guards.order import PastChange
from reconciler.observe.stack_state import Observed
from reconciler.plan.compose import compose
from reconciler.plan.file import ClassLine, PlanFile, TierLine, config_values
from reconciler.plan.notes import latency_notes, minimum_notes, placement_notes, unreachable_notes
from reconciler.plan.placement import Placement, place
from reconciler.prices import bill as cost
from reconciler.prices.catalogue import Catalogue
from reconciler.sizing import Option, Sizing, SizingProblem, size
from reconciler.sizing.options import hosts, options, tier_bounds
from reconciler.sizing.safety_floor import felt_load
from reconciler.slo.assess import ClassAssessment
from reconciler.trust.error_budget import ErrorBudget, allowed_shares
from reconciler.trust.feedback import Standing
from reconciler.trust.memory import Memory
from stacks.contract import Demand, Plan, StackConfig, Tier, demand_digest

#: Least steps that the integer program looks ahead, and the least time that a start is billed for.
PROGRAM_STEPS, BILLED = 12, timedelta(minutes=1)
#: Most times that a plan is sized again because VMs found no room beside each other.
_ROUNDS = 12
#: Quantile levels that people are shown.
SHOWN = ("0.5", "0.95", "0.99")


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that a plan is decided from.

    Attributes:
        fleet, catalogue: what may be had, and at which price.
        forecast, grouping: demand per group, and the groups' classes.
        observed: what runs.
        load_now: requests/s per class in the last step known: no plan goes below what it needs.
        unreachable: hypervisors that do not answer → what was said.
        notes: sentences about the data, prices and fallbacks, for the plan.
        past: changes that were applied before, for cooldowns and the churn window.
        demoted: the forecast fell back or is stale: nothing shrinks on it.
        first_run: no earlier run of this stack is known: nothing shrinks in the first.
        latency_now_ms: measured latency per class at its percentile, where there is one: over target the floor rises.
        error_budgets: by class; they decide the share that this plan may miss.
        standing: per class the forecast in use and why. memory: what to keep for the next run; None: nothing.
        as_of: the time that the plan is for in the history's clock; differs from `now` in a replay.
        now: the wall clock: the plan's expiry counts from it.
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
    unreachable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    past: tuple[PastChange, ...] = ()
    demoted: bool = False
    first_run: bool = False
    latency_now_ms: Mapping[str, float] = field(default_factory=dict)
    error_budgets: Mapping[str, ErrorBudget] = field(default_factory=dict)
    standing: tuple[Standing, ...] = ()
    memory: Memory | None = None


def decide(it: Situation, problem: SizingProblem | None = None) -> PlanFile:
    """The plan. Always one: where a promise or the budget cannot be kept it is the best to be had, and says so.

    `problem` is the situation's own (`problem_of`), for callers that need it too; None states it here.
    """
    problem = problem or problem_of(it)
    held = sized(it, problem)
    said = (*latency_notes(problem, it.load_now, it.latency_now_ms), *minimum_notes(it.fleet, problem))
    return plan_of(it, problem, held.sizing, (*held.notes, *said))


def sized(it: Situation, problem: SizingProblem, warm: Sizing | None = None) -> GuardedSizing:
    """The counts of a situation's problem, or of one changed by a what-if: sized (from a former answer), then guarded.

    The program sees own hosts by their sums; where VMs of several sizes do not find room beside each other, it is asked
    again with what does.
    """
    for _ in range(_ROUNDS):
        held = guarded(
            problem,
            size(problem, warm=warm),
            rules_of(it.fleet),
            now=it.now,
            past=it.past,
            demoted="the forecast fell back or is stale" if it.demoted else "",
        )
        counts = {c.option: c.after for c in held.sizing.counts}
        places = places_of(it, counts)
        if not any(found.unplaced for found in places.values()):
            break
        problem, warm = _with_room(problem, counts, places), held.sizing
    return held


def _with_room(problem: SizingProblem, counts: Mapping[str, int], places: Mapping[Tier, Placement]) -> SizingProblem:
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


def problem_of(it: Situation) -> SizingProblem:
    """The sizing's question: demand section, paths from the plan's first step, options, bounds."""
    fleet = it.fleet
    steps = window(it.forecast, it.as_of, it.as_of + fleet.validity)
    by_class = services(it.grouping, fleet, it.forecast.costs)
    paths = class_paths(it.forecast, it.grouping, fleet, steps.start)
    length = steps.stop - steps.start
    tiers = fleet.tiers
    choices = options(fleet, it.catalogue, it.observed, frozenset(it.unreachable))
    homes = hosts(fleet, frozenset(it.unreachable))
    bounds = tier_bounds(fleet, frozenset(it.unreachable))
    allowed = {
        name: allowed_shares(
            it.error_budgets.get(name, ErrorBudget()),
            paths[:, k],
            window=length,
            promised_share=promise.violating_share,
            steps_per_day=timedelta(days=1) / fleet.step,
        )
        for k, (name, promise) in enumerate(fleet.qos.items())
    }
    demand = section(fleet, paths, length, by_class, {name: a.window for name, a in allowed.items()})
    running = [option.supply(option.observed) for option in choices]
    return SizingProblem(
        demand=demand,
        paths=paths[:, :, : steps_ahead(fleet, choices, length)],
        options=choices,
        window=length,
        hosts=homes,
        spare_hosts=tiers.hot.spare_hosts,
        tier_bounds={tier: b for tier, b in bounds.items() if any(o.tier is tier for o in choices)},
        budget_usd_per_hour=fleet.guards.usd_per_hour,
        class_usd_per_hour={name: q.usd_per_hour for name, q in fleet.qos.items() if q.usd_per_hour is not None},
        sunk_usd_per_hour=sunk(fleet, it.catalogue),
        load_now=felt_load(demand, it.load_now, it.latency_now_ms, running),
        first_run=it.first_run or it.observed.first_run,
        keep_observed=frozenset(tier.value for tier in Tier) if it.demoted else frozenset(),
        horizon_share={name: a.horizon for name, a in allowed.items()},
    )


def steps_ahead(fleet: Fleet, choices: tuple[Option, ...], window: int) -> int:
    """Steps that the program looks at: the plan's own, and as many as decide whether a start of now will have paid.

    At least the longest boot, the longer cooldown and the least billed time; the forecast's horizon may be shorter.
    """
    boot = timedelta(seconds=max((o.boot_seconds for o in choices), default=0.0))
    ahead = boot + max(fleet.guards.cooldown_up, fleet.guards.cooldown_down) + max(BILLED, fleet.step)
    return max(PROGRAM_STEPS, window, math.ceil(ahead / fleet.step - 1e-9))


def sunk(fleet: Fleet, catalogue: Catalogue) -> float:
    """USD/hour that is paid whatever is decided: own hosts, commitments, reservations, load balancer."""
    return cost.hourly(
        cost.Fleet(
            commitments=fleet.tiers.warm.commitments,
            reservations=fleet.tiers.warm.reservations,
            hypervisors=tuple(
                (tier, host.name)
                for tier, hosts in ((Tier.HOT, fleet.tiers.hot.hypervisors), (Tier.COLD, fleet.tiers.cold.hosts))
                for host in hosts
            ),
            load_balancers=int(fleet.routing is not None and bool(fleet.routing.vpc)),
        ),
        catalogue,
    ).usd_per_hour


def plan_of(it: Situation, problem: SizingProblem, sizing: Sizing, guards: tuple[str, ...] = ()) -> PlanFile:
    """The plan file of a sizing: places, configuration, and the lines that people read; `guards`: those that bound."""
    counts = {c.option: c.after for c in sizing.counts}
    places = places_of(it, counts)
    slots = {tier: found.slots for tier, found in places.items()}
    until = it.now + it.fleet.validity
    draft = Plan(
        id="",
        created_at=it.now,
        cutoff=it.forecast.cutoff,
        valid_until=until,
        forecast_digest=demand_digest(problem.demand),
        catalogue_digest=it.catalogue.digest(),
    )
    config = compose(it.fleet, counts=counts, slots=slots, demand=problem.demand, plan=draft)
    seen = {c.option: c.before for c in sizing.counts}  # what is on silent hosts costs nothing more or less
    running = compose(it.fleet, counts=seen, slots=it.observed.slots, demand=problem.demand, plan=draft)
    before, after = _bill(running, it.catalogue), _bill(config, it.catalogue)
    plan = PlanFile(
        fleet=it.fleet.name,
        stack=it.stack,
        created_at=it.now,
        valid_until=until,
        cutoff=it.forecast.cutoff,
        tiers=tuple(_tier_line(tier, it, sizing, before, after) for tier in Tier if tier in it.fleet.declared),
        classes=tuple(_class_line(found, problem.demand) for found in sizing.assessment.classes),
        usd_per_hour_before=before.usd_per_hour,
        usd_per_hour_after=after.usd_per_hour,
        reasons=(*sizing.problems, *guards, *placement_notes(places), *it.notes, *unreachable_notes(it.unreachable)),
        models=dict(zip(it.forecast.applications, it.forecast.models, strict=True)),
        skipped=tuple(sorted(it.unreachable)),
        demoted=it.demoted,
        prices={o.name: round(o.usd_per_hour, 9) for o in problem.options},
        config=config_values(config, it.fleet.config),
    ).identified()
    config = config.model_copy(update={"plan": draft.model_copy(update={"id": plan.id})})
    return plan.model_copy(update={"config": config_values(config, it.fleet.config)})


def places_of(it: Situation, counts: Mapping[str, int]) -> dict[Tier, Placement]:
    """Where the VMs on our own metal go; what runs on hosts that do not answer stays where it is."""
    tiers = it.fleet.tiers
    silent = frozenset(it.unreachable)
    found = {}
    for tier, homes, flavours, spare in (
        (Tier.HOT, tiers.hot.hypervisors, tiers.hot.flavours, tiers.hot.spare_hosts),
        (Tier.COLD, tiers.cold.hosts, tiers.cold.flavours, 0),
    ):
        current = it.observed.slots.get(tier, ())
        left_alone = Counter(slot.flavour for slot in current if slot.hypervisor in silent)
        wanted = {f.name: counts.get(f"{tier.value}/{f.name}", 0) + left_alone[f.name] for f in flavours}
        found[tier] = place(homes, flavours, wanted, current, spare=spare, unreachable=silent)
    return found


def _bill(config: StackConfig, catalogue: Catalogue) -> cost.Bill:
    return cost.hourly(cost.fleet_of(config, catalogue), catalogue)


def _tier_line(tier: Tier, it: Situation, sizing: Sizing, before: cost.Bill, after: cost.Bill) -> TierLine:
    kinds = {c.instance_type: c.after for c in sizing.counts if c.tier is tier}
    return TierLine(
        tier=tier.value,
        kinds=kinds,
        before=it.observed.total(tier),
        after=sum(kinds.values()),
        usd_before=before.of(tier),
        usd_after=after.of(tier),
        reason=sizing.reasons.get(tier, "nothing is asked of this tier"),
    )


def _class_line(found: ClassAssessment, demand: Demand) -> ClassLine:
    wanted = demand.classes[found.name]
    rates = dict(zip(wanted.levels, wanted.requests_per_second, strict=True))
    return ClassLine(
        name=found.name,
        latency_target_ms=found.target_ms,
        percentile=found.percentile,
        latency_ms=found.latency_ms if np.isfinite(found.latency_ms) else None,
        promised_share=found.promised_share,
        allowed_share=found.allowed_share,
        expected_share=found.expected_share,
        shortfall_probability=found.shortfall_probability,
        requests_per_second={level: rates[float(level)] for level in SHOWN},
        served_by={tier.value: load for tier, load in found.served.items()},
    )
