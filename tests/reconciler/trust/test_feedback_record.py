"""The promise's record: what past steps were served, each entered once, by the lesser of what ran and what was planned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reconciler.plan.carried import with_carried
from stacks.contract import Tier
from tests.reconciler.sizing.sizing_cases import option, problem
from tests.reconciler.trust.feedback_cases import WEEK, demand, run


def test_each_ended_step_enters_the_promise_s_record_once_by_what_the_fleet_carried() -> None:
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    assert memory.error_budgets == {}  # nothing was carried by a plan yet
    later = run(4 * WEEK + 3, replace(memory, carried={"gold": 0.2})).memory
    assert later is not None
    budget = later.error_budgets["gold"]
    missed = np.maximum(demand(4 * WEEK + 3)[-3:] / 3600 - 0.2, 0).sum()
    assert budget.weight == pytest.approx(3, rel=0.01)
    assert budget.spent == pytest.approx(missed, rel=0.01)
    again = run(4 * WEEK + 3, replace(later, carried={"gold": 0.2})).memory
    assert again is not None
    assert again.error_budgets["gold"].weight == pytest.approx(budget.weight)


def test_steps_are_judged_by_the_lesser_of_what_runs_and_what_is_planned() -> None:
    memory = run(4 * WEEK, None).memory
    assert memory is not None
    asked = problem({"gold": 60.0}, [option(Tier.WARM, observed=2)])
    few, many, one = (with_carried(memory, asked, {"warm/m": n}).carried["gold"] for n in (2, 9, 1))
    assert many == few > one > 0
