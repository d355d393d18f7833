"""Demotion falls soon after a break, hardly ever without one, and comes back when the forecast holds again."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from reconciler.trust.demotion import DemotionRules, Rung, StepScore, Trust, decide, from_json, observe, to_json

#: Hourly steps keep the test quick; 90 days are 2,160 observations.
HOURLY = DemotionRules(steps_per_day=24, lag=2)
GOOD, BAD = 0.10, 0.40


def scores(rng: np.random.Generator, miss: float, loss: float, steps: int) -> list[StepScore]:
    """Scores whose interval misses with probability `miss`, `loss` times as dear as the reactive baseline."""
    return [
        StepScore(
            covered=bool(rng.random() >= miss), loss=float(rng.gamma(2) * loss), reactive_loss=float(rng.gamma(2))
        )
        for _ in range(steps)
    ]


def walk(
    trust: Trust, model: list[StepScore], rules: DemotionRules = HOURLY, naive: StepScore | None = None
) -> list[Trust]:
    states = []
    for score in model:
        seen = {Rung.MODEL: score}
        if naive is not None:
            seen[Rung.SEASONAL_NAIVE] = naive
        trust = observe(trust, seen, rules)
        states.append(trust)
    return states


def test_false_alarms_are_rarer_than_one_per_series_in_ninety_days() -> None:
    # The worst that still counts as well: exactly the tolerated miscoverage, a loss as high as the baseline's.
    falls = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        states = walk(Trust(), scores(rng, HOURLY.tolerated, 1.0, 90 * 24))
        falls += any(s.rung is not Rung.MODEL for s in states)
    assert falls / 40 <= 1.0
    assert falls <= 28  # a mean time to alarm of 90 days alone would give 63 % of the series one


@pytest.mark.parametrize(("miss", "loss"), [(BAD, 0.8), (GOOD, 1.6)])
def test_a_break_of_coverage_or_loss_is_found_within_two_weeks(miss: float, loss: float) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        states = walk(Trust(), scores(rng, GOOD, 0.8, 30 * 24) + scores(rng, miss, loss, 14 * 24))
        assert all(s.rung is Rung.MODEL for s in states[: 30 * 24])
        assert any(s.rung is Rung.SEASONAL_NAIVE for s in states)


def test_the_reason_names_what_failed() -> None:
    rng = np.random.default_rng(0)
    fallen = walk(Trust(), scores(rng, 0.9, 0.8, 200))[-1]
    verdict = decide(fallen, HOURLY, age=timedelta(minutes=5))
    assert verdict.rung is not Rung.MODEL
    assert "interval misses" in verdict.reason
    assert not verdict.may_shrink


def test_it_comes_back_only_after_its_stay_and_with_evidence() -> None:
    rng = np.random.default_rng(3)
    fallen = next(s for s in walk(Trust(), scores(rng, 0.9, 0.8, 200)) if s.rung is Rung.SEASONAL_NAIVE)
    naive = StepScore(covered=True, loss=1.0, reactive_loss=1.0)
    states = walk(fallen, scores(rng, 0.05, 0.5, 60 * 24), naive=naive)
    back = next(i for i, s in enumerate(states) if s.rung is Rung.MODEL)
    assert back >= 12
    assert all(s.rung is Rung.MODEL for s in states[back:])
    still_bad = walk(fallen, scores(rng, 0.5, 1.2, 60 * 24), naive=naive)
    assert all(s.rung is Rung.SEASONAL_NAIVE for s in still_bad)


def test_a_failing_fallback_goes_on_to_reactive() -> None:
    rng = np.random.default_rng(1)
    fallen = next(s for s in walk(Trust(), scores(rng, 0.9, 0.8, 200)) if s.rung is Rung.SEASONAL_NAIVE)
    bad = StepScore(covered=False, loss=5.0, reactive_loss=1.0)
    assert walk(fallen, scores(rng, 0.9, 2.0, 200), naive=bad)[-1].rung is Rung.REACTIVE


def test_old_data_falls_back_by_its_age_and_an_unreachable_source_to_reactive() -> None:
    def at(hours: float | None, season: bool = True) -> Rung:
        age = None if hours is None else timedelta(hours=hours)
        return decide(Trust(), HOURLY, age=age, has_season=season).rung

    assert at(0.5) is Rung.MODEL
    assert at(5) is Rung.SEASONAL_NAIVE
    assert at(5, season=False) is Rung.REACTIVE
    assert at(30) is Rung.REACTIVE
    assert at(None) is Rung.REACTIVE
    assert decide(Trust(), HOURLY, age=timedelta(0)).reason == ""


def test_a_larger_family_needs_more_evidence() -> None:
    assert DemotionRules(family=50).threshold == 50 * DemotionRules().threshold


def test_state_survives_as_json_and_garbage_starts_anew() -> None:
    state = walk(Trust(), scores(np.random.default_rng(2), 0.3, 1.0, 50))[-1]
    assert from_json(json.loads(json.dumps(to_json(state)))) == state
    assert from_json({"rung": "nonsense"}) == Trust()
