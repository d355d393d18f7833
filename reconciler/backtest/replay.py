"""A period of the past walked step by step with the plan's own decisions. Pure: what was known comes from a function.

For the plan of a window that starts at w the decision falls in the step before, at w − step, from the steps that had ended
then: outlook → problem → sizes → guards, the very functions of `tiercast plan`. What it orders is ready in step w at the
earliest (see `stock`), so a change of history after T moves nothing at or before T + 2 steps. Before the first window
as many plans are made as the longest boot takes. Interruptions of spot zones are drawn per step and zone from the seed alone; how
long a boot takes is drawn per option from the seed, in the order of launches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from reconciler.backtest.realised import served
from reconciler.backtest.stock import Stock, taken
from reconciler.demand.actuals import Actuals
from reconciler.demand.classes import class_paths, window
from reconciler.demand.kept_demand import with_kept
from reconciler.demand.outlook import Outlook
from reconciler.fleet.file import Fleet
from reconciler.guards.order import PastChange
from reconciler.observe.stack_state import Observed
from reconciler.plan.decide import sized
from reconciler.plan.draft import places_of
from reconciler.plan.problem import problem_of
from reconciler.plan.snapshot import Snapshot
from reconciler.prices.catalogue import Catalogue
from reconciler.sizing import Option, SizingProblem
from reconciler.sizing.options import COLD_GROUP, label, options
from reconciler.sizing.result import usd_of
from reconciler.trust.error_budget import ErrorBudget, after_step
from reconciler.trust.memory import KEPT_LEVELS
from stacks.contract import Slot, Tier

#: What was known at a time: the outlook on the steps that had ended by then.
OutlookAt = Callable[[datetime], Outlook]
#: Keeps the draws of boot times apart from those of interruptions.
_BOOTS = 1


@dataclass(frozen=True, kw_only=True)
class ReplayPeriod:
    """What is replayed: `steps` steps from `start` on, a plan every `window` of them; `seed` of interruptions and boot times."""

    fleet: Fleet
    catalogue: Catalogue
    start: datetime
    steps: int
    seed: int = 0

    @property
    def window(self) -> int:
        """Whole steps that one plan is for, at least one."""
        return max(self.fleet.validity // self.fleet.step, 1)


@dataclass(frozen=True, kw_only=True)
class ReplayStep:
    """One step: counts ready in all of it, billed boots (instance-steps), instances interrupted and moved, and unserved rates."""

    ready: Mapping[str, int]
    boots: Mapping[str, float]
    interrupted: int
    moved: Mapping[str, int]
    rates: Mapping[str, float]
    unserved: Mapping[str, float]
    usd: float


@dataclass(frozen=True, kw_only=True)
class FleetReplay:
    """The steps of the period, the problem of each, its options, the outlooks used, and notes by decision time."""

    steps: tuple[ReplayStep, ...]
    problems: tuple[SizingProblem, ...]
    options: tuple[Option, ...]
    outlooks: tuple[Outlook, ...]
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class _ReplayState:
    """What runs, where, and what was changed before."""

    stocks: dict[str, Stock]
    slots: Mapping[Tier, tuple[Slot, ...]] = field(default_factory=dict)
    past: tuple[PastChange, ...] = ()
    moved: dict[str, int] = field(default_factory=dict)
    begun: bool = False
    error_budgets: dict[str, ErrorBudget] = field(default_factory=dict)
    counted: int = 0

    def observed(self, choices: tuple[Option, ...]) -> Observed:
        """As `observe` would read it from the stack: desired counts of groups, and slots of our own metal."""
        if not self.begun:
            return Observed()
        groups: dict[tuple[Tier, str], tuple[tuple[str, ...], int]] = {}
        for option in choices:
            if option.name == f"cold/{COLD_GROUP}":
                groups[Tier.COLD, COLD_GROUP] = ((), self.stocks[option.name].desired)
            elif option.tier is Tier.WARM:
                name = label(option.instance_type)
                groups[Tier.WARM, name] = ((option.instance_type,), self.stocks[option.name].desired)
        return Observed(slots=self.slots, groups=groups)


def replay(period: ReplayPeriod, known: OutlookAt, demand: Actuals) -> FleetReplay:
    """Walk the period.

    Args:
        period: fleet, prices and time.
        known: the outlook at a time, from the steps that had ended by then.
        demand: what arrived, for the period's steps.
    """
    choices = options(period.fleet, period.catalogue, Observed())
    seconds = period.fleet.step.total_seconds()
    state = _ReplayState(
        stocks={
            o.name: Stock(boot=o.boot, step_seconds=seconds, luck=np.random.default_rng([period.seed, place, _BOOTS]))
            for place, o in enumerate(choices)
        }
    )
    longest = max((s.lead for s in state.stocks.values()), default=1)
    early = -(-(longest - 1) // period.window) * period.window + 1
    walked: list[ReplayStep] = []
    problems: list[SizingProblem] = []
    outlooks: list[Outlook] = []
    notes: list[str] = []
    problem: SizingProblem | None = None
    for k in range(-early, period.steps):
        for stock in state.stocks.values():
            stock.begin(k)
        interrupted = _interruptions(state, choices, period, k)
        ready = {name: stock.ready for name, stock in state.stocks.items()}
        coming = {name: stock.coming(k) for name, stock in state.stocks.items()}
        serving, state.moved = problem, {}
        if (k + 1) % period.window == 0 and (k + 1 < period.steps):
            at = period.start + k * period.fleet.step
            _count(state, period, walked, outlooks, early)
            seen = known(at)
            outlooks.append(seen)
            problem, said = _decide(period, state, choices, seen, at, k)
            notes += said
        if k >= 0:
            assert serving is not None
            boots = {name: stock.boot_steps() for name, stock in state.stocks.items()}
            rates = demand.at(k)
            lot = served(serving, ready, rates, coming)
            walked.append(
                ReplayStep(
                    ready=ready,
                    boots=boots,
                    interrupted=interrupted,
                    moved=state.moved,
                    rates=rates,
                    unserved=lot.unserved,
                    usd=usd(serving, ready, {n: boots[n] + lot.pooled.get(n, 0.0) for n in boots}),
                )
            )
            problems.append(serving)
        elif k < -1:
            for stock in state.stocks.values():
                stock.boot_steps()  # before the period: not its cost
    return FleetReplay(
        steps=tuple(walked), problems=tuple(problems), options=choices, outlooks=tuple(outlooks), notes=tuple(notes)
    )


def usd(problem: SizingProblem, ready: Mapping[str, int], boots: Mapping[str, float]) -> float:
    """USD of one step: the bill of what is ready, and what boots, by its share of the step, beyond what is committed."""
    hours = problem.demand.step_seconds / 3600
    booting = 0.0
    for o in problem.options:
        together = max(ready[o.name] + boots.get(o.name, 0.0) - o.committed, 0.0)
        booting += o.usd_per_hour * (together - max(ready[o.name] - o.committed, 0))
    return hours * (usd_of(problem, ready) + booting)


def _interruptions(state: _ReplayState, choices: tuple[Option, ...], period: ReplayPeriod, k: int) -> int:
    """Draw the interruptions of step k, one per zone; the draw knows the seed, the step and the zone, nothing of the history."""
    interrupted = 0
    for place, zone in enumerate(sorted({o.zone for o in choices if o.interruption > 0})):
        draw, luck = np.random.default_rng([period.seed, k + 1_000_000, place]).random(2)
        for option in choices:
            if option.zone == zone and option.interruption > 0:
                stock = state.stocks[option.name]
                interrupted += stock.interrupt(
                    k, taken(option, stock.ready, bool(draw < option.interruption), float(luck))
                )
    return interrupted


def _count(
    state: _ReplayState, period: ReplayPeriod, walked: list[ReplayStep], outlooks: list[Outlook], early: int
) -> None:
    """Enter the steps that have ended into the error budgets, by the newest forecast made for each."""
    for k in range(state.counted, len(walked)):
        made = outlooks[(k + early - 1) // period.window]
        at = period.start + k * period.fleet.step
        step = window(made.forecast, at, at + period.fleet.step)
        rows = class_paths(made.forecast, made.grouping, period.fleet, step.start)[:, :, 0]
        for place, (name, promise) in enumerate(period.fleet.qos.items()):
            if name in walked[k].rates:
                state.error_budgets[name] = after_step(
                    state.error_budgets.get(name, ErrorBudget()),
                    demand=walked[k].rates[name],
                    levels=KEPT_LEVELS,
                    forecast=np.quantile(rows[:, place], KEPT_LEVELS).tolist(),
                    missed=walked[k].unserved.get(name, 0.0),
                    promised_share=promise.violating_share,
                    steps_per_day=timedelta(days=1) / period.fleet.step,
                )
    state.counted = len(walked)


def _decide(
    period: ReplayPeriod, state: _ReplayState, choices: tuple[Option, ...], seen: Outlook, at: datetime, k: int
) -> tuple[SizingProblem, list[str]]:
    """The plan for the window that begins a step after `at`, ordered; its problem and what the guards said."""
    kept = with_kept(period.fleet, seen.forecast, seen.grouping, seen.load_now, seen.lost)
    snapshot = Snapshot(
        fleet=period.fleet,
        catalogue=period.catalogue,
        forecast=kept.forecast,
        grouping=kept.grouping,
        observed=state.observed(choices),
        load_now=kept.load_now,
        as_of=at + period.fleet.step,
        now=at,
        stack="backtest",
        past=state.past,
        demoted=seen.demoted,
        blocking=seen.blocking,
        error_budgets=state.error_budgets,
    )
    problem = problem_of(snapshot)
    held = sized(snapshot, problem)
    counts = {c.option: c.after for c in held.sizing.counts}
    state.slots = {tier: found.slots for tier, found in places_of(snapshot, counts).items()}
    state.begun = True
    by_tier: dict[Tier, list[int]] = {}
    for option in choices:
        change = state.stocks[option.name].order(k, counts[option.name])
        state.moved[option.name] = change
        by_tier.setdefault(option.tier, []).append(change)
    state.past += tuple(
        PastChange(at=at, tier=tier, added=sum(max(c, 0) for c in changes), removed=sum(max(-c, 0) for c in changes))
        for tier, changes in by_tier.items()
        if any(changes)
    )
    stamp = at.isoformat()
    return problem, [f"{stamp}: {said}" for said in (*held.sizing.problems, *held.notes)]
