"""The safety floor: whatever a forecast says, no plan goes below what the load measured now needs.

The floor is judged by the same `assess` as everything else, with the measured load in place of the quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.slo.assess import Supply, assess
from stacks.contract import Demand

#: Share of the measured load that may exceed the safe load: only there because a share must be positive.
_NOTHING = 1e-6

#: Most that a measured latency over target multiplies the load by: beyond it something else is broken.
_MOST_FELT = 4.0


def floor_demand(demand: Demand, load_now: Mapping[str, float]) -> Demand:
    """The demand section with the measured load (requests/s per class; absent: none) in place of its quantiles."""
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
    """The measured load, raised for classes whose measured latency is over their target: what the fleet feels.

    Latency over target means that requests take more than the model thinks: slower service, a hot spot, a burst within
    the step. The load is raised until the model's latency on the running supply is the measured one, so that the floor
    asks for the additional capacity (warm first where that is what starts soonest); at most fourfold.

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
