"""Small plans cost what the full program costs: a variable for every path and step in place of a few tangents."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from reconciler.sizing import SizingProblem, size
from reconciler.sizing.needs import needs_of
from reconciler.sizing.repair import promises
from reconciler.slo.scenarios import aligned_scenarios
from stacks.contract import Tier
from tests.reconciler.sizing.sizing_cases import lognormal_paths, option, problem


def full_program(asked: SizingProblem, first: Mapping[str, int], *, whole: bool) -> float:
    """Least USD of the horizon with the counts of the first step given; `whole`: later counts are whole numbers too.

    The shortage of every path in every step is a variable; together they keep the promised volume in the steps that
    capacity can reach.
    """
    needs = needs_of(asked, *aligned_scenarios(asked.demand))
    need, usable = needs.paths[:, 0], needs.usable[:, 0]
    options, horizon, paths = asked.options, asked.horizon, len(need)
    n = len(options)
    leads = [asked.lead(o) for o in options]
    soonest = min(leads)
    # Columns: counts (option, step), ready (option, step), shortage (path, step).
    count = np.arange(n * horizon).reshape(n, horizon)
    ready = count + n * horizon
    short = 2 * n * horizon + np.arange(paths * horizon).reshape(paths, horizon)
    width = 2 * n * horizon + paths * horizon
    rows: list[NDArray[np.float64]] = []
    low, high = [], []

    def row(cells: Mapping[int, float], least: float, most: float) -> None:
        one = np.zeros(width)
        for column, value in cells.items():
            one[column] = value
        rows.append(one)
        low.append(least)
        high.append(most)

    for i, h in itertools.product(range(n), range(horizon)):
        row({ready[i, h]: 1, count[i, h]: -1}, -np.inf, 0)
        if h < leads[i]:
            row({ready[i, h]: 1}, 0, options[i].observed)
        else:
            row({ready[i, h]: 1, count[i, h - leads[i]]: -1}, -np.inf, 0)
    for p, h in itertools.product(range(paths), range(horizon)):
        row({short[p, h]: 1, **{ready[i, h]: usable[i] for i in range(n)}}, need[p, h], np.inf)
    share = next(iter(asked.demand.classes.values())).promised_share
    counted = short[:, soonest:].ravel()
    row(dict.fromkeys(counted.tolist(), 1.0), -np.inf, share * float(need[:, soonest:].sum()))
    least, most, cost, integral = np.zeros(width), np.full(width, np.inf), np.zeros(width), np.zeros(width)
    most[: 2 * n * horizon] = 40
    integral[: n * horizon] = whole
    for i, o in enumerate(options):
        least[count[i, 0]] = most[count[i, 0]] = first[o.name]
        cost[count[i]] = o.usd_per_hour * asked.demand.step_seconds / 3600
    within = LinearConstraint(np.array(rows), low, high)
    found = milp(cost, constraints=within, integrality=integral, bounds=Bounds(least, most))
    return float(found.fun) if found.success else np.inf


def asked_for(rates: tuple[float, ...], seed: int) -> SizingProblem:
    """A dear kind that is there within the step and a cheap one that takes two, of which one runs."""
    paths = lognormal_paths([1.0], horizon=len(rates), paths=30, seed=seed, spread=0.1) * np.array(rates)
    kinds = [
        option(Tier.WARM, boot_mean_seconds=0),
        option(Tier.COLD, boot_seconds=600, boot_mean_seconds=0, observed=1),
    ]
    return problem({"gold": rates[0]}, kinds, horizon=len(rates), paths=paths, share=0.02)


def compared(asked: SizingProblem, *, whole: bool, near: int) -> tuple[float, float]:
    """USD of our first decision and of the best one within `near` instances of it, both in the full program."""
    ours = {c.option: c.after for c in size(asked, gap=1e-6).counts}
    around = [range(max(n - near, 0), n + near + 1) for n in ours.values()]
    trials = [dict(zip(ours, counts, strict=True)) for counts in itertools.product(*around)]
    # The promise of the plan's own step is asked of every plan.
    costs = [full_program(asked, t, whole=whole) for t in trials if promises(asked, t).holds]
    return full_program(asked, ours, whole=whole), min(costs)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("rates", [(40.0,) * 4, (20.0, 30.0, 60.0, 60.0), (150.0, 150.0, 100.0, 50.0)])
def test_the_first_decision_is_that_of_the_program_over_every_path(rates: tuple[float, ...], seed: int) -> None:
    ours, best = compared(asked_for(rates, seed), whole=False, near=5)
    assert ours <= 1.01 * best


@pytest.mark.parametrize("rates", [(40.0,) * 4, (20.0, 30.0, 60.0, 60.0)])
def test_whole_counts_in_later_steps_too_change_little_even_in_the_smallest_fleets(rates: tuple[float, ...]) -> None:
    ours, best = compared(asked_for(rates, 1), whole=True, near=1)
    assert ours <= 1.05 * best
