"""Every contender on one trace: the peers, what pacing and the program make of them, and our own table.

`first` is the row from which all of them decide: 70 % of the training, as the field's protocol cuts it again, so that a knob
can be chosen, and a pace learnt, before the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy.stats import norm

from benchmarks.data import Trace
from benchmarks.sizing.frontier import STATIC, TRACKING
from benchmarks.sizing.peers.knobs import Floats, Peer, expected_unserved, margin, quantile, whole
from benchmarks.sizing.peers.library import forecasts
from benchmarks.sizing.peers.scalers import aws_predictive, crane, predictive_hpa
from benchmarks.sizing.peers.simple import seasonal_margin, seasonal_quantile, static_peak, target_tracking
from reconciler.onepool.count import counts_at
from reconciler.onepool.walk import Table, table
from reconciler.trust.pacing import PacedRows, PromisePace, paced

#: A pace chooses among so many times fewer settings than a knob in hindsight does.
THINNED = 4
#: Largest fleet that a pace may ask for, in peaks of the training.
FLEET = 2.0
#: Points, in standard deviations, and masses of a normal distribution for the program.
POINTS: Floats = np.linspace(-5.0, 5.0, 101)
MASSES: Floats = np.diff(norm.cdf(np.concatenate([[-np.inf], (POINTS[1:] + POINTS[:-1]) / 2, [np.inf]])))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A trace, the requests a step that one instance serves, and the steps that one takes to boot."""

    trace: Trace
    unit: float
    lead: int

    @property
    def h(self) -> int:
        """Steps from the newest known one to the one decided."""
        return 1 + self.lead

    @property
    def first(self) -> int:
        """The first row that contenders decide."""
        return int(0.7 * self.trace.cut)

    @property
    def demand(self) -> Floats:
        """Demand (n,) in instances, gaps filled from before."""
        return self.trace.filled / self.unit

    @property
    def known(self) -> Floats:
        """Demand (n,) in instances, NaN where unknown."""
        return self.trace.values / self.unit


def case_of(trace: Trace, *, lead: int, instances: float) -> Case:
    """The case in which the training's 95th percentile needs so many instances."""
    unit = float(np.nanpercentile(trace.values[: trace.cut], 95)) / instances
    if not unit > 0:
        raise ValueError(f"{trace.name}: the training's 95th percentile is {unit * instances:g}, so no unit can be set")
    return Case(trace=trace, unit=unit, lead=lead)


def peers_of(case: Case, libraries: Sequence[str], cache: Path | None) -> Iterator[tuple[str, Peer]]:
    """Every peer by name."""
    trace, demand, first, h = case.trace, case.demand, case.first, case.h
    window = max(1, round(timedelta(minutes=15) / trace.step.to_pytimedelta()))
    yield STATIC, static_peak(demand, trace.cut, first)
    yield TRACKING, target_tracking(demand, first, h, window)
    yield "seasonal-naive-margin", seasonal_margin(demand, first, trace.season, h)
    yield "seasonal-naive-quantile", seasonal_quantile(demand, trace.cut, first, trace.season, h)
    yield "aws-predictive", aws_predictive(demand, first, h, trace.day, window)
    yield "predictive-hpa", predictive_hpa(demand, first, h, trace.day, window)
    yield "crane-like", crane(demand, trace.cut, first, h, trace.day)
    for name in libraries:
        mean, deviation = forecasts(name, trace, first, lead=case.lead, unit=case.unit, cache=cache)
        yield f"{name}-margin", margin(np.maximum(mean, 0.0), first)
        yield f"{name}-quantile", quantile(mean, deviation, first)


def by_pace(case: Case, peer: Peer, promised_share: float) -> Floats:
    """Counts (test rows,) when our pacing turns the peer's knob at every step, without hindsight.

    A peer with a distribution gives its expectation to the pace as ours does; one without is paced by what happened. A
    fleet ends at twice the training's peak: a pace that sees no safe setting would otherwise pay for thirty times a need.
    """
    most = whole(np.array(FLEET * case.demand[: case.trace.cut].max()))
    counts = np.minimum(peer.counts[::THINNED], most)
    few = Peer(first=peer.first, counts=counts, mean=peer.mean, deviation=peer.deviation)
    pace = PromisePace() if few.mean is not None else PromisePace(model_weight=0.0)
    return by_table(case, few.counts.T, expected_unserved(few).T, promised_share, pace)


def by_program(peer: Peer) -> tuple[Floats, Floats]:
    """Counts and expected unserved volume (rows, risks) of our program for the peer's normal distribution."""
    if peer.mean is None or peer.deviation is None:
        raise ValueError("only a peer with a distribution can be given to the program")
    values = np.maximum(peer.mean[:, None] + POINTS * peer.deviation[:, None], 0.0)
    return counts_at(values, np.broadcast_to(MASSES, values.shape))


def by_table(
    case: Case, counts: Floats, expected: Floats, promised_share: float, pace: PromisePace | None = None
) -> Floats:
    """Counts (test rows,) that our pacing chooses among `counts` and `expected` (rows from `first`, settings)."""
    first, cut = case.first, case.trace.cut
    demand = case.known[first:]
    column = paced(
        demand,
        counts,
        expected,
        promised_share=promised_share,
        rows=PacedRows(start=cut - first, warm=0, h=case.h, day=case.trace.day),
        pace=pace,
    )
    return np.asarray(counts[np.arange(cut - first, len(demand)), column])


def our_table(case: Case) -> Table:
    """Our counts at every risk."""
    trace = case.trace
    times = trace.index.tz_localize(None).to_numpy()
    step = trace.step.to_pytimedelta()
    return table(trace.values, times, step=step, lead=case.lead, unit=case.unit, start=trace.cut)
