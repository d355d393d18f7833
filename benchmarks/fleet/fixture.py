"""Issue 5's fixed fixture of three tiers: a five-minute trace in instances, what was forecast of it, and interruptions of spot.

One instance serves unit = (95th percentile of the training) / 20 a step. Hot: 30 % of that percentile, owned and sunk.
Warm: a commitment at 0.62 × the on-demand price, paid always, of the size that the rule of the field keeps (share of training
time that needs it > 0.62); beyond it on-demand at 1. Spot at 0.34 in two zones. An interruption of a zone takes half of the
spot, two a week; every instance is interrupted by itself once in five weeks. Boots take 10 min, 30 s and 3 min and are billed from
launch; a step is five minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Trace
from benchmarks.forecast.ours import stretch_from
from forecaster.demand import LEVELS
from forecaster.series.knots import prequential
from forecaster.series.paths import draw_ranks, levels_of

Floats = NDArray[np.float64]

HORIZON, PATHS = 6, 40
COMMITTED, SPOT = 0.62, 0.34
STEP_SECONDS = 300
ZONE_INTERRUPTIONS_PER_STEP = 2 / 2016
INTERRUPTED_ALONE_PER_STEP = 1 / (5 * 2016)
#: Share of its first step that a started instance serves; hot serves from the third step on.
WARM_START, SPOT_START, HOT_STEPS = 0.9, 0.4, 2
ZONES = ("a", "b")
#: More spot instances than any zone is asked for: so many have a draw of their own.
MOST_SPOT = 400


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """A trace in instances: demand (n,), first test step, hot and committed counts, what was forecast.

    quantiles: (n, horizon, levels) for step t + j, known at t; ranks: (paths, horizon) joint levels of the training.
    """

    name: str
    demand: Floats
    start: int
    hot: int
    committed: int
    quantiles: Floats
    ranks: Floats


def fixture(trace: Trace, seed: int = 0) -> Fixture:
    """Scale a five-minute trace and forecast every step of it HORIZON steps ahead; row t uses nothing newer."""
    values = trace.filled
    unit = float(np.quantile(values[: trace.cut], 0.95)) / 20
    stretch = stretch_from(trace)
    made = [prequential(stretch, h).quantiles for h in range(1, HORIZON + 1)]
    # Row j of `quantiles[t]` is the forecast of step t + j made when step t - 1 was the newest: h = j + 1.
    count = len(values) - HORIZON
    quantiles = np.stack([made[j][j : j + count] for j in range(HORIZON)], axis=1) / unit
    first = max(trace.cut - 14 * trace.day, 2 * trace.day)
    grid = np.asarray(LEVELS)
    errors = np.stack(
        [
            levels_of(
                values[first + j : trace.cut - HORIZON + j] / unit, quantiles[first : trace.cut - HORIZON, j], grid
            )
            for j in range(HORIZON)
        ],
        axis=1,
    )
    demand = values / unit
    hot = round(0.3 * 20)
    # Kept while the share of training time that needs the k-th warm instance exceeds the price ratio.
    need = np.sort(np.ceil(np.maximum(demand[: trace.cut] - hot, 0)))[::-1]
    committed = int(need[int(COMMITTED * len(need))])
    ranks = draw_ranks([errors], PATHS, HORIZON, np.random.default_rng(seed))[:, 0]
    return Fixture(
        name=trace.name,
        demand=demand[:count],
        start=trace.cut,
        hot=hot,
        committed=committed,
        quantiles=quantiles,
        ranks=ranks,
    )


@dataclass(frozen=True, kw_only=True)
class InterruptionPath:
    """interrupted: (steps,) zone interrupted at the step's start or -1; alone: (steps, zones, MOST_SPOT) uniform draws."""

    interrupted: NDArray[np.int64]
    alone: Floats

    def survivors(self, t: int, zone: int, count: int) -> int:
        """Spot instances of a zone that live through the start of step t."""
        if self.interrupted[t] == zone:
            return 0
        return int((self.alone[t, zone, :count] >= INTERRUPTED_ALONE_PER_STEP).sum())

    def survivors_of_all(self, zone: int, count: int) -> Floats:
        """`survivors` of every step (steps,), as if `count` ran at its start."""
        left = (self.alone[:, zone, :count] >= INTERRUPTED_ALONE_PER_STEP).sum(axis=1)
        return np.where(self.interrupted == zone, 0.0, left)


def interruption_path(steps: int, seed: int, *, of_zones: bool = True) -> InterruptionPath:
    """One path: instances by themselves, and two zones a week at random times, at least one, so that no seed is spared."""
    rng = np.random.default_rng(seed)
    hit = np.zeros(steps, dtype=bool)
    hit[rng.choice(steps, size=max(round(ZONE_INTERRUPTIONS_PER_STEP * steps), 1), replace=False)] = True
    zones = rng.integers(0, len(ZONES), steps)
    return InterruptionPath(
        interrupted=np.where(hit & of_zones, zones, -1),
        alone=rng.random((steps, len(ZONES), MOST_SPOT)),
    )
