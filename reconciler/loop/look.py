"""What runs, as a run sees it before it decides: the state, and what hypervisors and cloud say. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.adapters.project import Project
from reconciler.adapters.world.read import read_world
from reconciler.errors import Unavailable
from reconciler.fleet.file import Fleet
from reconciler.observe.adopted import with_adopted
from reconciler.observe.stack_state import observe
from reconciler.observe.world import Site, World
from stacks.contract import Adopted, Tier


@dataclass(frozen=True, kw_only=True)
class Look:
    """What runs and where. `silent`: hypervisor that does not answer → why."""

    site: Site
    world: World
    silent: dict[str, str]


def look(project: Project, fleet: Fleet, adopted: Adopted, *, now: datetime) -> Look:
    """Read the state, the hypervisors and the cloud. A stack that does not exist has no instances; none is created.

    `adopted` counts as recorded before an update has imported it.

    Raises:
        Unavailable: a hypervisor does not answer, and the fleet file says to stop then.
        EngineError: the engine can't read the state.
    """
    site = site_of_fleet(fleet, project=project.name, stack=project.stack_name)
    state = with_adopted(project.engine().state(), adopted)
    recorded = observe(state, fleet.metal_flavours)
    world = read_world(site, declared={}, recorded=recorded, state=state, clock=lambda: now)
    hosts = {host.name for host in fleet.tiers.own_hosts}
    silent = {name: why for name, why in world.silent.items() if name in hosts}
    if silent and fleet.tiers.hot.unreachable == "refuse":
        said = "; ".join(f"{name}: {words}" for name, words in sorted(silent.items()))
        raise Unavailable(
            f"Hypervisors do not answer ({said}).", remedy="Repair them, or set tiers.hot.unreachable to skip."
        )
    return Look(site=site, world=world, silent=silent)


def site_of_fleet(fleet: Fleet, *, project: str, stack: str) -> Site:
    """Where the instances of a fleet file are."""
    tiers = {tier: fleet.tiers.of(tier) for tier in Tier}
    return Site(
        project=project,
        stack=stack,
        hypervisors={tier: part.own_hosts for tier, part in tiers.items() if part.own_hosts},
        health={tier: part.health_check for tier, part in tiers.items() if part.health_check is not None},
        cloud=any(part.cloud_types for part in tiers.values()),
        provider=fleet.config,
    )
