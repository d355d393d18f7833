"""All that runs of a stack, as one `World`: hypervisors, cloud and health checks, read at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

from reconciler.adapters.world.domains import read_domains
from reconciler.adapters.world.groups import read_groups
from reconciler.adapters.world.health import ask_health
from reconciler.errors import Unavailable
from reconciler.observe.instances import endpoints, group_labels, own_domains, world_of
from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import Observed, observe
from reconciler.observe.world import (
    DeclaredTier,
    LiveGroup,
    Reading,
    Site,
    World,
    cloud_source,
    declared_of,
    site_of,
)
from stacks.contract import NAMESPACE, Tier, parse

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
        read = read_domains(list(hosts.values()), timeout_s=host_s)
        readings = [Reading(source=name, at=clock(), error=one.error, asked=one.asked) for name, one in read.items()]
        domains = [domain for one in read.values() for domain in one.domains]
        running = [name for name, domain in own_domains(site, state, domains).items() if domain.running]
        answers = ask_health(endpoints(site, state, running), timeout_s=HEALTH_S)
        groups, said = _cloud(cloud)
    if site.cloud:
        readings.append(Reading(source=cloud_source(site), at=clock(), error=said))
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


def read_configured(
    config: Mapping[str, Any],
    state: Sequence[StateResource],
    *,
    project: str,
    stack: str,
    clock: Callable[[], datetime],
    offline: bool = False,
) -> World:
    """What runs of a stack configuration (full key → value, as a plan holds it).

    `offline`: nothing is asked, so that all but the state is unknown. Otherwise as `read_world`.
    """
    ours = {key.removeprefix(f"{NAMESPACE}:"): value for key, value in config.items() if key.startswith(NAMESPACE)}
    parsed = parse(ours)
    site = site_of(parsed, config, project=project, stack=stack)
    metal = [parsed.hot, *([parsed.cold.metal] if parsed.cold.metal else [])]
    recorded = observe(state, [flavour for part in metal for flavour in part.flavours])
    declared = declared_of(parsed)
    if not offline:
        return read_world(site, declared=declared, recorded=recorded, state=state, clock=clock)
    sources = [host.name for part in metal for host in part.hypervisors]
    sources += [cloud_source(site)] if site.cloud else []
    return world_of(
        site,
        declared=declared,
        recorded=recorded,
        state=state,
        readings=[Reading(source=source, at=clock(), error="not asked", asked=False) for source in sources],
        domains=(),
        groups=(),
        answers={},
    )


def _cloud(asked: Future[tuple[LiveGroup, ...]] | None) -> tuple[tuple[LiveGroup, ...], str]:
    if asked is None:
        return (), ""
    try:
        return asked.result(), ""
    except Unavailable as error:
        return (), str(error)
