"""The safety floor: whatever a forecast says, no plan goes below what the load measured now needs.

The floor is judged by the same `assess` as everything else, with the measured load in place of the quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.assess import Supply, assess
from reconciler.latency import Service
from stacks.contract import Demand

#: Share of the measured load that may exceed the safe load: only there because a share must be positive.
_NOTHING = 1e-6


def floor_demand(demand: Demand, load_now: Mapping[str, float]) -> Demand:
    """The demand section with the measured load (requests/s per class; absent: none) in place of its quantiles."""
    classes = {
        name: wanted.model_copy(
            update={
                "levels": (0.5,),
                "requests_per_second": (max(load_now.get(name, 0.0), 0.0),),
                "violating_share": _NOTHING,
            }
        )
        for name, wanted in demand.classes.items()
    }
    return demand.model_copy(update={"classes": classes})


def below_floor(
    demand: Demand,
    load_now: Mapping[str, float],
    supply: Sequence[Supply],
    services: Mapping[str, Service] | None = None,
) -> tuple[str, ...]:
    """One sentence per class whose measured load the supply would not carry within its promise; empty where it does."""
    whole = [replace(s, loss=0.0) for s in supply]
    judged = assess(floor_demand(demand, load_now), whole, services, fine=1, latency=False)
    return tuple(
        f"QoS class {c.name} has {c.demand_rps:.6g} requests/s now and would be served {c.safe_rps:.6g} within "
        f"{c.target_ms:g} ms: this would go below the safety floor."
        for c in judged.classes
        if not c.holds
    )
