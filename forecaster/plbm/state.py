"""The state of a trained PLBM as plain frozen data: settings, history, and the learned values and scores of each series.

The rule: the state holds everything that a forecast depends on, so a saved state gives the same forecast, byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forecaster.calendar.effects import Effect
from forecaster.demand import LEVELS, RequestCost
from forecaster.hierarchy.nodes import NodeForecast
from forecaster.hierarchy.settings import PlbmSettings, RefitRules
from forecaster.hierarchy.warm_start import Net
from forecaster.history.history import History
from forecaster.series.tail import DECLARED, TailShape
from forecaster.tuner.in_force import Choices
from forecaster.workload.costs import Workload

Floats = NDArray[np.float64]
LOW, HIGH = LEVELS.index(0.05), LEVELS.index(0.95)


@dataclass(frozen=True, kw_only=True)
class RunningScore:
    """How a series' forecasts did since its last fit: exponentially weighted over about two days of hourly steps.

    `seen` effective number of scored steps, `inside` share within the 90 % interval, `level` mean level at which demand
    came in (0.5 is unbiased), `loss` mean pinball loss over the levels, `scale` mean demand.
    """

    seen: float = 0.0
    inside: float = 0.9
    level: float = 0.5
    loss: float = 0.0
    scale: float = 0.0

    def after(self, levels: Floats, inside: NDArray[np.bool_], losses: Floats, values: Floats) -> RunningScore:
        """The score after more steps, given in order."""
        seen, mean = self.seen, np.array([self.inside, self.level, self.loss, self.scale])
        for row in zip(inside, levels, losses, values, strict=True):
            seen = min(seen + 1.0, MEMORY)
            mean += (np.array(row, dtype=float) - mean) / seen
        return RunningScore(
            seen=seen, inside=float(mean[0]), level=float(mean[1]), loss=float(mean[2]), scale=float(mean[3])
        )

    def verdict(self, rules: RefitRules) -> str:
        """Why the series must be fitted anew, or ""."""
        if self.seen < rules.seen:
            return ""
        if self.inside < rules.coverage:
            return f"its 90 % interval contained only {self.inside:.0%} of the latest values"
        if not 1 - rules.bias <= self.level <= rules.bias:
            return f"demand drifted: on average it was at the {self.level:.2f} quantile of the forecast"
        return ""


#: Steps after which a score has forgotten.
MEMORY = 48.0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What one modelled series keeps between forecasts.

    `experts` are asked until the next refit, `weights` is what the mix gave them, `effects` what the calendar does,
    `choices` the settings in force and what the tuner has learned, `fitted` the end of the history it was fitted on.
    """

    experts: tuple[str, ...]
    weights: tuple[tuple[str, float], ...]
    effects: tuple[tuple[str, Effect], ...]
    choices: Choices
    fitted: datetime
    score: RunningScore = field(default_factory=RunningScore)

    @classmethod
    def by(cls, made: NodeForecast, fitted: datetime) -> Fitted:
        """What a forecast that asked all experts leaves for the next."""
        return cls(
            experts=made.experts, weights=made.weights, effects=made.effects, choices=made.choices, fitted=fitted
        )


@dataclass(frozen=True, kw_only=True)
class PlbmState:
    """All of a trained PLBM.

    Attributes:
        fresh: forecasts from the history's last step, by series, where already made.
        net: the global net where it was trained on the panel.
        tail: the shape that far tails are shrunk to.
        origin: what the caller says that it was trained for; no forecast depends on it.
    """

    settings: PlbmSettings
    history: History
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    fresh: Mapping[str, NodeForecast] = field(default_factory=dict)
    workload: Workload | None = None
    declared: Mapping[str, RequestCost] = field(default_factory=dict)
    net: Net = field(default_factory=Net)
    tail: TailShape = DECLARED
    origin: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Update:
    """What an update did: `rows` taken in, `scored` steps compared with forecasts, `refitted` series and why."""

    rows: int
    scored: int
    refitted: Mapping[str, str]


def due_of(state: PlbmState, names: Iterable[str]) -> dict[str, str]:
    """Which of the series `names` are to be fitted anew, and why: new, failed by their score, or due by schedule."""
    rules, now = state.settings.refit, state.history.end
    due: dict[str, str] = {}
    for name in names:
        known = state.fitted.get(name)
        if known is None:
            due[name] = "new series"
        elif said := known.score.verdict(rules):
            due[name] = said
        elif now - known.fitted >= rules.every:
            due[name] = f"fitted {(now - known.fitted).days} days ago"
    return due
