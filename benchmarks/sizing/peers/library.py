"""statsforecast's models as autoscalers: their mean times a margin, or their own normal quantiles.

The test is forecast with a fit of the whole training (`benchmarks.forecast.peers`, from its cache where that has it). What
comes before the test, for choosing a knob or a pace without hindsight, is forecast with a fit of the training's first 70 %.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import norm

from benchmarks.data import Trace
from benchmarks.forecast.measures import at
from benchmarks.forecast.peers import Targets, cached, targets_of
from benchmarks.sizing.peers.knobs import Floats

#: Joint origins in the targets of the forecast benchmark, so that one cache serves both.
JOINT_ORIGINS = 24


def forecasts(
    name: str, trace: Trace, first: int, *, lead: int, unit: float, cache: Path | None
) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n - first,) in instances; `first` ≤ the trace's cut."""
    tested = cached(name, trace, targets_of(trace, lead=lead, joint=JOINT_ORIGINS), cache).near
    if first < trace.cut:
        inner = replace(trace, values=trace.values[: trace.cut], index=trace.index[: trace.cut], cut=first)
        none = np.empty(0, dtype=np.int64)
        targets = Targets(h=1 + lead, near=np.arange(first, trace.cut), day=none, joint=none, steps=1)
        tested = np.concatenate([cached(name, inner, targets, cache).near, tested])
    return normal_of(tested / unit)


def normal_of(quantiles: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation (rows,) of normal quantiles (rows, GRID), read where they are not cut off at zero."""
    low, high = norm.ppf([0.95, 0.99])
    deviation = (quantiles[:, at(0.99)] - quantiles[:, at(0.95)]) / (high - low)
    return quantiles[:, at(0.95)] - low * deviation, deviation
