"""The tuner in operation: enabled classes explore safely, learn from what came, and go on where they were saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecaster.hierarchy.settings import PlbmSettings
from forecaster.plbm import PLBM
from forecaster.plbm.serialise import from_files, to_files
from forecaster.plbm.state import Fitted
from forecaster.tuner import ACTIONS, DEFAULT, Choice, ClassMode, PipelineSettings, Tuner, Weights, computing
from forecaster.tuner.in_force import Choices, Laid, chosen, forecast
from forecaster.tuner.state import FEATURES, GROUPS

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: An action without the models that do best on a series that drifts.
NAIVE = next(a for a in ACTIONS if a.name == "seasonal+lstm")
#: A day and more, so that there are near and far horizons.
SETTINGS = PlbmSettings(horizon=24, paths=50, lstm=False)


def policy(mode: str = "agent", *, spread: float = 0.3, advantage: dict[str, float] | None = None) -> Tuner:
    """A policy that has every class in `mode` and knows nothing but the given advantages."""
    width = len(FEATURES)
    coefficients = np.zeros((len(ACTIONS), width))
    for name, value in (advantage or {}).items():
        coefficients[[a.name for a in ACTIONS].index(name), 0] = value
    covariance = np.tile(spread**2 * np.eye(width), (len(ACTIONS), 1, 1))
    weights = Weights(coefficients=coefficients, covariance=covariance)
    return Tuner(weights, {group: ClassMode(mode=mode, rule="mix-fast") for group in GROUPS})


def rows(first: int, count: int) -> pd.DataFrame:
    """Hourly rows from hour `first` on."""
    hours = np.arange(first, first + count)
    rng = np.random.default_rng(first)
    values = rng.poisson(60 * (1 + 0.6 * np.sin(2 * np.pi * hours / 24))).astype(float)
    times = pd.date_range(START + first * HOUR, periods=count, freq="h")
    return pd.DataFrame({"timestamp": times, "user_id": "u", "application_id": "a", "requests": values})


def trained(tuner: Tuner, seed: int = 0) -> PLBM:
    return PLBM(replace(SETTINGS, seed=seed), tuner=tuner).train(rows(0, 240))


def choices(plbm: PLBM) -> dict[str, Choice]:
    fitted: Fitted = plbm.state.fitted["a"]
    return dict(fitted.choices)


def a_week_later(plbm: PLBM) -> dict[str, Choice]:
    done = plbm.update(rows(240, 170))
    assert done.refitted["a"] == "fitted 7 days ago"
    return choices(plbm)


def test_near_and_far_horizons_are_chosen_apart_and_learn_apart() -> None:
    plbm = trained(policy())
    first = choices(plbm)
    assert set(first) == {"near", "day"}
    assert first["near"].state is not None
    assert first["near"].state.group == "coarse/near"
    assert first["day"].state is not None
    assert first["day"].state.group == "coarse/day"
    assert not first["near"].memory, "nothing has been earned yet"
    later = a_week_later(plbm)
    for part in ("near", "day"):
        expected = {"default", first[part].settings.name}
        assert set(later[part].memory) == expected, "the default is watched on the same rows"


def test_a_class_that_is_off_keeps_the_default_and_learns_nothing() -> None:
    plbm = trained(policy("default"))
    for found in (choices(plbm), a_week_later(plbm)):
        assert found == {"near": Choice(), "day": Choice()}


def test_a_rule_is_followed_and_learns_nothing() -> None:
    plbm = trained(policy("rule"))
    for one in (*choices(plbm).values(), *a_week_later(plbm).values()):
        assert (one.settings.name, one.state, one.memory) == ("mix-fast", None, {})


def test_a_kept_forecaster_goes_on_as_if_it_had_never_stopped() -> None:
    plbm = trained(policy())
    a_week_later(plbm)
    files = to_files(plbm.state)
    kept = from_files(files)
    assert to_files(kept) == files
    again = PLBM.resumed(kept, tuner=policy())
    assert choices(again) == choices(plbm)
    for one in (plbm, again):
        one.update(rows(410, 170))
    assert to_files(again.state) == to_files(plbm.state)
    assert max(m.count for m in choices(again)["near"].memory.values()) > 1.5, "both refits' rewards are in it"


def laid(horizon: int = 24) -> Laid:
    frame = rows(0, 24 * 36)
    return Laid(
        name="a",
        seed=0,
        values=frame["requests"].to_numpy(),
        times=frame["timestamp"].dt.tz_localize(None).to_numpy().astype("datetime64[s]"),
        step=HOUR,
        horizon=horizon,
        covariates=None,
        prior=None,
        net=None,
    )


def test_a_short_window_reads_nothing_older() -> None:
    window = (("day", Choice(settings=PipelineSettings(name="short-window", window_weeks=4.0))),)
    window = (*window, ("near", window[0][1]))
    one = laid()
    other = replace(one, values=np.where(np.arange(len(one.values)) < len(one.values) - 28 * 24, 5e6, one.values))
    np.testing.assert_array_equal(forecast(one, window).quantiles, forecast(other, window).quantiles)
    assert not np.array_equal(forecast(one, ()).quantiles, forecast(other, ()).quantiles)


def test_settings_of_one_distance_leave_the_other_as_it_was() -> None:
    plain = forecast(laid(), ()).quantiles
    far = forecast(laid(), (("day", Choice(settings=ACTIONS[4])),)).quantiles
    np.testing.assert_array_equal(far[:9], plain[:9])
    assert not np.array_equal(far[12:], plain[12:])


def picks(tuner: Tuner, seeds: int, known: Choices = (), new_rows: int = 0) -> list[Choices]:
    """What is chosen for one series under several seeds."""
    made = forecast(laid(), ())
    return [chosen(replace(laid(), seed=seed), made, known, tuner, new_rows=new_rows) for seed in range(seeds)]


def test_an_enabled_class_explores_only_what_is_safe() -> None:
    harmful = {a.name: -0.5 for a in ACTIONS if a.name not in ("default", "mix-fast", "few-waves")}
    tried = {one.settings.name for found in picks(policy(advantage=harmful), 20) for _, one in found}
    assert tried <= {"default", "mix-fast", "few-waves"}
    assert len(tried) > 1, "it does explore"


def test_the_same_seed_makes_the_same_choices_and_another_seed_others() -> None:
    first, second = picks(policy(), 6), picks(policy(), 6)
    assert first == second
    assert len({dict(found)["near"].settings.name for found in first}) > 1


def test_a_stretch_of_less_than_a_day_teaches_nothing() -> None:
    (first,) = picks(policy(), 1)
    for new_rows, learned in ((23, False), (24, True)):
        (later,) = picks(policy(), 1, first, new_rows)
        assert bool(dict(later)["near"].memory) == learned


def test_settings_that_earned_less_than_the_default_on_the_same_rows_are_left() -> None:
    walk = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.1, 24 * 36)))
    one = replace(laid(), values=1000 * walk / walk.mean())
    tuner = policy(spread=0.05, advantage={NAIVE.name: 0.03})
    made = forecast(one, ())
    state = dict(chosen(one, made, (), tuner, new_rows=0))["near"].state
    known: Choices = (("near", Choice(settings=NAIVE, state=state)),)
    near = dict(chosen(one, made, known, tuner, new_rows=168))["near"]
    assert near.memory[NAIVE.name].mean < near.memory["default"].mean
    assert near.settings != NAIVE


@pytest.mark.parametrize("settings", ACTIONS, ids=lambda a: a.name)
def test_every_action_gives_a_forecast_with_few_experts_and_without_a_net(settings: PipelineSettings) -> None:
    one = replace(laid(), experts=("arima·sqrt",), values=laid().values[:300], times=laid().times[:300])
    choice = Choice(settings=settings)
    assert np.isfinite(forecast(one, (("near", choice), ("day", choice))).quantiles).all()


def test_computing_is_counted_and_not_measured() -> None:
    assert computing(("arima·sqrt", "lstm", "direct·sqrt")) == pytest.approx(0.025 + 0.018 + 0.008)
    assert DEFAULT.name == "default"
