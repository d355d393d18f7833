"""The global LSTM: ordered quantiles, no look ahead, same seed same net, warm start learns, saved files are safe."""

from __future__ import annotations

import builtins
import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest

from forecaster.demand import LEVELS
from forecaster.errors import ForecastError, ModelStoreError
from forecaster.models.base import Stretch, stretch_of
from forecaster.models.lstm import QuantileLstm, Stage, Training, dump, fitted, parse, pretrained, untrained
from forecaster.models.lstm_features import Grid, samples
from forecaster.models.lstm_net import NetSize, _build, initial_weights, load_keras, run

SIZE = NetSize(lstm_units=6, hidden_units=8)
QUICK = Training(draws=600, epochs=2, batch=64, learning_rate=1e-2)


def seasonal(days: int, *, step: int = 3600, seed: int = 0, level: float = 40.0) -> Grid:
    rng = np.random.default_rng(seed)
    rows = np.arange(days * 86_400 // step)
    rate = level * (1.2 + np.sin(2 * np.pi * rows * step / 86_400))
    return Grid(values=rng.poisson(rate).astype(float), start=1_700_000_000 // step * step, step=step)


def stretch(grid: Grid) -> Stretch:
    day = grid.day
    return stretch_of(
        grid.values, start=grid.start, step=grid.step, seasons=(day, 7 * day), trained=len(grid.values) // 2
    )


@pytest.fixture(scope="module")
def net() -> QuantileLstm:
    weights = initial_weights(SIZE, np.random.default_rng(3))
    return QuantileLstm(size=SIZE, stages=(Stage(since=0, weights=weights),))


@pytest.fixture(scope="module")
def learned() -> QuantileLstm:
    grids = [seasonal(16, seed=k) for k in range(3)]
    end = grids[0].start + len(grids[0].values) * 3600
    return untrained(SIZE).updated(grids, since=end, rng=np.random.default_rng(1), training=QUICK)


@pytest.mark.parametrize("step", [300, 1800, 3600])
def test_quantiles_never_cross_and_are_never_negative(net: QuantileLstm, step: int) -> None:
    made = net.quantiles_ahead(stretch(seasonal(9, step=step)), 2, LEVELS)
    assert made.shape == (9 * 86_400 // step + 2, len(LEVELS))
    spoken = made[np.isfinite(made[:, 0])]
    assert len(spoken) > 0
    assert (np.diff(spoken, axis=1) >= 0).all()
    assert (spoken >= 0).all()


@pytest.mark.parametrize("shipped", [False, True])
def test_no_forecast_changes_when_later_steps_are_scaled_blanked_or_removed(net: QuantileLstm, shipped: bool) -> None:
    model = pretrained() if shipped else net
    grid = seasonal(26)
    gone = grid.values.copy()
    gone[50:53] = np.nan
    grid = replace(grid, values=gone)
    cut, h = 400, 24
    before = model.quantiles_ahead(stretch(grid), h, LEVELS)[: cut + h]
    for spoiled in (np.full(224, np.nan), grid.values[cut:] * 100, np.zeros(0)):
        later = Grid(values=np.concatenate([grid.values[:cut], spoiled]), start=grid.start, step=grid.step)
        here = replace(stretch(grid), values=np.nan_to_num(later.values), observed=np.isfinite(later.values))
        after = model.quantiles_ahead(here, h, LEVELS)[: cut + h]
        np.testing.assert_array_equal(before, after)


def test_numpy_and_keras_agree(net: QuantileLstm) -> None:
    seen = samples(seasonal(9), np.arange(180, 200), np.full((20, 2), 3))
    keras = load_keras()
    model = _build(keras, SIZE, 2)
    weights = net.stages[0].weights
    for layer in ("lstm", "context", "calendar", "hidden", "quantiles"):
        model.get_layer(layer).set_weights([v for k, v in weights.items() if k.startswith(f"{layer}.")])
    theirs = np.asarray(model([seen.window, seen.covariates, seen.candidates, seen.spread]))
    np.testing.assert_allclose(run(weights, seen), theirs, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_bytes(learned: QuantileLstm) -> None:
    grids = [seasonal(16, seed=k) for k in range(3)]
    again = untrained(SIZE).updated(grids, since=learned.stages[0].since, rng=np.random.default_rng(1), training=QUICK)
    assert dump(again) == dump(learned)


def test_an_update_goes_on_from_the_kept_weights_and_lowers_the_loss(learned: QuantileLstm) -> None:
    grids = [seasonal(20, seed=k) for k in range(3)]
    end = grids[0].start + len(grids[0].values) * 3600
    warmer = learned.updated(grids, since=end, rng=np.random.default_rng(2), training=QUICK)
    assert len(warmer.stages) == 2
    assert warmer.losses[-1] < learned.losses[0]
    assert warmer.losses[0] < learned.losses[0]


def test_a_stage_is_mute_about_the_rows_it_was_trained_on(learned: QuantileLstm) -> None:
    grid = seasonal(20)
    made = learned.quantiles_ahead(stretch(grid), 1, LEVELS)
    first = (learned.stages[0].since - grid.start) // grid.step
    assert not np.isfinite(made[: first + 1]).any()
    assert np.isfinite(made[first + 1 :]).all()


def test_a_panel_is_fitted_in_stages_that_each_speak_after_their_cut(net: QuantileLstm) -> None:
    grids = [seasonal(15, seed=k) for k in range(2)]
    begin = grids[0].start
    start = replace(net, stages=(replace(net.stages[0], since=-1),))
    made = fitted(grids, rng=np.random.default_rng(0), start=start, training=QUICK, cuts=(0.5, 1.0))
    span = 15 * 86_400
    assert [s.since for s in made.stages] == [-1, begin + span // 2, begin + span]


def test_training_twice_up_to_the_same_moment_is_refused(learned: QuantileLstm) -> None:
    with pytest.raises(ForecastError, match="newer rows"):
        learned.updated([seasonal(16)], since=learned.stages[0].since, rng=np.random.default_rng(0), training=QUICK)


def test_nothing_to_learn_from_is_one_sentence() -> None:
    empty = [Grid(values=np.full(100, np.nan), start=0, step=3600), Grid(values=np.zeros(3), start=0, step=3600)]
    with pytest.raises(ForecastError, match=r"can.t be trained"):
        untrained(SIZE).updated(empty, since=360_000, rng=np.random.default_rng(0), training=QUICK)


def test_what_is_saved_is_what_is_read(learned: QuantileLstm) -> None:
    read = parse(dump(learned))
    series = stretch(seasonal(20, seed=9))
    np.testing.assert_array_equal(read.quantiles_ahead(series, 6, LEVELS), learned.quantiles_ahead(series, 6, LEVELS))
    assert read.losses == learned.losses


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_a_file_cut_short_is_refused(learned: QuantileLstm, share: float) -> None:
    content = dump(learned)
    with pytest.raises(ModelStoreError, match="incomplete or damaged"):
        parse(content[: int(share * len(content))])


def test_another_format_is_refused(learned: QuantileLstm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.models.lstm.FORMAT", 2)
    content = dump(learned)
    monkeypatch.undo()
    with pytest.raises(ModelStoreError, match="format 2"):
        parse(content)


@pytest.mark.parametrize("series", [np.zeros(300), np.full(300, np.nan), np.full(300, 7.0), np.eye(1, 300, 150)[0]])
def test_odd_series_get_finite_forecasts(series: np.ndarray) -> None:
    grid = Grid(values=series, start=0, step=3600)
    made = pretrained().forecast(grid, np.array([299]), np.array([[1, 24]]))
    assert np.isfinite(made).all()
    assert (made <= 4 * np.nan_to_num(series).max(initial=0.0)).all()


def test_the_shipped_net_beats_the_last_value_on_a_series_it_never_saw() -> None:
    grid = seasonal(21, seed=77, level=100.0)
    origins, h = np.arange(400, 480), 12
    made = pretrained().forecast(grid, origins, np.full((80, 1), h))[:, 0]
    truth = grid.values[origins + h]
    assert np.abs(made[:, LEVELS.index(0.5)] - truth).mean() < 0.5 * np.abs(grid.values[origins] - truth).mean()


def test_a_few_rows_of_history_do_not_fail(net: QuantileLstm) -> None:
    made = net.quantiles_ahead(stretch(Grid(values=np.ones(3), start=0, step=3600)), 2, LEVELS)
    assert made.shape == (5, len(LEVELS))
    assert not np.isfinite(made).any()


def test_without_keras_training_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, package: str | None = None) -> object:
        if name == "keras":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ForecastError, match=r"tiercast\[lstm\]"):
        load_keras()


def test_forecasting_needs_no_keras(net: QuantileLstm, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object, **named: object) -> object:
        if name.split(".")[0] in ("keras", "jax"):
            raise ImportError(name)
        return real(name, *rest, **named)

    for name in [n for n in sys.modules if n.split(".")[0] == "keras"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", missing)
    assert np.isfinite(net.forecast(seasonal(9), np.array([200]), np.array([[1]]))).all()
