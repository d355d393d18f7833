"""Forecasting one node of the hierarchy: its demand without events, on the local clock, through the pipeline and back.

The rule: `node_forecast` is a pure function of its task, so tasks may run on any process or machine, in any order,
twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from forecaster.calendar import Calendar, features, local_clock, windows
from forecaster.demand import LEVELS
from forecaster.effects import Effect, applied, effect_of, factors, learned
from forecaster.features import seasons_of
from forecaster.models import MODELS
from forecaster.models.base import stretch_of
from forecaster.models.lstm import pretrained
from forecaster.paths import levels_of
from forecaster.pipeline import STRIDES, Prequential, SeriesForecast, forecast_series
from forecaster.tuner import DEFAULT, PipelineSettings, shipped_tuner, state_of

Floats = NDArray[np.float64]
#: An expert below this mean weight is left out of updates until the next refit.
KEPT_WEIGHT = 0.02
#: Past error levels that are kept for joint paths: forty days of hours are plenty, and memory stays flat.
KEPT_ORIGINS = 1000


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is needed to forecast a node.

    Attributes:
        name: the node's name; it seeds the paths.
        values: (n,) offered requests per step, NaN where missing or left out.
        start: start of the first step (UTC).
        step: length of a step.
        horizon: steps to forecast.
        calendar: local clock, holidays, events.
        experts: names of the experts to ask; empty: all of them (a refit).
        effects: learned effects to apply; None: learn them from `values` (a refit).
        prior: (levels,) quantiles for a node with little history.
        settings: what the tuner chose; None: the pipeline's own.
        lstm: whether the global net is asked as well.
        tune: whether the tuner may choose other settings for a refit.
        seed: of the random numbers.
    """

    name: str
    values: Floats
    start: datetime
    step: timedelta
    horizon: int
    calendar: Calendar
    experts: tuple[str, ...] = ()
    effects: tuple[tuple[str, Effect], ...] | None = None
    prior: Floats | None = None
    settings: PipelineSettings | None = None
    lstm: bool = True
    tune: bool = False
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class NodeForecast:
    """Forecast of a node from its last step on.

    Attributes:
        name: the node's name.
        quantiles: (horizon, levels) requests per step.
        errors: (origins, horizon) levels at which past steps came in, newest last, for joint paths.
        experts: experts worth asking until the next refit.
        weights: mean weight of each expert that was asked, largest first.
        effects: effects that were learned or given.
        settings: what the tuner chose; None: the defaults.
        model, reason, calibrated: as the pipeline says, with the calendar's part.
    """

    name: str
    quantiles: Floats
    errors: NDArray[np.float32]
    experts: tuple[str, ...]
    weights: tuple[tuple[str, float], ...]
    effects: tuple[tuple[str, Effect], ...]
    settings: PipelineSettings | None
    model: str
    reason: str
    calibrated: bool


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def node_forecast(task: Task) -> NodeForecast:
    """The forecast of `task`'s node; see the module's rule.

    Runs on one thread: matrices are small, so more threads only wait for each other (ten times slower on busy machines),
    and one thread adds up in the same order everywhere.
    """
    with _threads().limit(limits=1):
        return _node_forecast(task)


def _node_forecast(task: Task) -> NodeForecast:
    n = len(task.values)
    index = pd.date_range(task.start, periods=n + task.horizon, freq=task.step)
    found = windows(task.calendar, task.start, task.start + (n + task.horizon) * task.step)
    week = round(timedelta(days=7) / task.step)
    past = [w for w in found if w.start < task.start + n * task.step]
    known = dict(task.effects) if task.effects is not None else learned(task.values, index[:n], past, week)
    factor, spread = factors(found, known, index)
    usual = task.values / factor[:n]
    made, picked, laid = _on_local_clock(task, usual, index)
    if task.tune and not task.experts and (better := _suggested(task, laid, made)) is not None:
        task = replace(task, settings=better)
        made, picked, laid = _on_local_clock(task, usual, index)
    quantiles = applied(made.quantiles[picked], LEVELS, factor[n:], spread[n:])
    ahead = [w for w in found if w.end > task.start + n * task.step]
    weights = _weights(made.history)
    return NodeForecast(
        name=task.name,
        quantiles=quantiles,
        errors=error_levels(laid, made.history, len(made.quantiles))[-KEPT_ORIGINS:, picked].astype(np.float32),
        experts=tuple(sorted(name for k, (name, w) in enumerate(weights) if k == 0 or w >= KEPT_WEIGHT)),
        weights=weights,
        effects=tuple(sorted(known.items())),
        settings=task.settings,
        model=made.model,
        reason=made.reason + _calendar_words([(w.name, effect_of(w, known)) for w in ahead]),
        calibrated=made.calibrated,
    )


def _on_local_clock(
    task: Task, usual: Floats, index: pd.DatetimeIndex
) -> tuple[SeriesForecast, NDArray[np.int64], Floats]:
    """The pipeline's forecast on the local clock, which of its steps each UTC step is, and the series as laid there."""
    n = len(usual)
    clock = local_clock(index, task.step, task.calendar.timezone)
    laid = clock.laid_on(usual)
    # In the hour that comes twice a target may share the last known local step: it takes the first step's forecast.
    picked = np.maximum(clock.position[n:] - (len(laid) - 1), 1) - 1
    horizon = int(picked.max()) + 1 if len(picked) else 0
    _, columns = features(task.calendar, index)
    covariates = clock.laid_on(columns.T).T if columns.shape[1] else None
    if covariates is not None:
        covariates = np.nan_to_num(covariates[: len(laid) + horizon])
        short = len(laid) + horizon - len(covariates)
        covariates = np.pad(covariates, ((0, max(short, 0)), (0, 0)))
    made = forecast_series(
        laid,
        times=clock.times(len(laid)),
        step=task.step,
        horizon=horizon,
        covariates=covariates,
        n_paths=1,
        rng=np.random.default_rng(task.seed),
        prior=task.prior,
        **_models_and_settings(task),
    )
    return made, picked.astype(np.int64), laid


def _models_and_settings(task: Task) -> dict[str, Any]:
    """Experts, quantile models and settings of the pipeline: all of them for a refit, else those that carried the mix."""
    net = (pretrained(),) if task.lstm and (not task.experts or pretrained().name in task.experts) else ()
    experts = tuple(expert for expert in MODELS if expert.name in task.experts)
    if not experts and not (task.experts and net):
        experts = MODELS
    return (task.settings or DEFAULT).arguments(net, experts=experts, base=STRIDES)


def _suggested(task: Task, laid: Floats, made: SeriesForecast) -> PipelineSettings | None:
    """What the tuner would rather have used, from how the defaults did; None where it keeps the defaults."""
    if not made.history:
        return None
    first = made.history[0]
    used = laid[len(laid) - (len(first.quantiles) - first.h) :]
    length = round(task.step.total_seconds())
    stretch = stretch_of(used, start=0, step=length, seasons=seasons_of(length), trained=len(used))
    state = state_of(stretch, first.h, levels=LEVELS, quantiles={"mix": first.quantiles}, series=task.name)
    chosen = shipped_tuner().suggest(state)
    return None if chosen == DEFAULT else chosen


def error_levels(values: Floats, history: Sequence[Prequential], horizon: int) -> Floats:
    """(origins, horizon) levels at which past steps came in under the forecasts made `1…horizon` steps before.

    NaN where a step was missing or not forecast. `history` holds the prequential forecasts at the modelled horizons.
    """
    if not history:
        return np.empty((0, horizon))
    n = len(history[0].quantiles) - history[0].h
    if n <= horizon + 1:
        return np.empty((0, horizon))
    truth = np.where(values[len(values) - n :] >= 0, values[len(values) - n :], np.nan)
    out = np.full((n - horizon, horizon), np.nan)
    first = 0
    for made in history:
        hit = levels_of(truth, made.quantiles[:n], np.asarray(LEVELS))
        for h in range(first + 1, made.h + 1):
            out[:, h - 1] = hit[h : n - horizon + h]
        first = made.h
    return out


def _weights(history: Sequence[Prequential]) -> tuple[tuple[str, float], ...]:
    if not history:
        return ()
    mean = np.mean([made.weights.mean(axis=1) for made in history], axis=0)
    order = np.argsort(-mean, kind="stable")
    return tuple((history[0].names[k], float(mean[k])) for k in order)


def _calendar_words(ahead: Sequence[tuple[str, Effect]]) -> str:
    if not ahead:
        return ""
    said = [
        f"{name} × {effect.factor:.2f} ({effect.source}" + (f" from {effect.occasions})" if effect.occasions else ")")
        for name, effect in ahead[:3]
    ]
    more = f" and {len(ahead) - 3} more" if len(ahead) > 3 else ""
    return f"; calendar: {', '.join(said)}{more}"
