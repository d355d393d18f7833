"""Warm-starting the global net on the series that a forecaster knows.

- The pretrained net is used for everyone.
- Where keras is installed and the series are many and long enough, it is trained further, in stages that are used only for
  what came after them (`forecaster.models.lstm`), and again when the newest stage has become old.
- Fewer or shorter series keep the pretrained weights, so they can't make it worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.util import find_spec

import numpy as np
import pandas as pd

from forecaster.calendar.clock import local_clock
from forecaster.history.history import Floats
from forecaster.models.base import seconds_of
from forecaster.models.lstm import QuantileLstm, Training, fitted
from forecaster.models.lstm_features import Grid

#: Modules without which nothing is trained (the extra `lstm`).
NEEDED = ("keras", "jax")


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """When the net is trained on the panel, and how long.

    Attributes:
        series: modelled series that must have `history` with requests in it.
        history: how long each must be.
        draws: origins learned from, split over the stages: 20,000 take about 10 s on two cores, whatever the panel.
        every: age of the newest stage at which another is added.
    """

    series: int = 20
    history: timedelta = timedelta(weeks=2)
    draws: int = 20_000
    every: timedelta = timedelta(weeks=4)


@dataclass(frozen=True, kw_only=True)
class Net:
    """The net in use: None for the pretrained one; `said` which and why; `until` end of what its newest stage has seen."""

    net: QuantileLstm | None = None
    said: str = "the shipped model is used"
    until: datetime | None = None


def warmed(
    known: Net,
    panel: Sequence[Floats],
    *,
    start: datetime,
    step: timedelta,
    timezone: str,
    rules: WarmStart,
    seed: int,
) -> Net:
    """The net after a look at the panel: series (n,) in requests with NaN where unknown, from `start` (UTC) on."""
    long = [row for row in panel if _teaches(row, step, rules)]
    if len(long) < rules.series:
        days = rules.history.days
        few = f"{rules.series} series of {days} days are needed, {len(long)} have them: the shipped model is used"
        return known if known.net is not None else Net(said=few)
    end = start + len(panel[0]) * step
    if known.until is not None and end - known.until < rules.every:
        return known
    if any(find_spec(module) is None for module in NEEDED):
        return (
            known
            if known.net is not None
            else Net(said="keras (the extra `lstm`) is not installed: the shipped model is used")
        )
    index = pd.date_range(start, periods=len(panel[0]), freq=step)
    clock = local_clock(index, step, timezone)
    laid = clock.laid_on(np.stack(long))
    first = int(seconds_of(clock.times(1))[0])
    grids = [Grid(values=row, start=first, step=round(step.total_seconds())) for row in laid]
    rng = np.random.default_rng([seed, int(end.timestamp())])
    training = Training(draws=rules.draws)
    if known.net is None:
        net = fitted(grids, rng=rng, training=training)
    else:
        since = first + laid.shape[1] * grids[0].step
        net = known.net.updated(grids, since=since, rng=rng, training=replace(training, draws=rules.draws // 2))
        net = _trimmed(net, first)
    return Net(net=net, said=f"trained on {len(long)} series up to {end:%Y-%m-%d %H:%M} UTC", until=end)


def _teaches(row: Floats, step: timedelta, rules: WarmStart) -> bool:
    """Whether a series has had requests for long enough."""
    known = np.flatnonzero(np.isfinite(row) & (row > 0))
    return len(known) > 0 and (len(row) - int(known[0])) * step >= rules.history


def _trimmed(net: QuantileLstm, first: int) -> QuantileLstm:
    """The stages that may still speak about a history that begins at `first`."""
    since = [stage.since for stage in net.stages]
    return replace(net, stages=net.stages[max(0, int(np.searchsorted(since, first, side="right")) - 1) :])
