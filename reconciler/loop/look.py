"""What runs, as a run sees it before it decides: the state, and what hypervisors and cloud say. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.adapters.ledger import Ledger
from reconciler.adapters.project import Project
from reconciler.adapters.world.read import read_world
from reconciler.errors import Unavailable
from reconciler.fleet.file import Fleet
from reconciler.guards.past import begun
from reconciler.observe.adopted import with_adopted
from reconciler.observe.drift import Drift, DriftKind, Evidence, drift_of
from reconciler.observe.reaction import drift_line, taken_as_is
from reconciler.observe.serving import observed_now
from reconciler.observe.stack_state import Observed, observe
from reconciler.observe.world import Site, World
from reconciler.plan.outdated import outdated, outdated_notes
from reconciler.plan.readiness import readiness_notes
from stacks.contract import Adopted, Tier

#: Boot times after which a VM that was made or started is expected to answer its health check.
_SETTLING = 2


@dataclass(frozen=True, kw_only=True)
class Look:
    """What runs and where.

    silent: hypervisor that does not answer → why. drift: what is not as the state holds it. reactions: what happens to it.
    outdated: VMs of another build.
    """

    site: Site
    world: World
    silent: dict[str, str]
    drift: tuple[Drift, ...]
    reactions: dict[DriftKind, str]
    outdated: frozenset[str] = frozenset()


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
    owners = {Tier.WARM: fleet.tiers.warm.ownership, Tier.COLD: fleet.tiers.cold.ownership}
    return Look(
        site=site,
        world=world,
        silent=silent,
        drift=drift_of(world, Evidence(state=tuple(state), ownership=owners)),
        reactions={DriftKind(kind): reaction for kind, reaction in fleet.drift.model_dump().items()},
        outdated=outdated(fleet, state),
    )


def start_of(seen: Look, fleet: Fleet, past: Ledger, *, now: datetime) -> Observed:
    """What a plan starts from. The ledger says which VMs were made so recently that they may still boot."""
    held, dropped = taken_as_is(seen.drift, seen.reactions, seen.world)
    boot = max(fleet.tiers.of(tier).boot_time for tier in Tier)
    booting = begun(past.entries, since=now - _SETTLING * boot)
    found = observed_now(seen.world, seen.site, booting=booting, held=held, dropped=dropped)
    return replace(found, replaced=found.replaced | (seen.outdated - found.held))


def notes_of(seen: Look, fleet: Fleet, observed: Observed) -> tuple[str, ...]:
    """The plan's sentences about drift and about what does not serve."""
    told = {one.name for one in seen.drift}
    return (
        *(drift_line(one, seen.reactions) for one in seen.drift),
        *readiness_notes(fleet, seen.world, observed, told=told),
        *outdated_notes(seen.outdated - observed.held),
    )


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
