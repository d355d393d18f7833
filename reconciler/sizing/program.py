"""The integer program: counts per option for the plan's window and beyond, at least cost over the horizon.

    minimise   Σ_h Δ · [ Σ_i price_i · paid_{i,h} + Σ_k λ_k · E[short_{k,h}] ] + starts and stops + penalties
    subject to capacity_g ≥ what keeps each promise over the window (exact; over interruptions of zones by tangents)
               capacity_g ≥ what the measured load needs now (safety floor)
               short_{k,h} ≥ tangents of E[(need − ready capacity)⁺] over the sample paths, for every group of k
               ready_{i,h} ≤ count_{i,h}, ready_{i,h} ≤ count_{i,h − lead_i}   (boot delays: decided that much earlier)
               paid_{i,h} ≥ count_{i,h} − committed_i   (commitments are sunk), bounds, hosts, tiers, budget

The counts of the window are whole numbers; later steps are re-decided by later plans and stay continuous, which keeps
the bound valid and the program small. Ready pools are recourse: where a path runs over, pooled instances start within
the step, so only the time they take is short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reconciler.sizing.milp import INFINITY, Program
from reconciler.sizing.needs import Competitors, Needs
from reconciler.sizing.packing import counted_share, host_limits
from reconciler.sizing.problem import Option, SizingProblem
from reconciler.sizing.program_cost import Paid, paid
from reconciler.sizing.shortage import Shortage
from reconciler.slo.interruptions import interruption_states
from stacks.contract import Tier

Floats = NDArray[np.float64]

#: Tangents per step and group, and per group and interruption state of the window.
STEP_TANGENTS, INTERRUPTION_TANGENTS = 12, 24


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where to find things among the columns: counts[i][h] (the window's repeat), and what the window's are paid by."""

    counts: tuple[tuple[int, ...], ...]
    paid: tuple[Paid, ...]


@dataclass(frozen=True, kw_only=True)
class ShortagePrices:
    """λ per class and the price of volume beyond the promise (USD/hour per vCPU short), and the penalties per vCPU for
    a broken promise and a broken floor."""

    shortage: Floats
    volume: float
    promise: float
    floor: float


def build(problem: SizingProblem, needs: Needs, prices: ShortagePrices, budget: float | None) -> tuple[Program, Layout]:
    """State the program; `budget` in USD/hour bounds the window's variable cost (None: no bound)."""
    return _Builder(problem, needs, prices).build(budget)


class _Builder:
    def __init__(self, problem: SizingProblem, needs: Needs, prices: ShortagePrices) -> None:
        self.problem, self.needs, self.prices = problem, needs, prices
        self.program = Program()
        self.hours = problem.demand.step_seconds / 3600
        self.count: list[list[int]] = []
        #: Per option what the window pays by.
        self.paid: list[Paid] = []
        prices_known = [o.usd_per_hour for o in problem.options if o.usd_per_hour > 0]
        #: What a start or stop of an owned instance is weighed with: it has no price, and must not churn for nothing.
        self.nominal = min(prices_known, default=0.01)

    def build(self, budget: float | None) -> tuple[Program, Layout]:
        self._counts()
        self._bounds(budget)
        promise = {k: self.program.column(self.prices.promise * self._rank(k)) for k in self.needs.served}
        floor = {k: self.program.column(self.prices.floor * self._rank(k)) for k in self.needs.served}
        for group in self.needs.groups:
            weights = self.needs.weights(group)
            self._window(group, weights, promise[group.last])
            self._floor(group, weights, floor[group.last])
        self._steps()
        return self.program, Layout(counts=tuple(map(tuple, self.count)), paid=tuple(self.paid))

    def _rank(self, k: int) -> float:
        """Classes of higher priority keep their promise first."""
        return 1.0 + 0.5 * (len(self.problem.demand.classes) - 1 - k)

    # -- counts, what they cost, how they change ---------------------------------------------------------------

    def _counts(self) -> None:
        p, problem = self.program, self.problem
        for i, option in enumerate(problem.options):
            least = problem.floor_of(option)
            most = max(option.maximum, least)
            # A hair's preference for the options named first makes ties fall the same way every time.
            hair = 1e-6 * self.nominal * (1 + i / len(problem.options))
            first = p.column(hair, least, most, integer=True)
            later = [p.column(hair, option.minimum, most) for _ in range(problem.window, problem.horizon)]
            columns = [first] * problem.window + later
            self.count.append(columns)
            spans = [problem.window * self.hours, *[self.hours] * len(later)]
            self.paid.append(paid(p, option, first, spans[0], whole=True))
            for column, span in zip(later, spans[1:], strict=True):
                paid(p, option, column, span)
            self._switches(option, [first, *later])

    def _switches(self, option: Option, columns: list[int]) -> None:
        """Starts cost the billed boot and the churn, stops the churn; near the horizon a start pays its part."""
        p, problem = self.program, self.problem
        price = option.usd_per_hour or self.nominal
        churn = price * problem.switch_seconds / 3600
        boot = option.usd_per_hour * option.boot_mean_seconds / 3600 if problem.lead(option) == 0 else 0.0
        for position, column in enumerate(columns):
            remaining = len(columns) - position
            up = p.column((churn + boot) * min(1.0, remaining / 4))
            down = p.column(churn * min(1.0, remaining / 4))
            if position == 0:
                p.row([column, up, down], [1, -1, 1], low=option.observed, high=option.observed)
            else:
                p.row([column, columns[position - 1], up, down], [1, -1, -1, 1], low=0, high=0)

    def _bounds(self, budget: float | None) -> None:
        """Hosts, tiers and money."""
        p, problem, options = self.program, self.problem, self.problem.options
        moments = range(problem.window - 1, problem.horizon)
        for tier in Tier:
            mine = [i for i, o in enumerate(options) if o.tier is tier]
            limits = host_limits(problem, tier)
            low, most = problem.tier_bounds.get(tier, (0, None))
            held = sum(problem.floor_of(options[i]) for i in mine)
            high = INFINITY if most is None else max(most, held)
            for h in moments if mine else ():
                columns = [self.count[i][h] for i in mine]
                if tier in problem.tier_bounds:
                    p.row(columns, [1.0] * len(mine), low=low, high=high)
                if limits is not None:
                    p.row(columns, [options[i].vcpu for i in mine], high=limits.cores)
                    p.row(columns, [options[i].memory_mib for i in mine], high=limits.memory_mib)
            if limits is not None:
                for i in mine:
                    for column in set(self.count[i]):
                        p.high[column] = max(min(p.high[column], limits.slots(options[i].name)), p.low[column])
        if budget is not None:
            priced = {c: usd for parts in self.paid for c, usd in parts.usd.items() if usd > 0}
            p.row(list(priced), list(priced.values()), high=budget)

    # -- promises and floor ------------------------------------------------------------------------------------

    def _capacity(self, columns: list[int], weights: Floats) -> int:
        """A column equal to Σ weights·columns."""
        capacity = self.program.column()
        used = [i for i, w in enumerate(weights) if w > 0]
        self.program.row([capacity, *(columns[i] for i in used)], [1.0, *(-float(weights[i]) for i in used)], 0, 0)
        return capacity

    def _window(self, group: Competitors, weights: Floats, slack: int) -> None:
        """The promise over the window without spare hosts: exact without interruptions, else over interruption states."""
        needs, p = self.needs, self.program
        weights = weights * np.array([counted_share(self.problem, o) for o in self.problem.options])
        shortage, allowed = window_shortage(self.problem, needs, group)
        first = [c[0] for c in self.count]
        exposed = [
            (o.zone, *_exposure(o, self.problem)) if w > 0 else ("", 0.0, 0.0) for o, w in self._weighed(weights)
        ]
        states = interruption_states(exposed)
        # No interruption: needed anyway, and much tighter than tangents.
        p.row([self._capacity(first, weights), slack], [1, 1], low=shortage.capacity_for(allowed))
        if len(states.probability) == 1:
            return
        shorts = []
        for probability, left in zip(states.probability, states.left, strict=True):
            capacity, short = self._capacity(first, weights * left), p.column()
            for a, b in shortage.tangents(INTERRUPTION_TANGENTS):
                p.row([short, capacity], [1, b], low=a)
            shorts.append((short, float(probability)))
        per_vcpu = max(float(shortage.mass.max(initial=0.0)), 1e-12)
        p.row([*(s for s, _ in shorts), slack], [*(q for _, q in shorts), -per_vcpu], high=allowed)

    def _weighed(self, weights: Floats) -> list[tuple[Option, float]]:
        return list(zip(self.problem.options, weights, strict=True))

    def _floor(self, group: Competitors, weights: Floats, slack: int) -> None:
        """What the load measured now needs, without interruptions; the higher classes' load first."""
        need = float(self.needs.now[list(group.members)].sum())
        if need > 0:
            self.program.row([self._capacity([c[0] for c in self.count], weights), slack], [1, 1], low=need)

    # -- steps, over sample paths ------------------------------------------------------------------------------

    def _steps(self) -> None:
        """Expected shortage of every class in every step, at its price, and its sum over the steps within the promise.

        λ comes from the cheapest capacity; where that has not booted, or is used up, more expensive capacity is needed, so the
        volume is bounded too. Steps that no capacity can reach in time are left out of the sum.
        """
        problem, needs, p = self.problem, self.needs, self.program
        pool = any(o.ready_share > 0 for o in problem.options)
        seconds = max((o.ready_seconds for o in problem.options if o.ready_share > 0), default=0.0)
        waiting = min(seconds / problem.demand.step_seconds, 1.0)
        names = list(problem.demand.classes)
        parts: dict[int, list[tuple[int, float]]] = {k: [] for k in needs.served}
        volume = dict.fromkeys(needs.served, 0.0)
        soonest = {
            k: min(problem.lead(o) for o, u in zip(problem.options, needs.usable[:, k], strict=True) if u > 0)
            for k in needs.served
        }
        for h in range(problem.horizon):
            ready = self._ready(h)
            for k in needs.served:
                price = float(self.prices.shortage[k]) * self.hours
                short = p.column(price * waiting + self.nominal * self.hours if pool else price)
                after = p.column(price * (1 - waiting)) if pool else -1
                if h >= soonest[k]:
                    parts[k] += [(short, waiting), (after, 1 - waiting)] if pool else [(short, 1.0)]
                    volume[k] += float(needs.paths[:, k, h].mean())
                for group in (g for g in needs.groups if g.last == k):
                    weights = needs.weights(group) * np.array(
                        [1 - o.interruption * o.interrupted_share for o in problem.options]
                    )
                    need = needs.paths[:, list(group.members), h].sum(axis=1)
                    lines = Shortage.of(need, np.full(len(need), 1 / len(need))).tangents(STEP_TANGENTS)
                    self._tangents(self._capacity(ready, weights), short, lines)
                    if pool:
                        pooled = weights * np.array([1 + o.ready_share for o in problem.options])
                        self._tangents(self._capacity(ready, pooled), after, lines)
        for k in needs.served:
            if parts[k]:
                allowed = volume[k] * problem.share_ahead(names[k]) + self._allowed_above(k, volume)
                slack = p.column(self.prices.volume * self._rank(k) * self.hours)
                p.row([c for c, _ in parts[k]] + [slack], [w for _, w in parts[k]] + [-1.0], high=allowed)

    def _allowed_above(self, k: int, volume: Mapping[int, float]) -> float:
        """Shortage that the classes before k are allowed and bring into k's groups, vCPU."""
        names = list(self.problem.demand.classes)
        above = {j for g in self.needs.groups if g.last == k for j in g.members if j != k}
        return sum(volume[j] * self.problem.share_ahead(names[j]) for j in above)

    def _tangents(self, capacity: int, short: int, lines: list[tuple[float, float]]) -> None:
        for a, b in lines:
            self.program.row([short, capacity], [1, b], low=a)

    def _ready(self, h: int) -> list[int]:
        """Per option the column of instances that serve in step h."""
        columns = []
        for i, option in enumerate(self.problem.options):
            lead, count = self.problem.lead(option), self.count[i]
            if lead == 0 or (h - lead >= 0 and count[h] == count[h - lead]):
                columns.append(count[h])
                continue
            ready = self.program.column(high=option.serving if h < lead else INFINITY)
            self.program.row([ready, count[h]], [1, -1], high=0)
            if h >= lead:
                self.program.row([ready, count[h - lead]], [1, -1], high=0)
            columns.append(ready)
        return columns


def _exposure(option: Option, problem: SizingProblem) -> tuple[float, float]:
    supply = option.supply(1, problem.window)
    return supply.interruption, supply.interrupted_share


def window_shortage(problem: SizingProblem, needs: Needs, group: Competitors) -> tuple[Shortage, float]:
    """F of the demand section for a group, in requests/s by vCPU capacity, and the shortage that the promises allow.

    The weight of a scenario is the requests/s that one vCPU carries for the class that runs short; members of higher
    priority bring the shortage that they are allowed themselves.
    """
    names = list(problem.demand.classes)
    need = needs.window[:, list(group.members)].sum(axis=1)
    own = needs.window[:, group.last]
    weight = np.divide(needs.rates[:, group.last], own, out=np.zeros_like(own), where=own > 0)
    allowed = 0.0
    for k in group.members:
        share = problem.demand.classes[names[k]].allowed_share
        volume = needs.rates[:, k] if k == group.last else needs.window[:, k] * weight
        allowed += share * float(needs.mass @ volume)
    return Shortage.of(need, needs.mass * weight), allowed
