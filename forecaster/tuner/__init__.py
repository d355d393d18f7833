"""The tuner: reinforcement learning over the pipeline's settings, off wherever it does not win.

tuner = shipped_tuner(memory_text_or_None)
state = state_of(stretch, h, levels=LEVELS, quantiles={"mix": made.quantiles, "lstm": net_quantiles}, series=name)
settings = tuner.suggest(state, rng=rng)                 # without rng: no exploration
made = prequential(stretch, h, **settings.arguments((net,)))
... days later ...
tuner.observe(state, settings, reward(relative, seconds_per_thousand_rows=s))
text = dump_memory(tuner)
"""

from __future__ import annotations

from forecaster.tuner.agent import Memory, Tuner, Verdict, Weights, fit_offline
from forecaster.tuner.policy import dump_memory, parse_memory, parse_policy, shipped_tuner
from forecaster.tuner.settings import ACTIONS, BOUNDS, DEFAULT, PipelineSettings
from forecaster.tuner.state import SIZING_LEVELS, State, features, relative_loss, reward, sizing_loss, state_of

__all__ = [
    "ACTIONS",
    "BOUNDS",
    "DEFAULT",
    "SIZING_LEVELS",
    "Memory",
    "PipelineSettings",
    "State",
    "Tuner",
    "Verdict",
    "Weights",
    "dump_memory",
    "features",
    "fit_offline",
    "parse_memory",
    "parse_policy",
    "relative_loss",
    "reward",
    "shipped_tuner",
    "sizing_loss",
    "state_of",
]
