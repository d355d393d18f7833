"""The sizing as a function of a forecast, for `PLBM.get_recommendations`: instances per tier and type. Pure.

The result is the capacity that the demand needs, independent of what runs. Running instances, guards, commitments of the
account and error budgets belong to a plan (`tiercast plan`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from forecaster.demand import DemandForecast
from forecaster.history.history import History
from forecaster.plbm import PLBM
from reconciler.demand.classes import load_now
from reconciler.demand.grouping import nodes_apart
from reconciler.fleet.file import Fleet
from reconciler.observe.stack_state import Observed
from reconciler.plan.problem import problem_of
from reconciler.plan.snapshot import Snapshot
from reconciler.prices.catalogue import Catalogue
from reconciler.sizing import size

Rows = list[dict[str, str | int]]
Sizer = Callable[[DemandForecast], Mapping[tuple[str, str], int]]


def sizer(fleet: Fleet, catalogue: Catalogue, history: History, *, now: datetime) -> Sizer:
    """What `PLBM.get_recommendations` asks for: forecast → (tier, instance type) → count.

    The forecast must be one by node of a PLBM whose `node_of` is the fleet's (`reconciler.demand.grouping.nodes_of`), on `history`;
    `now` dates what is decided. Raises `InputError` where no rule of the fleet fits a pair of the history.
    """
    grouping = nodes_apart(history, fleet)
    felt = load_now(history, grouping, fleet)

    def sized(forecast: DemandForecast) -> Mapping[tuple[str, str], int]:
        snapshot = Snapshot(
            fleet=fleet,
            catalogue=catalogue,
            forecast=forecast,
            grouping=grouping,
            observed=Observed(),
            load_now=felt,
            as_of=history.end,
            now=now,
            stack="",
        )
        counts: Counter[tuple[str, str]] = Counter()
        for count in size(problem_of(snapshot)).counts:
            counts[count.tier.value, count.instance_type] += count.after
        return counts

    return sized


def recommended(plbm: PLBM, fleet: Fleet, catalogue: Catalogue, *, now: datetime) -> Rows:
    """`plbm.get_recommendations` with the sizing, as JSON-ready rows: tier, instance_type, count, low, high."""
    found = plbm.get_recommendations(sizer(fleet, catalogue, plbm.state.history, now=now))
    return [
        {"tier": one.tier, "instance_type": one.instance_type, "count": one.count, "low": one.low, "high": one.high}
        for one in found
    ]
