"""The tuner: reinforcement learning over the settings of a series, off wherever it does not win.

The rule: it chooses from a fixed list of settings and learns only from forecasts that were made before the values came.

- `settings`: the list. `state`: what is known of a series when one is chosen, and the reward.
- `agent`: the bandit. `policy`: the policy that ships with the package. `online`: a choice at a refit.
- `in_force`: a series under the settings in force, near and far ahead.
"""

from __future__ import annotations

from forecaster.tuner.agent import ActionMemory, ClassMode, Tuner, Weights, fit_offline
from forecaster.tuner.online import Choice, Refit, refined
from forecaster.tuner.policy import parse_policy, shipped_tuner
from forecaster.tuner.settings import ACTIONS, BOUNDS, DEFAULT, PipelineSettings, computing
from forecaster.tuner.state import (
    SIZING_LEVELS,
    TunerState,
    distance,
    features,
    relative_loss,
    reward,
    sizing_loss,
    state_of,
)

__all__ = [
    "ACTIONS",
    "BOUNDS",
    "DEFAULT",
    "SIZING_LEVELS",
    "ActionMemory",
    "Choice",
    "ClassMode",
    "PipelineSettings",
    "Refit",
    "Tuner",
    "TunerState",
    "Weights",
    "computing",
    "distance",
    "features",
    "fit_offline",
    "parse_policy",
    "refined",
    "relative_loss",
    "reward",
    "shipped_tuner",
    "sizing_loss",
    "state_of",
]
