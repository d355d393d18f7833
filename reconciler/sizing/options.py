"""The sizing's options, from the fleet file, the catalogue and the running instances.

There is one option per flavour of own hosts and per warm instance type, and one for the cold group. The types of the cold
group are interchangeable: it is sized by the smallest type and priced at the most expensive one, as the policies do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from reconciler.errors import InputError
from reconciler.fleet.file import Fleet
from reconciler.fleet.tiers import ColdSection, HotSection, ReadyPoolRule, WarmSection
from reconciler.observe.stack_state import Observed
from reconciler.prices.bill import root_volume_usd, waiting_usd
from reconciler.prices.catalogue import Catalogue
from reconciler.sizing.option_cost import Mixed, Waiting
from reconciler.sizing.problem import UNLIMITED, Option, OwnHost
from reconciler.slo.interruptions import interrupted_within
from stacks.contract import Flavour, Hypervisor, Ownership, Tier

#: Name of the cold tier's one mixed group.
COLD_GROUP = "burst"


def label(instance_type: str) -> str:
    """An instance type as part of a resource name: `c7i.large` → `c7i-large`."""
    return instance_type.replace(".", "-")


def options(
    fleet: Fleet, catalogue: Catalogue, seen: Observed, unreachable: frozenset[str] = frozenset()
) -> tuple[Option, ...]:
    """All options of the fleet's tiers; hosts that do not answer offer nothing and hold nothing that counts.

    Raises:
        InputError: a flavour fits no hypervisor.
        UnknownType, PriceMissing: the catalogue does not know a type or its price.
    """
    tiers = fleet.tiers
    found = [*_metal(Tier.HOT, tiers.hot, seen, unreachable), *_warm(tiers.warm, catalogue, seen)]
    if tiers.cold.instance_types:
        found.append(_cold(tiers.cold, catalogue, seen, fleet.step))
    if tiers.cold.hosts:
        found += _metal(Tier.COLD, tiers.cold, seen, unreachable)
    return tuple(_held(option, seen) for option in found)


def _held(option: Option, seen: Observed) -> Option:
    """The option of a group that is left as it is has no other count."""
    held = f"{option.tier.value}-{label(option.instance_type)}" in seen.held
    return replace(option, minimum=option.observed, maximum=option.observed) if held else option


def hosts(fleet: Fleet, unreachable: frozenset[str]) -> tuple[OwnHost, ...]:
    """Our own hosts that answer; the others carry nothing that is counted on."""
    return tuple(
        OwnHost(name=h.name, tier=tier, cores=h.cores, memory_mib=h.memory_mib)
        for tier in Tier
        for h in fleet.tiers.of(tier).own_hosts
        if h.name not in unreachable
    )


def room(flavour: Flavour, host: Hypervisor) -> int:
    """VMs of the flavour that fit on the host alone."""
    return min(host.cores // flavour.vcpu, host.memory_mib // flavour.memory_mib)


def tier_bounds(fleet: Fleet, unreachable: frozenset[str] = frozenset()) -> dict[Tier, tuple[int, int]]:
    """Least and most instances of each declared tier; the least is no more than hosts that answer have room for.

    Raises:
        InputError: a tier's declared minimum does not fit on its hosts, even if all of them answer.
    """
    found = {}
    for tier in Tier:
        part = fleet.tiers.of(tier)
        homes = () if part.cloud_types else part.own_hosts
        low = part.min
        if homes:
            if low > (whole := _most(part.own_flavours, homes)):
                raise InputError(
                    f"fleet.yaml, tiers.{tier.value}.min",
                    f"{low} VMs do not fit on the hosts, which have room for {whole}.",
                    "Lower it, add hosts, or make the flavours smaller.",
                )
            low = min(low, _most(part.own_flavours, [host for host in homes if host.name not in unreachable]))
        if tier in fleet.declared:
            found[tier] = (low, part.max)
    return found


def capacity_of(fleet: Fleet, tier: Tier, unreachable: frozenset[str] = frozenset()) -> int:
    """Most instances that a tier can run: what its hosts that answer carry, or `max` where it has cloud groups; 0 for a tier
    without hosts or instance types."""
    part = fleet.tiers.of(tier)
    if part.cloud_types or not part.declared:
        return part.max if part.cloud_types else 0
    return _most(part.own_flavours, [host for host in part.own_hosts if host.name not in unreachable])


def _most(flavours: Sequence[Flavour], homes: Iterable[Hypervisor]) -> int:
    """Most VMs that the hosts carry together, of whichever flavours."""
    smallest = [
        f
        for k, f in enumerate(flavours)
        if not any(
            g.vcpu <= f.vcpu
            and g.memory_mib <= f.memory_mib
            and ((g.vcpu, g.memory_mib) != (f.vcpu, f.memory_mib) or j < k)
            for j, g in enumerate(flavours)
        )
    ]

    @cache
    def on(cores: int, memory_mib: int, first: int) -> int:
        if first == len(smallest):
            return 0
        one = smallest[first]
        room = min(cores // one.vcpu, memory_mib // one.memory_mib)
        counts = range(room, -1, -1) if first + 1 < len(smallest) else (room,)
        return max(n + on(cores - n * one.vcpu, memory_mib - n * one.memory_mib, first + 1) for n in counts)

    return sum(on(host.cores, host.memory_mib, 0) for host in homes)


def _metal(tier: Tier, metal: HotSection | ColdSection, seen: Observed, unreachable: frozenset[str]) -> list[Option]:
    homes = metal.hypervisors if isinstance(metal, HotSection) else metal.hosts
    alive = [host for host in homes if host.name not in unreachable]
    # A VM that does not serve and is left as it is counts neither as capacity nor as a slot.
    left = seen.idle.keys() & seen.held
    running = Counter(
        s.flavour
        for s in seen.slots.get(tier, ())
        if s.hypervisor not in unreachable and s.name(tier.value) not in left
    )
    serving = Counter(s.flavour for s in seen.serving_slots(tier) if s.hypervisor not in unreachable)
    found = []
    for flavour in metal.flavours if homes else ():
        most = sum(room(flavour, host) for host in alive)
        if alive and not most:
            raise InputError(
                f"fleet.yaml, tiers.{tier.value}.flavours",
                f"'{flavour.name}' ({flavour.vcpu} vCPU, {flavour.memory_mib} MiB) fits none of the hosts.",
                "Make it smaller or correct the hosts' cores and memory_mib.",
            )
        found.append(
            Option(
                name=f"{tier.value}/{flavour.name}",
                tier=tier,
                instance_type=flavour.name,
                vcpu=flavour.vcpu,
                memory_mib=flavour.memory_mib,
                usd_per_hour=0.0,
                maximum=most,
                observed=min(running[flavour.name], most),
                ready=serving[flavour.name],
                boot_seconds=metal.boot_time.total_seconds(),
                boot_mean_seconds=metal.boot_time.total_seconds() / 2,
            )
        )
    return found


def _warm(warm: WarmSection, catalogue: Catalogue, seen: Observed) -> list[Option]:
    pool = warm.ready_pool
    volume = root_volume_usd(warm.launch.root_volume_gib if warm.launch else 0, catalogue)
    # Within a step only a reactive policy starts what waits.
    reactive = warm.ownership is Ownership.FLOOR and warm.target_tracking is not None
    return [
        Option(
            name=f"warm/{name}",
            tier=Tier.WARM,
            instance_type=name,
            vcpu=catalogue.type(name).vcpu,
            memory_mib=catalogue.type(name).memory_mib,
            network_mbps=catalogue.type(name).network_mbps,
            usd_per_hour=catalogue.price(name, "on_demand"),
            # What is committed or reserved is paid whether used or not, so using it costs nothing more.
            committed=max(
                sum(c.count for c in warm.commitments if c.instance_type == name),
                sum(r.count for r in warm.reservations if r.instance_type == name),
            ),
            observed=seen.desired(Tier.WARM, label(name)),
            ready=seen.in_service(Tier.WARM, label(name)),
            maximum=seen.most.get((Tier.WARM, label(name)), UNLIMITED),
            boot_seconds=catalogue.boot(name).p95_seconds,
            boot_mean_seconds=catalogue.boot(name).mean_seconds,
            upkeep_usd_per_hour=volume,
            waiting=_waiting(pool, name, volume, catalogue),
            ready_share=pool.share if pool is not None and reactive else 0.0,
            ready_seconds=warm.boot_time.total_seconds(),
        )
        for name in warm.instance_types
    ]


def _waiting(pool: ReadyPoolRule | None, name: str, volume: float, catalogue: Catalogue) -> Waiting | None:
    """The pool of a warm type with what one of it costs, `volume` USD/hour of it for its root volume."""
    if pool is None:
        return None
    return Waiting(
        share=pool.share, least=pool.min_size, usd_per_hour=volume + waiting_usd(name, pool.state, catalogue)
    )


def _cold(cold: ColdSection, catalogue: Catalogue, seen: Observed, step: timedelta) -> Option:
    types = [catalogue.type(name) for name in cold.instance_types]
    needs_both = cold.spot_share < 1 or cold.on_demand_base > 0
    spot = max(catalogue.price(name, "spot") for name in cold.instance_types) if cold.spot_share > 0 else 0.0
    on_demand = max(catalogue.price(name, "on_demand") for name in cold.instance_types) if needs_both else spot
    mixed = Mixed(
        base=cold.on_demand_base,
        on_demand_share=round(1 - cold.spot_share, 6),
        on_demand_usd_per_hour=on_demand,
        spot_usd_per_hour=spot,
    )
    # Which zones subnets lie in is not known here: the default rate stands for each.
    zones = (("*",) * len(cold.launch.subnets) or cold.launch.zones) if cold.launch is not None else ("*",)
    hours = step.total_seconds() / 3600
    networks = [t.network_mbps for t in types if t.network_mbps is not None]
    return Option(
        name=f"cold/{COLD_GROUP}",
        tier=Tier.COLD,
        instance_type=COLD_GROUP,
        vcpu=min(t.vcpu for t in types),
        memory_mib=min(t.memory_mib for t in types),
        network_mbps=min(networks) if networks else None,
        usd_per_hour=mixed.mean_usd,
        mixed=mixed,
        upkeep_usd_per_hour=root_volume_usd(cold.launch.root_volume_gib if cold.launch else 0, catalogue),
        observed=seen.desired(Tier.COLD, COLD_GROUP),
        ready=seen.in_service(Tier.COLD, COLD_GROUP),
        maximum=seen.most.get((Tier.COLD, COLD_GROUP), UNLIMITED),
        boot_seconds=max(catalogue.boot(name).p95_seconds for name in cold.instance_types),
        boot_mean_seconds=max(catalogue.boot(name).mean_seconds for name in cold.instance_types),
        zone="spot" if cold.spot_share > 0 else "",
        # An interruption in a month as a rate per step, of any zone; it takes one zone's share of the spot part.
        interruption=min(sum(_interrupted(cold, catalogue, zone, hours) for zone in zones), 1.0),
        interrupted_share=cold.spot_share / len(zones),
        spot=cold.spot_share > 0,
        on_demand_usd_per_hour=_on_demand(cold, catalogue),
    )


def _interrupted(cold: ColdSection, catalogue: Catalogue, zone: str, hours: float) -> float:
    """Probability that the zone's spot instances are taken within `hours`: of the type most often interrupted there."""
    if cold.spot_share <= 0:
        return 0.0
    return interrupted_within(max(catalogue.interruption(name, zone) for name in cold.instance_types), hours)


def _on_demand(cold: ColdSection, catalogue: Catalogue) -> float | None:
    """What the group would cost without spot; None where one of its types has no on-demand price."""
    if not all(catalogue.offers(name, "on_demand") for name in cold.instance_types):
        return None
    return max(catalogue.price(name, "on_demand") for name in cold.instance_types)
