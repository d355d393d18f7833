"""Groups of a history forecast jointly, and the load of its last step. Pure: the seed is passed in."""

from __future__ import annotations

import numpy as np

from forecaster.demand import DemandForecast
from forecaster.history import History
from forecaster.pipeline import forecast_panel
from reconciler.fleet import Fleet
from reconciler.grouping import Grouping

#: Joint paths: enough for a 0.99 quantile of their sums, few enough for seconds.
PATHS = 1000


def forecast_groups(history: History, grouping: Grouping, fleet: Fleet, *, seed: int) -> DemandForecast:
    """Quantiles and joint paths of every group over the fleet's horizon."""
    return forecast_panel(
        history.grouped(grouping.codes, len(grouping.names)),
        applications=grouping.names,
        times=history.index.tz_localize(None).to_numpy(),
        step=history.step,
        horizon=max(int(fleet.horizon / fleet.step), 1),
        rng=np.random.default_rng(seed),
        n_paths=PATHS,
    )


def load_now(history: History, grouping: Grouping, fleet: Fleet) -> dict[str, float]:
    """QoS class → requests/s in the last step known; a class whose last step is missing is left out."""
    last = history.grouped(grouping.codes, len(grouping.names))[:, -1]
    qos = np.array(grouping.qos)
    sums = {name: float(last[qos == name].sum()) for name in fleet.qos}
    return {name: total / history.step.total_seconds() for name, total in sums.items() if np.isfinite(total)}
