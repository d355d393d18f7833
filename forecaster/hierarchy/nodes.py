"""Forecasting one node of the hierarchy: its demand without events, on the local clock, through the pipeline and back.

The rule: `node_forecast` is a pure function of its task, so tasks may run on any process or machine, in any order,
twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from forecaster.calendar.clock import DemandCalendar, features, local_clock, windows
from forecaster.calendar.effects import Effect, applied, effect_of, factors, learned
from forecaster.demand import LEVELS
from forecaster.models.lstm import QuantileLstm, pretrained
from forecaster.series.forecast import SeriesForecast
from forecaster.series.knots import Prequential
from forecaster.series.paths import KEPT_ORIGINS, error_levels
from forecaster.series.tail import DECLARED, TailShape
from forecaster.tuner import DEFAULT, Tuner, shipped_tuner
from forecaster.tuner.in_force import Choices, Laid, chosen, forecast

Floats = NDArray[np.float64]
#: An expert below this mean weight is left out of updates until the next refit.
KEPT_WEIGHT = 0.02


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
        choices: settings in force by distance.
        fitted: end of the history of the last refit; None: never.
        lstm: whether the global net is asked as well.
        net: the one trained on the panel; None: the pretrained one.
        tail: the shape that far tails are shrunk to.
        tune: whether the tuner may choose other settings for a refit.
        tuner: its policy; None: the one that ships with the package.
        seed: of the random numbers.
    """

    name: str
    values: Floats
    start: datetime
    step: timedelta
    horizon: int
    calendar: DemandCalendar
    experts: tuple[str, ...] = ()
    effects: tuple[tuple[str, Effect], ...] | None = None
    prior: Floats | None = None
    choices: Choices = ()
    fitted: datetime | None = None
    lstm: bool = True
    net: QuantileLstm | None = None
    tail: TailShape = DECLARED
    tune: bool = False
    tuner: Tuner | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class NodeSummary:
    """What a node's forecast says besides numbers.

    Attributes:
        name: the node's name.
        experts: experts worth asking until the next refit.
        weights: mean weight of each expert that was asked, largest first.
        effects: effects that were learned or given.
        choices: settings in force by distance, with what the tuner has learned.
        model, reason, calibrated: as the pipeline says, with the calendar's part.
    """

    name: str
    experts: tuple[str, ...]
    weights: tuple[tuple[str, float], ...]
    effects: tuple[tuple[str, Effect], ...]
    choices: Choices
    model: str
    reason: str
    calibrated: bool


@dataclass(frozen=True, kw_only=True)
class NodeForecast(NodeSummary):
    """Forecast of a node from its last step on.

    Attributes:
        quantiles: (horizon, levels) requests per step.
        errors: (origins, horizon) levels at which past steps came in, newest last, for joint paths.
    """

    quantiles: Floats
    errors: NDArray[np.float32]


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def on_one_thread() -> AbstractContextManager[object]:
    """Matrix operations on one thread; see `node_forecast`."""
    limited: AbstractContextManager[object] = _threads().limit(limits=1)
    return limited


def node_forecast(task: Task) -> NodeForecast:
    """The forecast of `task`'s node; see the module's rule.

    Runs on one thread: matrices are small, so more threads only wait for each other (ten times slower on busy machines),
    and one thread adds up in the same order everywhere.
    """
    with on_one_thread():
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
    laid, picked = _on_local_clock(task, usual, index)
    made, choices = _made(task, laid)
    quantiles = applied(made.quantiles[picked], LEVELS, factor[n:], spread[n:])
    ahead = [w for w in found if w.end > task.start + n * task.step]
    weights = _weights(made.history)
    return NodeForecast(
        name=task.name,
        quantiles=quantiles,
        errors=_errors(laid, made)[:, picked].astype(np.float32),
        experts=tuple(sorted(name for k, (name, w) in enumerate(weights) if k == 0 or w >= KEPT_WEIGHT)),
        weights=weights,
        effects=tuple(sorted(known.items())),
        choices=choices,
        model=made.model,
        reason=made.reason + _calendar_words([(w.name, effect_of(w, known)) for w in ahead]),
        calibrated=made.calibrated,
    )


def _on_local_clock(task: Task, usual: Floats, index: pd.DatetimeIndex) -> tuple[Laid, NDArray[np.int64]]:
    """The series as laid on the local clock, and which of the steps ahead there each UTC step is."""
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
    series = Laid(
        name=task.name,
        seed=task.seed,
        values=laid,
        times=clock.times(len(laid)),
        step=task.step,
        horizon=horizon,
        covariates=covariates,
        prior=task.prior,
        net=(task.net or pretrained()) if task.lstm else None,
        experts=task.experts,
        tail=task.tail,
    )
    return series, picked.astype(np.int64)


def _made(task: Task, laid: Laid) -> tuple[SeriesForecast, Choices]:
    """The forecast under the settings in force, which a refit lets the tuner choose anew."""
    if task.experts or not task.tune:
        return forecast(laid, task.choices), task.choices
    made = forecast(laid, ())
    end = task.start + len(task.values) * task.step
    new_rows = 0 if task.fitted is None else max(0, int((end - task.fitted) // task.step))
    choices = chosen(laid, made, task.choices, task.tuner or shipped_tuner(), new_rows=new_rows)
    if all(choice.settings == DEFAULT for _, choice in choices):
        return made, choices
    return forecast(laid, choices), choices


def _errors(laid: Laid, made: SeriesForecast) -> Floats:
    """(origins, horizon) levels at which past steps came in under the forecasts made `1…horizon` steps before."""
    truth = np.where(laid.values >= 0, laid.values, np.nan)
    history = [(one.h, one.quantiles) for one in made.history]
    levels = np.asarray(LEVELS)
    return error_levels(truth, history, len(made.quantiles), levels, stride=laid.origin_stride, newest=KEPT_ORIGINS)


def _weights(history: Sequence[Prequential]) -> tuple[tuple[str, float], ...]:
    """Mean weight of each expert over horizons (none where it was not asked) and levels, largest first."""
    mean: dict[str, float] = {}
    for made in history:
        for name, weight in zip(made.names, made.weights.mean(axis=1), strict=True):
            mean[name] = mean.get(name, 0.0) + float(weight) / len(history)
    return tuple(sorted(mean.items(), key=lambda one: -one[1]))


def _calendar_words(ahead: Sequence[tuple[str, Effect]]) -> str:
    if not ahead:
        return ""
    said = [
        f"{name} × {effect.factor:.2f} ({effect.source}"
        + (f" from {effect.occasions} occurrences)" if effect.occasions else ")")
        for name, effect in ahead[:3]
    ]
    more = f" and {len(ahead) - 3} more" if len(ahead) > 3 else ""
    return f"; calendar: {', '.join(said)}{more}"
