"""The net of the global quantile LSTM: built and trained by keras on JAX, run by NumPy.

keras is the optional extra `lstm` and is imported only to train. Forecasting needs nothing but the weights: it is the
same arithmetic in NumPy (a test compares the two), so that a machine that only forecasts starts in milliseconds and
needs no JAX. Quantiles cannot cross: from the median outwards they are running sums of softplus terms.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.errors import ForecastError
from forecaster.models.lstm_features import COVARIATES, WINDOW, WINDOW_CHANNELS, Samples
from forecaster.models.lstm_lags import CANDIDATES, HIGHEST

Floats = NDArray[np.float64]
Weights = dict[str, NDArray[np.float32]]

MEDIAN = LEVELS.index(0.5)
#: Rows that go through the net at once when forecasting.
BLOCK = 512
#: Layers with weights, in the order they are saved: name -> keras weights of the layer.
_PARTS = {
    "lstm": ("kernel", "recurrent", "bias"),
    "context": ("kernel", "bias"),
    "calendar": ("kernel",),
    "hidden": ("kernel", "bias"),
    "quantiles": ("kernel", "bias"),
}


@dataclass(frozen=True, kw_only=True)
class NetSize:
    """Size of the net; the defaults train 1,000 hourly series of 8 weeks in about a minute on one core."""

    lstm_units: int = 24
    hidden_units: int = 40


def weight_names() -> tuple[str, ...]:
    """Names of the arrays of a net, in saving order."""
    return tuple(f"{layer}.{part}" for layer, parts in _PARTS.items() for part in parts)


def weight_shapes(size: NetSize) -> dict[str, tuple[int, ...]]:
    """Shape of each array of a net of this size."""
    u, m = size.lstm_units, size.hidden_units
    out = CANDIDATES + len(LEVELS)
    return {
        "lstm.kernel": (WINDOW_CHANNELS, 4 * u),
        "lstm.recurrent": (u, 4 * u),
        "lstm.bias": (4 * u,),
        "context.kernel": (u, m),
        "context.bias": (m,),
        "calendar.kernel": (COVARIATES + CANDIDATES, m),
        "hidden.kernel": (m, m),
        "hidden.bias": (m,),
        "quantiles.kernel": (m, out),
        "quantiles.bias": (out,),
    }


def initial_weights(size: NetSize, rng: np.random.Generator) -> Weights:
    """Glorot-uniform kernels, zero biases (forget gates 1), a last layer near zero so that training starts at the mean
    of the candidates with narrow, ordered quantiles."""
    weights: Weights = {}
    for name, shape in weight_shapes(size).items():
        if name.endswith("bias"):
            weights[name] = np.zeros(shape, dtype=np.float32)
            continue
        limit = np.sqrt(6.0 / sum(shape)) * (0.1 if name.startswith("quantiles") else 1.0)
        weights[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
    u = size.lstm_units
    weights["lstm.bias"][u : 2 * u] = 1.0
    weights["quantiles.bias"][CANDIDATES + 1 :] = -1.5
    return weights


def load_keras() -> Any:
    """keras on its JAX backend; one sentence where the extra is missing or another backend is already in use."""
    # keras reads its backend once, at import, and only from the environment or its own file.
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        keras = importlib.import_module("keras")
    except ImportError as error:
        raise ForecastError(
            "training the LSTM needs keras and jax, which are not installed; "
            "install tiercast[lstm] or leave the LSTM out of the model set"
        ) from error
    if keras.backend.backend() != "jax":
        raise ForecastError(
            f"keras uses the backend {keras.backend.backend()!r}, but the LSTM needs 'jax'; run again with KERAS_BACKEND=jax"
        )
    return keras


def _build(keras: Any, size: NetSize, horizons: int) -> Any:
    layers, ops = keras.layers, keras.ops
    window = keras.Input((WINDOW, WINDOW_CHANNELS))
    covariates = keras.Input((horizons, COVARIATES))
    candidates = keras.Input((horizons, CANDIDATES))
    spread = keras.Input((horizons, 1))
    state = layers.LSTM(size.lstm_units, name="lstm")(window)
    context = layers.Reshape((1, size.hidden_units))(layers.Dense(size.hidden_units, name="context")(state))
    seen = layers.Concatenate()([covariates, candidates])
    first = ops.relu(context + layers.Dense(size.hidden_units, use_bias=False, name="calendar")(seen))
    second = ops.relu(layers.Dense(size.hidden_units, name="hidden")(first))
    raw = layers.Dense(CANDIDATES + len(LEVELS), name="quantiles")(second)
    mix = ops.sum(ops.softmax(raw[..., :CANDIDATES]) * candidates, axis=-1, keepdims=True)
    median = mix + spread * raw[..., CANDIDATES : CANDIDATES + 1]
    gaps = spread * ops.softplus(raw[..., CANDIDATES + 1 :])
    # gaps[..., MEDIAN - 1] is the one next below the median, gaps[..., MEDIAN] the one next above.
    down = median - ops.flip(ops.cumsum(ops.flip(gaps[..., :MEDIAN], axis=-1), axis=-1), axis=-1)
    up = median + ops.cumsum(gaps[..., MEDIAN:], axis=-1)
    out = layers.Concatenate()([down, median, up])
    return keras.Model([window, covariates, candidates, spread], out)


def train(
    samples: Samples,
    start: Weights,
    size: NetSize,
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> tuple[Weights, tuple[float, ...]]:
    """Continue training from `start`; returns weights and each epoch's mean pinball loss (relative to the level).

    Targets that are NaN weigh nothing. The learning rate falls along a cosine to 2 %. Same samples, weights and
    generator state give the same weights on the same machine. Raises ForecastError without keras or with no target.
    """
    keras = load_keras()
    ops = keras.ops
    weight = np.isfinite(samples.target).astype(np.float32)
    if not weight.any():
        raise ForecastError("the LSTM can't be trained: no origin has a known target step; add history")
    batch = min(batch, len(samples))
    steps = len(samples) // batch
    model = _build(keras, size, samples.target.shape[1])
    for layer, parts in _PARTS.items():
        model.get_layer(layer).set_weights([start[f"{layer}.{part}"] for part in parts])
    levels = np.asarray(LEVELS, dtype=np.float32)

    def pinball(truth: Any, forecast: Any) -> Any:
        # In requests relative to the level, as forecasts are judged; only the net's arithmetic is in log scale.
        gap = ops.expm1(truth)[..., None] - ops.expm1(ops.minimum(forecast, HIGHEST))
        return ops.mean(ops.maximum(levels * gap, (levels - 1) * gap), axis=-1)

    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, epochs * steps), alpha=0.02)
    model.compile(optimizer=keras.optimizers.Adam(schedule, clipnorm=1.0), loss=pinball)
    truth = np.nan_to_num(samples.target)
    losses: list[float] = []
    for _ in range(epochs):
        order = rng.permutation(len(samples))[: steps * batch]
        part = samples.take(order)
        history = model.fit(
            [part.window, part.covariates, part.candidates, part.spread],
            truth[order],
            sample_weight=weight[order],
            batch_size=batch,
            epochs=1,
            shuffle=False,
            verbose=0,
        )
        losses.append(float(history.history["loss"][0]))
    trained: Weights = {}
    for layer, parts in _PARTS.items():
        # Not get_weights(): keras' own conversion warns under NumPy 2.
        for part_name, variable in zip(parts, model.get_layer(layer).weights, strict=True):
            trained[f"{layer}.{part_name}"] = np.array(variable.value, dtype=np.float32)
    if not all(np.isfinite(value).all() for value in trained.values()):
        raise ForecastError("training the LSTM diverged (weights are not finite); leave the LSTM out of the model set")
    return trained, tuple(losses)


def run(weights: Weights, samples: Samples) -> Floats:
    """(n, k, levels) quantiles in log scale, non-decreasing along the last axis: the forward pass in NumPy.

    Rows go through in blocks of one size, counted from the first: a row's last bit does not depend on how many follow.
    """
    out = np.empty((len(samples), samples.target.shape[1], len(LEVELS)))
    for begin in range(0, len(samples), BLOCK):
        rows = np.arange(begin, begin + BLOCK)
        real = min(BLOCK, len(samples) - begin)
        out[begin : begin + real] = _forward(weights, samples.take(np.minimum(rows, len(samples) - 1)))[:real]
    return out


def _forward(weights: Weights, samples: Samples) -> Floats:
    units = weights["lstm.recurrent"].shape[0]
    count, horizons = samples.target.shape
    hidden = np.zeros((count, units), dtype=np.float32)
    cell = np.zeros((count, units), dtype=np.float32)
    steps = np.ascontiguousarray(samples.window.transpose(1, 0, 2))
    for t in range(WINDOW):
        gates = steps[t] @ weights["lstm.kernel"] + weights["lstm.bias"] + hidden @ weights["lstm.recurrent"]
        enter, forget, output = (_sigmoid(gates[:, k * units : (k + 1) * units]) for k in (0, 1, 3))
        cell = forget * cell + enter * np.tanh(gates[:, 2 * units : 3 * units])
        hidden = output * np.tanh(cell)
    context = hidden @ weights["context.kernel"] + weights["context.bias"]
    candidates = samples.candidates.reshape(count * horizons, -1)
    spread = samples.spread.reshape(count * horizons, 1)
    seen = np.concatenate([samples.covariates.reshape(count * horizons, -1), candidates], axis=1)
    first = np.maximum(np.repeat(context, horizons, axis=0) + seen @ weights["calendar.kernel"], 0.0)
    second = np.maximum(first @ weights["hidden.kernel"] + weights["hidden.bias"], 0.0)
    raw = second @ weights["quantiles.kernel"] + weights["quantiles.bias"]
    logits = raw[:, :CANDIDATES]
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    mix = (share * candidates).sum(axis=1, keepdims=True) / share.sum(axis=1, keepdims=True)
    median = mix + spread * raw[:, CANDIDATES : CANDIDATES + 1]
    wide = raw[:, CANDIDATES + 1 :]
    # softplus; np.logaddexp says the same thirty times slower
    gaps = spread * (np.maximum(wide, 0.0) + np.log1p(np.exp(-np.abs(wide))))
    down = median - np.cumsum(gaps[:, MEDIAN - 1 :: -1], axis=1)[:, ::-1]
    up = median + np.cumsum(gaps[:, MEDIAN:], axis=1)
    quantiles = np.concatenate([down, median, up], axis=1, dtype=np.float64)
    return quantiles.reshape(count, horizons, len(LEVELS))


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), dtype=np.float32)
