"""The capacity that a stack guarantees: ready instances by tier, from resource inputs, in the form that `assess` needs.

A group counts at its guaranteed count, with its smallest allowed type. A scaling policy may go higher and the cloud may
start a larger type, but neither is guaranteed.
"""

from __future__ import annotations

from policies.estate import Estate
from policies.groups import Group
from reconciler.prices.catalogue import Catalogue
from reconciler.slo.assess import Supply
from reconciler.slo.interruptions import interrupted_within


def guaranteed(estate: Estate, catalogue: Catalogue, *, hours: float = 0.0) -> list[Supply]:
    """Supplies of all tiers.

    Args:
        estate: the counted stack.
        catalogue: sizes of the instance types and their interruption rates.
        hours: time for which spot instances must run, hours; 0 ignores interruptions.

    Raises:
        UnknownType, PriceMissing: the catalogue does not know a type or its interruption rate.
    """
    machines = [
        Supply(
            tier=machine.tier,
            instance_type=machine.resource.name,
            vcpu=machine.vcpu,
            memory_mib=machine.memory_mib,
            count=1,
        )
        for machine in estate.machines
    ]
    return machines + [_group(group, catalogue, hours) for group in estate.groups]


def _group(group: Group, catalogue: Catalogue, hours: float) -> Supply:
    types = [catalogue.type(name) for name in group.types]
    networks = [t.network_mbps for t in types if t.network_mbps is not None]
    count = group.guaranteed
    spot = group.spot_at(count)
    places = max(len(group.places), 1)
    monthly = max(catalogue.interruption(name) for name in group.types) if spot and hours > 0 else 0.0
    return Supply(
        tier=group.tier,
        instance_type=group.name,
        vcpu=min(t.vcpu for t in types),
        memory_mib=min(t.memory_mib for t in types),
        network_mbps=min(networks) if networks else None,
        count=count,
        zone="spot" if spot else "",
        interruption=min(interrupted_within(monthly, hours) * places, 1.0),
        interrupted_share=spot / count / places if count else 0.0,
    )
