"""The sizing in order: translate, price a shortage, solve, make exact, keep what is nearly as good, explain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reconciler.sizing.ceilings import over_ceiling, within_ceilings
from reconciler.sizing.milp import Program, Relaxation, Solution
from reconciler.sizing.needs import Needs, needs_of, relax_unreachable, shortage_prices
from reconciler.sizing.problem import SizingProblem
from reconciler.sizing.program import Layout, ShortagePrices, build
from reconciler.sizing.reasons import explain_obstacles, nothing_serves, tier_reasons, unanswered, unkept_promise
from reconciler.sizing.repair import (
    Counts,
    cheapest_neighbour,
    fits,
    floor,
    less_idle_growth,
    observed_within,
    promises,
    repaired,
)
from reconciler.sizing.result import Sizing, Status, counted, supply_of, usd_of
from reconciler.slo.assess import assess
from reconciler.slo.scenarios import aligned_scenarios

#: Penalties in units of the most expensive vCPU-hour: of volume beyond the promise in steps to come (worth some capacity, to
#: be re-decided), of a broken promise and a broken floor of this plan (far above any cost that they could save).
_VOLUME, _PROMISE, _FLOOR = 20.0, 200.0, 5_000.0


@dataclass(frozen=True, kw_only=True)
class _Stated:
    """The program as stated, with what is needed to evaluate other counts in it."""

    program: Program
    relaxation: Relaxation
    layout: Layout
    tails: Mapping[str, float]
    shortage: Mapping[str, float]
    gap: float
    time_limit_s: float

    def fixed(self, problem: SizingProblem, counts: Mapping[str, int]) -> Solution:
        """Best completion of the horizon with the window's counts given: a linear program."""
        held: dict[int, float] = {}
        for option, columns, paid in zip(problem.options, self.layout.counts, self.layout.paid, strict=True):
            held |= {columns[0]: float(counts[option.name]), **paid.implied(option, counts[option.name])}
        return self.relaxation.solve(held)

    def solved(self, problem: SizingProblem, warm: Sizing | None) -> Solution:
        """The program to its gap, from the best of two starts; where one is near enough to the bound already, that one.

        Starts are the relaxation's counts rounded up, which often are near enough, and the former plan's.
        """
        bound = self.relaxation.solve({})
        starts = [self._rounded_up(problem, bound)] if bound.found else []
        if warm is not None:
            starts.append(self._former(problem, warm))
        best = min((self.fixed(problem, counts) for counts in starts), key=lambda s: s.objective, default=None)
        if best is None or not best.found:
            return self.program.solve(gap=self.gap, time_limit_s=self.time_limit_s)
        if bound.found and best.objective - bound.objective <= self.gap * abs(best.objective):
            return replace(best, bound=bound.objective)
        return self.program.solve(gap=self.gap, time_limit_s=self.time_limit_s, start=best.values)

    def _rounded_up(self, problem: SizingProblem, relaxed: Solution) -> Counts:
        values = {o.name: relaxed.values[c[0]] for o, c in zip(problem.options, self.layout.counts, strict=True)}
        return self._within(problem, {name: math.ceil(value - 1e-6) for name, value in values.items()})

    def _former(self, problem: SizingProblem, warm: Sizing) -> Counts:
        known = {c.option: c.after for c in warm.counts}
        return self._within(problem, {o.name: known.get(o.name, o.observed) for o in problem.options})

    def _within(self, problem: SizingProblem, counts: Counts) -> Counts:
        """Counts within the columns' bounds."""
        low, high = self.program.low, self.program.high
        return {
            o.name: round(min(max(counts[o.name], low[c[0]]), high[c[0]]))
            for o, c in zip(problem.options, self.layout.counts, strict=True)
        }


def size(problem: SizingProblem, *, gap: float = 0.01, warm: Sizing | None = None) -> Sizing:
    """Counts per option at least cost within every promise, with reasons; always an answer.

    Args:
        problem: the question.
        gap: relative distance to the proven bound at which the search may stop.
        warm: a former answer for a similar problem, from which the search starts.

    Returns:
        A plan whose promises hold exactly by `assess`, or the best one within the bounds with `problems` that name each
        violated constraint and the cost of lifting it. If the program finds no plan within the time limit, the observed
        fleet is repaired instead, which is safe, and `problems` reports it.
    """
    asked = problem
    problem, unkept = relax_unreachable(problem)
    problems = [unkept_promise(one) for one in unkept]
    rates, mass = aligned_scenarios(problem.demand)
    needs = needs_of(problem, rates, mass)
    if not problem.options or not needs.served:
        return _without_program(asked, problems, needs)
    budget = None
    if problem.budget_usd_per_hour is not None:
        budget = max(problem.budget_usd_per_hour - problem.sunk_usd_per_hour, 0.0)
    # Making the counts exact costs a little more: leave it a part of the gap.
    stated = _state(problem, needs, budget, 0.5 * gap)
    solution = stated.solved(problem, warm)
    if not solution.found and budget is not None:
        # Required instances (floor, minimum, blocked scale-downs) cost more than the budget: they run, and the plan says so.
        stated = _state(problem, needs, None, 0.5 * gap)
        solution = stated.solved(problem, warm)
    if solution.found:
        counts = _counts(problem, stated, solution)
        over = usd_of(problem, counts) - (problem.budget_usd_per_hour or math.inf)
        if budget is not None and over > 1e-9:
            # Pools come in whole instances, which the program leaves out: with so much less it keeps the budget.
            tighter = _state(problem, needs, max(budget - over, 0.0), 0.5 * gap)
            within = tighter.solved(problem, warm)
            if within.found and usd_of(problem, less := _counts(problem, tighter, within)) < usd_of(problem, counts):
                stated, solution, counts = tighter, within, less
    else:
        counts = observed_within(problem)
    counts, final, kept = _settle(problem, needs, stated, solution, counts)
    trajectory = _trajectory(problem, stated, final)
    obstacles = explain_obstacles(problem, needs, counts)
    if not solution.found:
        problems.append(unanswered(impossible=solution.impossible, time_limit_s=problem.time_limit_s))
    return Sizing(
        counts=tuple(counted(o, counts[o.name]) for o in problem.options),
        reasons=tier_reasons(problem, needs, counts, trajectory, kept=kept),
        problems=(*problems, *obstacles),
        status=_status(solution, kept_all=not problems and not obstacles),
        usd_before=usd_of(problem, {o.name: o.observed for o in problem.options}),
        usd_after=usd_of(problem, counts),
        assessment=assess(asked.demand, supply_of(problem, counts)),
        gap=_gap(final, solution),
        multipliers=stated.shortage,
        quantiles={name: 1 - tail for name, tail in stated.tails.items()},
        trajectory=trajectory,
    )


def _status(solution: Solution, *, kept_all: bool) -> Status:
    """How the program ended; `kept_all`: no promise, floor or bound is broken."""
    if not kept_all:
        return "infeasible" if solution.found or solution.impossible else "time limit"
    if not solution.optimal:
        return "time limit"
    return "within gap" if solution.gap > 1e-6 else "optimal"


def _counts(problem: SizingProblem, stated: _Stated, solution: Solution) -> Counts:
    return {o.name: round(solution.values[stated.layout.counts[i][0]]) for i, o in enumerate(problem.options)}


def _state(problem: SizingProblem, needs: Needs, budget: float | None, gap: float) -> _Stated:
    shortage, tails = shortage_prices(problem, needs)
    each = [
        (o.usd_per_hour or 0.0) / u
        for o, u in zip(problem.options, needs.usable.max(axis=1, initial=0), strict=True)
        if u > 0
    ]
    dear = (max(each, default=0.0) or 0.05) * problem.window * problem.demand.step_seconds / 3600
    hour = dear / (problem.window * problem.demand.step_seconds / 3600)
    prices = ShortagePrices(shortage=shortage, volume=_VOLUME * hour, promise=_PROMISE * dear, floor=_FLOOR * dear)
    program, layout = build(problem, needs, prices, budget)
    names = list(problem.demand.classes)
    per_rps = np.divide((needs.mass @ needs.window), np.maximum(needs.mass @ needs.rates, 1e-12))
    return _Stated(
        program=program,
        relaxation=program.relaxed(problem.time_limit_s),
        layout=layout,
        tails={names[k]: float(tails[k]) for k in needs.served},
        shortage={names[k]: float(shortage[k] * per_rps[k]) for k in needs.served},
        gap=gap,
        time_limit_s=problem.time_limit_s,
    )


def _settle(
    problem: SizingProblem, needs: Needs, stated: _Stated, solution: Solution, counts: Counts
) -> tuple[Counts, Solution, bool]:
    """Make the counts exact, take the cheapest exact plan nearby if it also saves over the horizon, and keep the observed
    fleet where that is as good.

    Returns:
        Counts, the horizon's best completion with them, and whether hysteresis kept what runs.
    """
    exact = repaired(problem, counts, needs.usable, needs.served)
    final = solution if exact == counts and solution.found else stated.fixed(problem, exact)
    if not final.found:
        # The floor took the plan over the budget, which the program holds as a bound.
        stated = _state(problem, needs, None, stated.gap)
        final = stated.fixed(problem, exact)
    cheaper = cheapest_neighbour(problem, exact)
    if cheaper is not None:
        completed = stated.fixed(problem, cheaper)
        if completed.found and completed.objective < final.objective - 1e-9:
            exact, final = cheaper, completed
    exact, final = _without_idle_growth(problem, stated, exact, final)
    cheap = within_ceilings(problem, exact)
    if cheap != exact:
        completed = stated.fixed(problem, cheap)
        exact, final = cheap, completed if completed.found else final
    observed = {o.name: o.observed for o in problem.options}
    if observed != exact and fits(problem, observed) and _holds(problem, observed):
        budget = problem.budget_usd_per_hour
        stay = stated.fixed(problem, observed)
        saving = stay.objective - final.objective
        affordable = budget is None or usd_of(problem, observed) <= budget + 1e-9
        if stay.found and affordable and saving <= problem.hysteresis * abs(stay.objective):
            return observed, stay, True
    return exact, final, False


def _without_idle_growth(
    problem: SizingProblem, stated: _Stated, counts: Counts, final: Solution
) -> tuple[Counts, Solution]:
    """As little growth that is free as costs the horizon no more than the hysteresis: what spares no shortage is idle."""
    trials = less_idle_growth(problem, counts)
    low, high, best = 0, len(trials) - 1, (counts, final)
    most = final.objective + problem.hysteresis * abs(final.objective) + 1e-9
    while low < high:
        middle = (low + high + 1) // 2
        completed = stated.fixed(problem, trials[middle])
        if completed.found and completed.objective <= most:
            low, best = middle, (trials[middle], completed)
        else:
            high = middle - 1
    return best


def _holds(problem: SizingProblem, counts: Counts) -> bool:
    return promises(problem, counts).holds and floor(problem, counts).holds and not over_ceiling(problem, counts)


def _gap(final: Solution, solution: Solution) -> float:
    """(cost − bound) / cost of the horizon with the final counts; costs below 1e-4 USD count as that."""
    if not (final.found and solution.found):
        return 1.0
    return max(final.objective - solution.bound, 0.0) / max(abs(final.objective), 1e-4)


def _trajectory(problem: SizingProblem, stated: _Stated, final: Solution) -> dict[str, tuple[float, ...]]:
    if not final.found:
        return {}
    columns = stated.layout.counts
    return {o.name: tuple(round(float(final.values[c]), 3) for c in columns[i]) for i, o in enumerate(problem.options)}


def _without_program(problem: SizingProblem, problems: list[str], needs: Needs) -> Sizing:
    """Nothing can serve anything: keep what must run and say what is missing."""
    counts = {o.name: problem.floor_of(o) for o in problem.options}
    problems = [*problems, *explain_obstacles(problem, needs, counts)]
    if not problems:
        problems = [nothing_serves()]
    return Sizing(
        counts=tuple(counted(o, counts[o.name]) for o in problem.options),
        reasons=tier_reasons(problem, needs, counts, {}, kept=False),
        problems=tuple(problems),
        status="infeasible",
        usd_before=usd_of(problem, {o.name: o.observed for o in problem.options}),
        usd_after=usd_of(problem, counts),
        assessment=assess(problem.demand, supply_of(problem, counts)),
        gap=1.0,
    )
