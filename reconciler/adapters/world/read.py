"""All that runs of a stack, as one `World`: hypervisors, cloud and health checks, read at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from reconciler.adapters.world.domains import HostRead, read_domains
from reconciler.adapters.world.groups import read_groups
from reconciler.adapters.world.health import ask_health
from reconciler.errors import Unavailable
from reconciler.observe.instances import group_labels, own_domains, world_of
from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import Observed
from reconciler.observe.world import DeclaredTier, LiveGroup, Reading, Site, World, endpoints
from stacks.contract import Hypervisor, Tier

#: Time limit of one hypervisor, and of one health check, in seconds.
HOST_S, HEALTH_S = 10.0, 3.0


def read_world(
    site: Site,
    *,
    declared: Mapping[Tier, DeclaredTier],
    recorded: Observed,
    state: Sequence[StateResource],
    clock: Callable[[], datetime],
    host_s: float = HOST_S,
) -> World:
    """What runs now. A source that does not answer is a reading with an error, and what it holds is unknown.

    Args:
        site: where the instances are.
        declared, recorded, state: sizes in the stack configuration, what the state holds, and its resources.
        clock: gives the time of each reading.
        host_s: time limit of one hypervisor in seconds. A host that hangs costs this time once: all are asked together.
    """
    hosts = {h.name: h for mine in site.hypervisors.values() for h in mine}
    with ThreadPoolExecutor(max_workers=1) as pool:
        cloud = pool.submit(read_groups, site, group_labels(state)) if site.cloud else None
        read = _hosts(list(hosts.values()), host_s)
        readings = [Reading(source=name, at=clock(), error=one.error) for name, one in read.items()]
        domains = [domain for one in read.values() for domain in one.domains]
        running = [name for name, domain in own_domains(site, state, domains).items() if domain.running]
        answers = ask_health(endpoints(site, state, running), timeout_s=HEALTH_S)
        groups, said = _cloud(cloud)
    if site.cloud:
        readings.append(Reading(source=f"aws {site.region}".strip(), at=clock(), error=said))
    return world_of(
        site,
        declared=declared,
        recorded=recorded,
        state=state,
        readings=readings,
        domains=domains,
        groups=groups,
        answers=answers,
    )


def _hosts(hosts: Sequence[Hypervisor], timeout_s: float) -> dict[str, HostRead]:
    try:
        return read_domains(hosts, timeout_s=timeout_s)
    except Unavailable as error:
        return {host.name: HostRead(error=str(error).rstrip(".")) for host in hosts}


def _cloud(asked: Future[tuple[LiveGroup, ...]] | None) -> tuple[tuple[LiveGroup, ...], str]:
    if asked is None:
        return (), ""
    try:
        return asked.result(), ""
    except Unavailable as error:
        return (), str(error)
