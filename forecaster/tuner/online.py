"""Refining the tuning agent in operation: what a choice has earned since it was made, and the next choice.

- At every refit the past forecasts are made again under the default and under the settings in force. On the rows since the
  last refit both earn a reward: the same rows, hence the same luck. The series' memory takes them in.
- The agent then chooses again, exploring within its safe bound.
- Only a class that the policy gives to the agent does this. A class with a rule or the default costs nothing and learns
  nothing.

Everything is kept with the series and drawn from seeds, so a saved forecaster goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.models.base import Stretch
from forecaster.series.knots import Prequential
from forecaster.tuner.agent import ActionMemory, Tuner
from forecaster.tuner.settings import DEFAULT, PipelineSettings, computing
from forecaster.tuner.state import TunerState, reference, relative_loss, reward, sizing_loss, state_of

Floats = NDArray[np.float64]
#: Days of new rows without which a refit teaches nothing: a shorter stretch is one part of the day only.
FEWEST_DAYS = 1.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is in force for one series at one distance ("near" or "day").

    Attributes:
        settings: of the pipeline.
        state: what was known when the agent chose them; None where a rule or nobody did.
        memory: what the series has shown of each action, by its name.
    """

    settings: PipelineSettings = DEFAULT
    state: TunerState | None = None
    memory: Mapping[str, ActionMemory] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Refit:
    """What a refit of one series at one horizon gives the tuner.

    Attributes:
        series: its name.
        stretch: the series in requests, up to now.
        default: past forecasts under the default settings.
        run: makes the same under other settings, at the same horizon.
        net: the global net's own quantiles {"lstm": (n + h, levels)}, or nothing; asked only where the agent decides.
        new_rows: rows since the last refit, 0 at the first.
        asked: rows whose forecasts were made; those between hold the one before and are no forecast of their own.
    """

    series: str
    stretch: Stretch
    default: Prequential
    run: Callable[[PipelineSettings], Prequential]
    net: Callable[[], Mapping[str, Floats]]
    new_rows: int
    asked: NDArray[np.int64]


def refined(tuner: Tuner, known: Choice, refit: Refit, *, rng: np.random.Generator) -> Choice:
    """The choice after a refit, from the one in force for the last `refit.new_rows` rows.

    The tuner gives the policy; its own memory is not read. `rng` is that of the exploration.
    """
    stretch, default, new_rows = refit.stretch, refit.default, refit.new_rows
    h = default.h
    plain = state_of(stretch, h, levels=LEVELS, quantiles={}, series=refit.series)
    if not tuner.explores(plain):
        return Choice(settings=tuner.suggest(plain), memory=known.memory)
    agent = tuner.remembering({tuner.key(plain): known.memory})
    base = reference(stretch, h, LEVELS)
    made = {DEFAULT: default}
    if known.settings != DEFAULT:
        made[known.settings] = refit.run(known.settings)
    if known.state is not None and known.state.horizon_steps == h and new_rows * stretch.step >= FEWEST_DAYS * 86_400:
        for settings, forecast in made.items():
            rows = refit.asked[refit.asked >= len(stretch) - new_rows]
            agent.observe(known.state, settings, _earned(stretch, forecast, base, rows))
    state = state_of(
        stretch,
        h,
        levels=LEVELS,
        quantiles={"mix": _newest(made[known.settings].quantiles, len(stretch) + h), **refit.net()},
        reference_quantiles=base,
        series=refit.series,
    )
    chosen = agent.suggest(state, rng=rng)
    return Choice(settings=chosen, state=state, memory=agent.memory.get(tuner.key(plain), {}))


def _earned(stretch: Stretch, forecast: Prequential, base: Floats, rows: NDArray[np.int64]) -> float:
    """Reward of a forecast on some rows; NaN where none of them has a value."""
    rows = rows[rows < len(stretch)]
    truth = np.where(stretch.observed, stretch.values, np.nan)[rows]
    loss = sizing_loss(truth, _newest(forecast.quantiles, len(base))[rows], LEVELS)
    if not np.isfinite(loss).any():
        return float("nan")
    seconds = computing(forecast.names)
    return reward(relative_loss(loss, sizing_loss(truth, base[rows], LEVELS)), seconds_per_thousand_rows=seconds)


def _newest(quantiles: Floats, count: int) -> Floats:
    """The last `count` rows, with NaN before them where a window of history left earlier ones out."""
    missing = max(0, count - len(quantiles))
    return np.pad(quantiles[max(0, len(quantiles) - count) :], ((missing, 0), (0, 0)), constant_values=np.nan)
