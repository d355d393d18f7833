"""Settles a stack before it is changed: the backend's lock, pending operations, and domains that no state holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciler.adapters import ledger
from reconciler.adapters.adopted import read_adopted
from reconciler.adapters.engine import Engine
from reconciler.adapters.project import Project
from reconciler.adapters.settle.backend_lock import release_stale
from reconciler.adapters.settle.checkpoint import export_state, import_state, to_be_created
from reconciler.adapters.settle.lookup import host_of, look_up
from reconciler.adapters.settle.removal import remove_domain, remove_volume
from reconciler.adapters.world.domains import read_domains
from reconciler.errors import InputError
from reconciler.observe.half_created import (
    DeclaredVm,
    PendingOperation,
    Settlement,
    declared_vms,
    of_domains,
    of_pending,
    of_silent,
    pending_operations,
    recorded_ids,
    with_settled,
)
from reconciler.observe.stack_state import DOMAIN
from reconciler.observe.world import LiveDomain, Site, site_of
from reconciler.plan import noted
from reconciler.plan.file import OWN_KEYS, PlanFile
from stacks.contract import parse


@dataclass(frozen=True, kw_only=True)
class SettleResult:
    """What was done: released locks, in sentences, and what half-finished updates had left."""

    locks: tuple[str, ...] = ()
    leftovers: tuple[Settlement, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """One sentence for each."""
        return (*self.locks, *(one.describe() for one in self.leftovers))


def settle_stack(project: Project, plan: PlanFile, *, now: datetime, progress: Callable[[str], None]) -> None:
    """Settle the stack of a plan before it is applied; what was done is noted and said. Errors as `settle`."""
    config = parse({k.removeprefix("tiercast:"): v for k, v in plan.config.items() if k in OWN_KEYS})
    stack = project.stack.rpartition("/")[2]
    site = site_of(config, plan.config, project=project.name, stack=stack)
    adopted = frozenset(kept.uuid for kept in read_adopted(project).machines.values())
    done = settle(project.engine(), site, declared_vms(config), backend=project.backend(), adopted=adopted)
    if done.lines:
        for line in done.lines:
            progress(line)
        ledger.append(project.ledger_file, noted.settled(plan, done.lines, at=now))


def settle(
    engine: Engine,
    site: Site,
    declared: Mapping[str, DeclaredVm],
    *,
    backend: str,
    adopted: frozenset[str] = frozenset(),
) -> SettleResult:
    """Release locks of dead updates, then adopt or remove what they left. Without leftovers nothing is written.

    Args:
        engine: the stack. Its state may hold pending operations.
        site: hypervisors and cloud of the stack configuration. A hypervisor that does not answer is left alone.
        declared: VMs of the stack configuration by name.
        backend: URL of the stack's backend.
        adopted: UUIDs of domains that the next update imports (`tiercast adopt`).

    Raises:
        StackLocked: a living update holds the lock.
        Unavailable: AWS or the backend does not answer.
        InputError: a domain of somebody else has the name of a declared VM.
        EngineError: the state can't be read or written.
    """
    locks = tuple(release_stale(backend, project=site.project, stack=engine.stack))
    exported = export_state(engine)
    deployment = exported["deployment"]
    hosts = {h.name: h for mine in site.hypervisors.values() for h in mine}
    read = read_domains(list(hosts.values()))
    domains = [domain for one in read.values() for domain in one.domains]
    silent = frozenset(name for name, one in read.items() if one.error)
    leftovers = _pending(site, deployment, domains, silent)
    leftovers += _domains(
        engine, site, declared, deployment, domains, adopted | {one.id for one in leftovers if one.id}
    )
    foreign = [one for one in leftovers if one.action == "foreign" and one.kind == "domain"]
    if foreign:
        raise InputError(
            f"hypervisor {foreign[0].place}",
            f"domain {foreign[0].name} is not of this stack, but has the name of a VM that is declared; it was not touched.",
            "Rename that domain, or give its slot up: pin or exclude it, then plan again.",
        )
    if pending_operations(deployment) or any(one.action == "adopt" for one in leftovers):
        import_state(engine, {**exported, "deployment": with_settled(deployment, leftovers)})
    running = {domain.uuid for domain in domains if domain.running}
    for one in leftovers:
        if one.action == "remove" and one.kind == "domain":
            remove_domain(hosts[one.place], one.id, running=one.id in running)
        elif one.action == "remove":
            remove_volume(hosts[one.place], one.id)
    return SettleResult(locks=locks, leftovers=tuple(leftovers))


def _pending(
    site: Site, deployment: Mapping[str, Any], domains: Sequence[LiveDomain], silent: frozenset[str]
) -> list[Settlement]:
    known = pending_operations(deployment)
    away = [one for one in known if _is_on(site, one, silent)]
    asked = [one for one in known if one not in away]
    found = look_up(site, asked, domains)
    return of_pending(asked, found, recorded_ids(deployment)) + of_silent(away)


def _is_on(site: Site, one: PendingOperation, silent: frozenset[str]) -> bool:
    host = host_of(site, one.resource)
    return host is not None and host.name in silent


def _domains(
    engine: Engine,
    site: Site,
    declared: Mapping[str, DeclaredVm],
    deployment: Mapping[str, Any],
    domains: Sequence[LiveDomain],
    before: frozenset[str],
) -> list[Settlement]:
    """Domains that no state holds. What runs as declared is adopted if the program says how; else it is left alone."""
    known = recorded_ids(deployment) | before
    found = of_domains(
        site, domains, declared=declared, known=known, recorded=any(r["type"] == DOMAIN for r in _resources(deployment))
    )
    entries = to_be_created(engine, [one.name for one in found if one.action == "adopt"], type=DOMAIN)
    held = {str(r["urn"]) for r in _resources(deployment)}
    settled = []
    for one in found:
        entry = entries.get(one.name)
        if one.action != "adopt" or (entry is not None and entry["parent"] in held):
            settled.append(replace(one, resource=entry if one.action == "adopt" else None))
        else:
            settled.append(replace(one, action="leave", why="it runs, but the program does not create it now"))
    return settled


def _resources(deployment: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return deployment.get("resources") or ()
