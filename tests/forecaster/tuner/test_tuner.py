"""The tuner: within bounds, off where it does not win, learns what pays, remembers it, refuses damaged files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.demand import LEVELS
from forecaster.errors import ModelStoreError
from forecaster.models import MODELS
from forecaster.models.base import stretch_of
from forecaster.models.lstm import pretrained
from forecaster.series.knots import SeriesSettings, prequential
from forecaster.tuner import (
    ACTIONS,
    BOUNDS,
    DEFAULT,
    ClassMode,
    PipelineSettings,
    Tuner,
    TunerState,
    Weights,
    features,
    fit_offline,
    relative_loss,
    reward,
    shipped_tuner,
    sizing_loss,
    state_of,
)
from forecaster.tuner.policy import parse_policy
from forecaster.tuner.state import FEATURES

STATES = st.builds(
    TunerState,
    step_seconds=st.sampled_from([60, 300, 1800, 3600, 86_400]),
    horizon_steps=st.integers(1, 288),
    history_days=st.floats(0, 4000),
    zeros=st.floats(0, 1),
    day_strength=st.floats(0, 1),
    week_strength=st.floats(0, 1),
    drift=st.floats(-5, 5),
    spikes=st.floats(0, 8),
    coverage_error=st.floats(-0.9, 0.1),
    losses=st.dictionaries(st.sampled_from(["mix", "lstm"]), st.floats(0, 50)),
)


def nothing_known() -> Weights:
    width = len(FEATURES)
    return Weights(
        coefficients=np.zeros((len(ACTIONS), width)), covariance=np.tile(0.05**2 * np.eye(width), (len(ACTIONS), 1, 1))
    )


def agent(weights: Weights | None = None, state: TunerState | None = None) -> Tuner:
    return Tuner(weights or nothing_known(), {(state or TunerState()).group: ClassMode(mode="agent")})


@given(state=STATES, seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_what_is_suggested_lies_within_the_bounds(state: TunerState, seed: int) -> None:
    chosen = agent(state=state).suggest(state, rng=np.random.default_rng(seed))
    assert chosen in ACTIONS
    for name, (low, high) in BOUNDS.items():
        value = getattr(chosen, name)
        assert value is None or low <= value <= high
    assert np.isfinite(features(state)).all()


def test_settings_outside_the_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rate = 0.5 of action 'wild' lies outside 0\.\.0\.03"):
        PipelineSettings(name="wild", rate=0.5)
    with pytest.raises(ValueError, match="model_set"):
        PipelineSettings(name="wild", model_set="everything")


def test_the_first_action_is_the_pipeline_as_it_is() -> None:
    given_ = ACTIONS[0].pipeline((pretrained(),))
    assert given_.settings == SeriesSettings()
    assert given_.experts == MODELS
    assert len({a.name for a in ACTIONS}) == len(ACTIONS)


def test_every_action_runs_the_pipeline() -> None:
    rng = np.random.default_rng(0)
    values = rng.poisson(30 * (1.2 + np.sin(2 * np.pi * np.arange(24 * 16) / 24))).astype(float)
    for action in ACTIONS:
        read = action.newest(values, 3600)
        stretch = stretch_of(read, start=0, step=3600, seasons=(24, 168), trained=len(read) // 2)
        made = prequential(stretch, 2, action.pipeline((pretrained(),)))
        assert np.isfinite(made.quantiles[-1]).all(), action.name


def test_nothing_known_means_the_default() -> None:
    assert agent().suggest(TunerState()) == DEFAULT


def test_a_class_that_is_not_listed_or_not_won_gets_the_default_and_a_rule_is_a_rule() -> None:
    weights = nothing_known()
    weights.coefficients[5, 0] = 0.3
    near, day = TunerState(), TunerState(horizon_steps=24)
    sparse = TunerState(zeros=0.9)
    tuner = Tuner(weights, {near.group: ClassMode(mode="default"), day.group: ClassMode(mode="rule", rule="mix-slow")})
    rng = np.random.default_rng(0)
    assert tuner.suggest(near, rng=rng) == DEFAULT
    assert tuner.suggest(day, rng=rng).name == "mix-slow"
    assert tuner.suggest(sparse, rng=rng) == DEFAULT


def test_offline_it_learns_which_action_pays_in_which_state() -> None:
    rng = np.random.default_rng(0)
    states = np.array([features(TunerState(drift=d)) for d in rng.uniform(-2, 2, 400)])
    column = FEATURES.index("drift")
    gains = np.zeros((400, len(ACTIONS)))
    gains[:, 5] = 0.1 * states[:, column] + rng.normal(0, 0.05, 400)
    gains[:, 6] = -0.1 * states[:, column] + rng.normal(0, 0.05, 400)
    tuner = agent(fit_offline(states, gains, np.ones(400)))
    assert tuner.suggest(TunerState(drift=1.5)) == ACTIONS[5]
    assert tuner.suggest(TunerState(drift=-1.5)) == ACTIONS[6]


def test_online_it_finds_the_action_that_pays_on_one_series_and_leaves_others_alone() -> None:
    rng = np.random.default_rng(4)
    tuner, state = agent(), TunerState(series="shop")
    late = []
    for round_ in range(150):
        chosen = tuner.suggest(state, rng=rng)
        tuner.observe(state, chosen, (0.2 if chosen.name == "agile" else 0.0) + float(rng.normal(0, 0.05)))
        if round_ >= 100:
            late.append(chosen.name)
    assert late.count("agile") > 30
    assert tuner.suggest(state).name == "agile"
    assert tuner.suggest(replace(state, series="other")) == DEFAULT
    assert tuner.suggest(replace(state, horizon_steps=3)) == DEFAULT


def test_an_action_that_is_known_to_hurt_is_never_explored() -> None:
    weights = nothing_known()
    weights.coefficients[1:, 0] = -0.1
    rng = np.random.default_rng(0)
    assert {agent(weights).suggest(TunerState(), rng=rng).name for _ in range(50)} == {"default"}


def test_the_same_generator_gives_the_same_choices() -> None:
    first, second = (
        [agent().suggest(TunerState(), rng=rng).name for _ in range(20)]
        for rng in (np.random.default_rng(9), np.random.default_rng(9))
    )
    assert first == second


def test_rewards_that_are_not_numbers_and_unknown_settings_teach_nothing() -> None:
    tuner = agent()
    tuner.observe(TunerState(), ACTIONS[3], float("nan"))
    tuner.observe(TunerState(), PipelineSettings(name="mine", rate=0.01), 1.0)
    assert tuner.memory == {}


def test_a_policy_of_other_actions_is_refused() -> None:
    from forecaster.tuner.policy import files

    text = files("forecaster.tuner").joinpath("policy.json").read_text(encoding="utf-8")
    read = json.loads(text)
    read["actions"][0] = "other"
    with pytest.raises(ModelStoreError, match="another version"):
        parse_policy(json.dumps(read))
    with pytest.raises(ModelStoreError, match="can't be read"):
        parse_policy(text[: len(text) // 2])


def test_the_shipped_policy_is_on_only_where_its_own_table_says_it_wins() -> None:
    from forecaster.tuner.policy import files

    read = json.loads(files("forecaster.tuner").joinpath("policy.json").read_text(encoding="utf-8"))
    for row in read["classes"].values():
        loss = row["log_loss"]
        if row["mode"] == "agent":
            assert loss["agent"] < min(0.0, loss["rule"], loss["random search"])
        if row["mode"] == "rule":
            assert loss["rule"] < 0.0
    assert isinstance(shipped_tuner(), Tuner)


def test_state_and_reward_are_relative_to_the_seasonal_naive_and_look_only_back() -> None:
    rng = np.random.default_rng(0)
    rows = np.arange(24 * 30)
    values = 50 * (1.2 + np.sin(2 * np.pi * rows / 24)) + rng.normal(0, 2, len(rows))
    stretch = stretch_of(values, start=0, step=3600, seasons=(24, 168), trained=400)
    mix = prequential(stretch, 2).quantiles
    state = state_of(stretch, 2, levels=LEVELS, quantiles={"mix": mix}, upto=600, series="a")
    assert state.day_strength > 0.9
    assert 0.2 < state.losses["mix"] < 1.5
    spoiled = stretch_of(np.where(rows < 600, values, 9e9), start=0, step=3600, seasons=(24, 168), trained=400)
    later = prequential(spoiled, 2).quantiles
    assert state_of(spoiled, 2, levels=LEVELS, quantiles={"mix": later}, upto=600, series="a") == state
    assert TunerState.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_half_the_loss_is_a_reward_of_log_two_less_the_price_of_computing() -> None:
    truth, levels = np.array([10.0, 10.0]), LEVELS
    far, near = np.full((2, len(levels)), 20.0), np.full((2, len(levels)), 15.0)
    ratio = relative_loss(sizing_loss(truth, near, levels), sizing_loss(truth, far, levels))
    assert ratio == pytest.approx(0.5, rel=1e-2)
    assert reward(ratio, seconds_per_thousand_rows=2.0) == pytest.approx(np.log(2) - 0.02, abs=1e-2)
