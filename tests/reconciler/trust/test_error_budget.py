"""One risk for all steps: quiet hours may miss more, busy ones less, and the promise holds over them together."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.trust.error_budget import (
    MOST_RISK,
    MOST_SHARE,
    RISKS,
    ErrorBudget,
    after_step,
    allowed_shares,
    from_json,
    horizon_demand,
    to_json,
)
from reconciler.trust.pacing import PromisePace

DAY = 24
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


def spread(levels: list[float], deviations: list[float], count: int = 2000) -> np.ndarray:
    """(paths, steps) log-normal around each level."""
    noise = np.random.default_rng(1).standard_normal((count, len(levels)))
    return np.array(levels) * np.exp(np.array(deviations) * noise)


def share_at(paths: np.ndarray, risk: float) -> float:
    """Expected unserved share of all steps with each at its quantile 1 − risk."""
    level = np.quantile(paths, 1 - risk, axis=0)
    return float(np.maximum(paths - level, 0).mean(axis=0).sum() / paths.mean(axis=0).sum())


def test_a_quiet_step_with_a_far_tail_may_miss_more_than_the_promise_and_a_busy_one_less() -> None:
    night, noon = spread([0.2], [1.5]), spread([20.0], [0.2])
    quiet = allowed_shares(
        ErrorBudget(), horizon_demand(np.hstack([night, noon]), window=1), promised_share=0.02, steps_per_day=DAY
    )
    busy = allowed_shares(
        ErrorBudget(), horizon_demand(np.hstack([noon, night]), window=1), promised_share=0.02, steps_per_day=DAY
    )
    assert quiet.window > 0.02 > busy.window * 0.999
    assert quiet.risk == busy.risk


@pytest.mark.parametrize("promised_share", [0.001, 0.01, 0.05])
def test_without_a_record_the_horizon_as_a_whole_keeps_the_promise_with_one_risk(promised_share: float) -> None:
    paths = spread([0.2, 1.0, 20.0, 25.0], [1.2, 0.6, 0.3, 0.2])
    found = allowed_shares(
        ErrorBudget(), horizon_demand(paths, window=1), promised_share=promised_share, steps_per_day=DAY
    )
    assert found.horizon == pytest.approx(share_at(paths, found.risk))
    assert found.horizon <= promised_share * (1 - PromisePace().caution)
    looser = RISKS[np.searchsorted(RISKS, found.risk) + 1 :]
    assert not len(looser) or share_at(paths, float(looser[0])) > promised_share * (1 - PromisePace().caution)


@given(promised_share=st.floats(0.0005, 0.3), deviation=st.floats(0.01, 3), night=st.floats(0, 10))
@settings(max_examples=20, deadline=None)
def test_no_plan_passes_the_bounds_on_share_and_risk(promised_share: float, deviation: float, night: float) -> None:
    paths = spread([night, 10.0], [deviation, 0.1], 200)
    found = allowed_shares(
        ErrorBudget(), horizon_demand(paths, window=1), promised_share=promised_share, steps_per_day=DAY
    )
    assert 0 < found.window <= MOST_SHARE * promised_share * (1 + 1e-9)
    assert found.risk <= MOST_RISK


def test_no_demand_at_all_keeps_the_promise_as_it_is() -> None:
    found = allowed_shares(
        ErrorBudget(), horizon_demand(np.zeros((5, 3)), window=1), promised_share=0.01, steps_per_day=DAY
    )
    assert found.window == found.horizon == 0.01


def walked(promised_share: float, days: int, seed: int, *, surge: float = 1.0) -> tuple[float, ErrorBudget]:
    """Obtained share and last budget of plans made step by step, on demand that is forecast rightly (times a surge)."""
    rng = np.random.default_rng(seed)
    budget, asked, unserved = ErrorBudget(), 0.0, 0.0
    sample = np.exp(0.3 * rng.standard_normal(300))
    for k in range(days * DAY):
        mean = 10 + 8 * np.sin(2 * np.pi * (k + np.arange(6)) / DAY)
        paths = mean * rng.permuted(np.repeat(sample[:, None], 6, axis=1), axis=0)
        found = allowed_shares(
            budget, horizon_demand(paths, window=1), promised_share=promised_share, steps_per_day=DAY
        )
        carried = float(np.quantile(paths[:, 0], 1 - found.risk))
        demand = surge * mean[0] * float(np.exp(0.3 * rng.standard_normal()))
        missed = max(demand - carried, 0.0)
        asked, unserved = asked + demand, unserved + missed
        quantiles = np.quantile(paths[:, 0], LEVELS).tolist()
        budget = after_step(
            budget,
            demand=demand,
            levels=LEVELS,
            forecast=quantiles,
            missed=missed,
            promised_share=promised_share,
            steps_per_day=DAY,
        )
    return unserved / asked, budget


@pytest.mark.parametrize("seed", [1, 2])
def test_the_share_is_kept_over_weeks_and_not_bought_twice(seed: int) -> None:
    share, _ = walked(0.02, 14, seed)
    assert 0.3 * 0.02 <= share <= 1.15 * 0.02


def test_debt_tightens_the_plans_and_credit_loosens_them() -> None:
    paths = spread([10.0], [0.3])
    step = {"demand": 10.0, "levels": LEVELS, "forecast": np.quantile(paths, LEVELS).tolist(), "steps_per_day": DAY}
    debt = credit = ErrorBudget()
    for _ in range(3 * DAY):
        debt = after_step(debt, missed=2.0, promised_share=0.01, **step)
        credit = after_step(credit, missed=0.0, promised_share=0.01, **step)
    risks = [
        allowed_shares(r, horizon_demand(paths, window=1), promised_share=0.01, steps_per_day=DAY).risk
        for r in (debt, ErrorBudget(), credit)
    ]
    assert risks[0] < risks[1] < risks[2]


def test_forecasts_that_are_too_low_are_met_with_less_risk() -> None:
    paths = spread([10.0], [0.3])
    right, low = walked(0.02, 7, 1)[1], walked(0.02, 7, 1, surge=1.3)[1]
    a, b = (
        allowed_shares(r, horizon_demand(paths, window=1), promised_share=0.02, steps_per_day=DAY) for r in (right, low)
    )
    assert b.risk < a.risk


def test_one_catastrophe_counts_up_to_a_bound_only() -> None:
    calm = after_step(
        ErrorBudget(),
        demand=10.0,
        levels=LEVELS,
        forecast=[10.0] * 8,
        missed=0.0,
        promised_share=0.01,
        steps_per_day=DAY,
    )
    hit = after_step(
        calm, demand=1000.0, levels=LEVELS, forecast=[10.0] * 8, missed=990.0, promised_share=0.01, steps_per_day=DAY
    )
    assert hit.spent == pytest.approx(PromisePace().one_event * 0.1 * DAY * hit.volume / hit.weight)
    assert max(hit.missed) <= hit.spent * (1 + 1e-9)


def test_an_error_budget_survives_its_file() -> None:
    _, budget = walked(0.02, 2, 1)
    again = from_json(json.loads(json.dumps(to_json(budget))))
    assert again.weight == budget.weight
    assert np.allclose(again.missed, budget.missed, rtol=1e-5)
    with pytest.raises(ValueError, match="other risks"):
        from_json({**to_json(budget), "missed": [0.0]})
