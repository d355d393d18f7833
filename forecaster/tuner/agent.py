"""The tuning agent: a contextual bandit that learned offline on backtests and goes on learning from each reward.

- A bandit, not a longer horizon: forecasts are recomputed from the history under whatever settings are in force, so a choice
  does not change later states. The value of an action is its next reward.
- Offline, a linear model of each action's advantage over the default is fitted by ridge regression on a backtest of *all*
  actions, with its posterior. Where nothing is known the advantage is zero, which is the default.
- Online, each series keeps its own deviation from that model, shrunk by how little was seen (a random effect). It chooses by
  Thompson sampling among the actions whose expected loss stays within SAFE_LOSS of the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.tuner.settings import ACTIONS, DEFAULT, PipelineSettings
from forecaster.tuner.state import FEATURES, TunerState, features

Floats = NDArray[np.float64]

#: An action is explored only if its expected advantage over the default is above minus this (log loss: 2 %).
SAFE_LOSS = 0.02
#: What an older reward of a series still counts after each newer one: demand changes.
FORGET = 0.98
#: Share of the posterior's spread that exploration uses: a full Thompson sample of 14 actions would hardly ever exploit.
EXPLORE = 0.5
#: Standard deviations, in log loss: of a series' own advantage of an action around the offline model; of the series'
#: rewards at large; of one reward.
SERIES_SPREAD, REWARD_SPREAD, REWARD_NOISE = 0.05, 1.0, 0.15


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What was learned offline.

    Attributes:
        coefficients: (actions, features) of the advantage over the default; the first row is zero.
        covariance: (actions, features, features) of the coefficients.
    """

    coefficients: Floats
    covariance: Floats


@dataclass(frozen=True, kw_only=True)
class ActionMemory:
    """What one series has shown of one action: discounted number and mean of reward minus predicted advantage."""

    count: float = 0.0
    mean: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ClassMode:
    """How a class of series is served: `mode` "agent", "rule" or "default"; `rule` is the action's name for "rule"."""

    mode: str
    rule: str = DEFAULT.name


def fit_offline(
    states: Floats, advantages: Floats, weights: Floats, *, prior_spread: float = 0.05, noise: float = 0.2
) -> Weights:
    """Ridge regression per action with its posterior.

    Args:
        states: (n, features) of the decisions in the backtests.
        advantages: (n, actions) reward minus the default's reward; NaN where an action was not run.
        weights: (n,) of the decisions; decisions of one series are not independent and should share a small sum.
        prior_spread: standard deviation of a coefficient before anything was seen.
        noise: standard deviation of an advantage of weight one.
    """
    actions, width = advantages.shape[1], states.shape[1]
    coefficients = np.zeros((actions, width))
    covariance = np.zeros((actions, width, width))
    for a in range(1, actions):
        known = np.isfinite(advantages[:, a])
        x, w = states[known], weights[known]
        precision = np.eye(width) / prior_spread**2 + (x * w[:, None]).T @ x / noise**2
        covariance[a] = np.linalg.inv(precision)
        coefficients[a] = covariance[a] @ (x.T @ (w * advantages[known, a])) / noise**2
    return Weights(coefficients=coefficients, covariance=covariance)


class Tuner:
    """Chooses the pipeline's settings and learns from what came of it.

    `modes` says per class of series (TunerState.group) whether the agent decides, a fixed rule, or the default; a class
    that is not listed gets the default. Only the memory of series changes; `memory` returns it for saving.
    """

    def __init__(
        self,
        weights: Weights,
        modes: Mapping[str, ClassMode],
        *,
        memory: Mapping[str, Mapping[str, ActionMemory]] | None = None,
        actions: tuple[PipelineSettings, ...] = ACTIONS,
    ) -> None:
        if weights.coefficients.shape != (len(actions), len(FEATURES)):
            raise ValueError(
                f"the policy has {weights.coefficients.shape} coefficients, expected {(len(actions), len(FEATURES))}"
            )
        self._weights = weights
        self._modes = dict(modes)
        self._actions = actions
        self._memory = {key: dict(value) for key, value in (memory or {}).items()}

    @property
    def weights(self) -> Weights:
        """What was learned offline."""
        return self._weights

    @property
    def modes(self) -> dict[str, ClassMode]:
        """Per class of series who decides."""
        return dict(self._modes)

    @property
    def memory(self) -> dict[str, dict[str, ActionMemory]]:
        """What was learned online: per series and horizon, per action name."""
        return {key: dict(value) for key, value in self._memory.items()}

    def remembering(self, memory: Mapping[str, Mapping[str, ActionMemory]]) -> Tuner:
        """The same policy with another memory."""
        return Tuner(self._weights, self._modes, memory=memory, actions=self._actions)

    def explores(self, state: TunerState) -> bool:
        """Whether the agent decides in this class of series, and so explores and learns."""
        return self._modes.get(state.group, ClassMode(mode="default")).mode == "agent"

    @staticmethod
    def key(state: TunerState) -> str:
        """What memory is kept by: the series, horizons apart."""
        return f"{state.series}@{state.horizon_steps}"

    def suggest(self, state: TunerState, *, rng: np.random.Generator | None = None) -> PipelineSettings:
        """The settings for the next stretch of the series; without `rng` the best known ones, no exploration."""
        served = self._modes.get(state.group, ClassMode(mode="default"))
        if served.mode == "default":
            return self._actions[0]
        if served.mode == "rule":
            return next((a for a in self._actions if a.name == served.rule), self._actions[0])
        mean, covariance = self.advantages(state)
        safe = mean >= -SAFE_LOSS
        if rng is not None:
            # Thompson sampling, tempered: act as if one draw of what may be true were true.
            draw = np.zeros(len(mean))
            draw[1:] = np.linalg.cholesky(covariance[1:, 1:]) @ rng.standard_normal(len(mean) - 1)
            mean = mean + EXPLORE * draw
        return self._actions[int(np.argmax(np.where(safe, mean, -np.inf)))]

    def observe(self, state: TunerState, settings: PipelineSettings, reward: float) -> None:
        """Learn from the reward (`state.reward`) that `settings`, chosen in `state`, have earned since.

        A reward that is not finite, or for settings that are no action, teaches nothing.
        """
        names = [a.name for a in self._actions]
        if settings.name not in names or not np.isfinite(reward):
            return
        number = names.index(settings.name)
        predicted = float(self._weights.coefficients[number] @ features(state))
        own = self._memory.setdefault(self.key(state), {})
        for name, kept in own.items():
            own[name] = ActionMemory(count=kept.count * FORGET, mean=kept.mean)
        kept = own.get(settings.name, ActionMemory())
        count = kept.count + 1.0
        own[settings.name] = ActionMemory(count=count, mean=kept.mean + (reward - predicted - kept.mean) / count)

    def advantages(self, state: TunerState) -> tuple[Floats, Floats]:
        """Expected advantage over the default (actions,) and its covariance, in log loss; both 0 for the default.

        Posterior of a linear Gaussian model: reward = the series' rewards at large + the offline model's advantage +
        the series' own deviation for that action + noise. The default has no deviation: it is what advantages are
        relative to.
        """
        x = features(state)
        variance = SERIES_SPREAD**2 + np.einsum("f,afg,g->a", x, self._weights.covariance, x)
        own = self._memory.get(self.key(state), {})
        counts = np.array([own.get(a.name, ActionMemory()).count for a in self._actions])
        means = np.array([own.get(a.name, ActionMemory()).mean for a in self._actions])
        # Unknowns: the rewards at large (in place of the default's deviation), then each action's deviation.
        precision = np.diag(np.concatenate([[1 / REWARD_SPREAD**2], 1 / variance[1:]]))
        weight = counts / REWARD_NOISE**2
        precision[0, 0] += weight.sum()
        precision[0, 1:] += weight[1:]
        precision[1:, 0] += weight[1:]
        precision += np.diag(np.concatenate([[0.0], weight[1:]]))
        moment = weight * means
        moment[0] = moment.sum()
        covariance = np.linalg.inv(precision)
        deviation = covariance @ moment
        deviation[0] = 0.0
        covariance[0, :] = covariance[:, 0] = 0.0
        return self._weights.coefficients @ x + deviation, covariance
