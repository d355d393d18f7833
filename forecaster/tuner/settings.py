"""The choices of the tuner: a short list of complete pipeline configurations, all of them safe.

Safe exploration begins here: the agent picks from ACTIONS, it never invents a number. Each action is the default with a
few fields moved, within BOUNDS; a test holds the list to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from forecaster.models import MODELS, Expert
from forecaster.models.base import QuantileModel
from forecaster.models.direct import Direct
from forecaster.series.knots import Pipeline, SeriesSettings

#: What each number may be (lowest, highest); BOUNDS and ACTIONS are all that the tuner can reach.
BOUNDS: dict[str, tuple[float, float]] = {
    "forget_days": (2.0, 90.0),
    "rate": (0.0, 0.03),
    "smooth": (0.0, 1.0),
    "refit_days": (1.0, 10.0),
    "memory_days": (7.0, 120.0),
    "window_weeks": (2.0, 52.0),
    "fourier_order": (1.0, 8.0),
}
#: Which experts a model set holds, by the beginning of their names; `lstm` stands for the quantile models.
MODEL_SETS: dict[str, tuple[str, ...]] = {
    "all": ("",),
    "without-lstm": ("",),
    "lstm": (),
    "direct+lstm": ("direct",),
    "seasonal+lstm": ("naive", "mean"),
}

#: Seconds of computing per 1,000 hourly rows of an expert, by the beginning of its name, and of any other. Counted and not
#: measured: a reward, and with it a choice, must be the same on every machine and under every load.
SECONDS: dict[str, float] = {"arima": 0.025, "ets": 0.018, "lstm": 0.018}
OTHER_SECONDS = 0.008


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """One configuration of the pipeline; None leaves what the pipeline does by default.

    Attributes:
        name: what tables and reasons show.
        model_set: key of MODEL_SETS.
        forget_days: half-life of the mixing regrets (aggregation rate), days.
        rate: step of the adaptive recalibration (ACI).
        smooth: share of the regrets common to all levels.
        refit_days: days between refits of the models.
        memory_days: half-life of rows in the direct models, days.
        fourier_order: harmonics of the day and week in the direct models.
        window_weeks: newest weeks of history that are read at all.
    """

    name: str = "default"
    model_set: str = "all"
    forget_days: float | None = None
    rate: float | None = None
    smooth: float | None = None
    refit_days: float | None = None
    memory_days: float | None = None
    fourier_order: int | None = None
    window_weeks: float | None = None

    def __post_init__(self) -> None:
        """Refuse what lies outside BOUNDS: a saved policy may have been edited."""
        if self.model_set not in MODEL_SETS:
            raise ValueError(f"model_set {self.model_set!r} is unknown; choose one of {', '.join(MODEL_SETS)}")
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} = {value} of action {self.name!r} lies outside {low:g}..{high:g}")

    def pipeline(
        self,
        quantile_models: Sequence[QuantileModel],
        *,
        experts: Sequence[Expert] = MODELS,
        base: SeriesSettings | None = None,
    ) -> Pipeline:
        """The pipeline of this configuration, from the given experts and quantile models.

        `base` are the caller's settings, which the moved fields replace.
        """
        settings = base or SeriesSettings()
        named = {f.name: getattr(self, f.name, None) for f in fields(SeriesSettings)}
        starts = MODEL_SETS[self.model_set]
        return Pipeline(
            experts=tuple(self._moved(e) for e in experts if e.name.startswith(starts) and starts),
            quantile_models=() if self.model_set == "without-lstm" else tuple(quantile_models),
            settings=replace(settings, **{name: value for name, value in named.items() if value is not None}),
        )

    def newest(self, values: NDArray[np.float64], step_seconds: int) -> NDArray[np.float64]:
        """The part of `values` (n,) that is read: the newest `window_weeks`, all where that is None."""
        if self.window_weeks is None:
            return values
        return values[-max(1, round(self.window_weeks * 7 * 86_400 / step_seconds)) :]

    def _moved(self, expert: Expert) -> Expert:
        direct = expert.model
        if not isinstance(direct, Direct):
            return expert
        memory = direct.memory if self.memory_days is None else self.memory_days
        order = direct.order if self.fourier_order is None else self.fourier_order
        return replace(expert, model=replace(direct, memory=memory, order=order))


def computing(experts: Sequence[str]) -> float:
    """Seconds per 1,000 rows that the named experts take on one core of an ordinary server."""
    return sum(next((s for name, s in SECONDS.items() if e.startswith(name)), OTHER_SECONDS) for e in experts)


DEFAULT = PipelineSettings()
#: The actions, the default first. Their order is that of the columns in a saved policy.
ACTIONS: tuple[PipelineSettings, ...] = (
    DEFAULT,
    PipelineSettings(name="without-lstm", model_set="without-lstm"),
    PipelineSettings(name="lstm-only", model_set="lstm"),
    PipelineSettings(name="direct+lstm", model_set="direct+lstm"),
    PipelineSettings(name="seasonal+lstm", model_set="seasonal+lstm"),
    PipelineSettings(name="mix-fast", forget_days=4.0),
    PipelineSettings(name="mix-slow", forget_days=60.0),
    PipelineSettings(name="calibrate-off", rate=0.0),
    PipelineSettings(name="calibrate-fast", rate=0.02),
    PipelineSettings(name="refit-rare", refit_days=7.0),
    PipelineSettings(name="forget-rows", memory_days=21.0),
    PipelineSettings(name="short-window", window_weeks=4.0),
    PipelineSettings(name="few-waves", fourier_order=1),
    PipelineSettings(name="many-waves", fourier_order=6),
    PipelineSettings(name="agile", forget_days=4.0, rate=0.02, memory_days=21.0),
)
