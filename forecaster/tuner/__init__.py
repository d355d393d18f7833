"""The tuner: reinforcement learning over the pipeline's settings, off wherever it does not win.

tuner = shipped_tuner()
choice = refined(tuner, Choice(), series=name, stretch=stretch, default=made, …)   # at the first fit
made = prequential(stretch, h, **choice.settings.arguments((net,)))
... at the next refit: rewards since then are observed, the next settings chosen ...
choice = refined(tuner, choice, …)
"""

from __future__ import annotations

from forecaster.tuner.agent import Memory, Tuner, Verdict, Weights, fit_offline
from forecaster.tuner.online import Choice, refined
from forecaster.tuner.policy import parse_policy, shipped_tuner
from forecaster.tuner.settings import ACTIONS, BOUNDS, DEFAULT, PipelineSettings, computing
from forecaster.tuner.state import (
    SIZING_LEVELS,
    State,
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
    "Choice",
    "Memory",
    "PipelineSettings",
    "State",
    "Tuner",
    "Verdict",
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
