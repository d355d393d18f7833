"""The safety floor: no plan goes below the capacity that the measured load needs, whatever the forecast.

The same `assess` judges the floor, with the measured load instead of the quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.slo.assess import Supply, assess
from stacks.contract import Demand

#: Share of the measured load that may exceed the safe load. It is tiny, but a share must be positive.
_NOTHING = 1e-6

#: Largest factor by which a measured latency over target raises the load. Above it something else is broken.
_MOST_FELT = 4.0


def floor_demand(demand: Demand, load_now: Mapping[str, float]) -> Demand:
    """The demand section with the measured load (requests/s per class; absent: 0) instead of its quantiles."""
    classes = {
        name: wanted.model_copy(
            update={
                "levels": (0.5,),
                "requests_per_second": (max(load_now.get(name, 0.0), 0.0),),
                "promised_share": _NOTHING,
                "allowed_share": _NOTHING,
            }
        )
        for name, wanted in demand.classes.items()
    }
    return demand.model_copy(update={"classes": classes})


def felt_load(
    demand: Demand,
    load_now: Mapping[str, float],
    latency_now_ms: Mapping[str, float],
    supply: Sequence[Supply],
) -> dict[str, float]:
    """The measured load, raised for classes whose measured latency is over their target.

    A latency over target means that requests cost more than the model assumes: slower service, a hot spot, or a burst within
    the step. The load is raised, at most fourfold, until the model's latency on the running instances equals the measured
    one. The floor then requires the additional capacity.

    Args:
        demand: promises per class.
        load_now: measured requests/s per class.
        latency_now_ms: measured latency at the class's percentile, where it is measured.
        supply: what runs now.

    Returns:
        requests/s per class of `load_now`, never less than measured.
    """
    felt = dict(load_now)
    whole = [replace(s, interruption=0.0) for s in supply]
    for name, measured in latency_now_ms.items():
        wanted, load = demand.classes.get(name), load_now.get(name, 0.0)
        if wanted is None or load <= 0 or measured <= wanted.latency_ms:
            continue
        low, high = 1.0, _MOST_FELT
        for _ in range(20):
            middle = (low + high) / 2
            judged = assess(floor_demand(demand, {**felt, name: load * middle}), whole, fine=1)
            low, high = (middle, high) if judged.of(name).latency_ms < measured else (low, middle)
        felt[name] = load * high
    return felt
