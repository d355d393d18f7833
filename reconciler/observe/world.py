"""What runs, beside what is declared and what the stack's state records: the same instances, told four ways. Pure.

    declared   what the stack configuration asks for
    recorded   what the state of the last update or refresh holds
    running    what the hypervisors and the cloud say that runs now
    ready      what of it serves

A figure that could not be read is None (unknown). It is never 0: unknown counts as what was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.observe.stack_state import Observed
from stacks.contract import HealthCheck, Hypervisor, Ownership, Size, StackConfig, Tier

#: Name of a VM in a slot: `<tier>-<hypervisor>-<nnn>`.
_SLOT = re.compile(rf"({'|'.join(Tier)})-(.+)-(\d{{3}})")


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a stack's instances are, and how they are asked.

    Attributes:
        project, stack: what the stack's own resources are tagged with.
        hypervisors: hosts by tier.
        health: check of a tier's VMs; a tier without one is absent.
        cloud: whether the stack has cloud groups.
        provider: provider settings of the stack configuration (`aws:region`, `aws:endpoints`, `aws:profile`).
    """

    project: str
    stack: str
    hypervisors: Mapping[Tier, tuple[Hypervisor, ...]] = field(default_factory=dict)
    health: Mapping[Tier, HealthCheck] = field(default_factory=dict)
    cloud: bool = False
    provider: Mapping[str, Any] = field(default_factory=dict)

    def owns(self, description: str) -> bool:
        """Whether a domain's description is that of this stack."""
        return description.startswith(f"tiercast project={self.project} stack={self.stack} tier=")

    @property
    def region(self) -> str:
        """AWS region of the groups; "" if the provider finds it by itself."""
        return str(self.provider.get("aws:region") or "")


@dataclass(frozen=True, kw_only=True)
class LiveDomain:
    """A domain on a hypervisor, of whomever.

    state, reason: libvirt's words (`shut off`, `destroyed`); `reason` is "" if libvirt names none.
    """

    host: str
    name: str
    uuid: str
    state: str
    reason: str = ""
    description: str = ""
    vcpu: int = 0
    memory_mib: int = 0

    @property
    def running(self) -> bool:
        """Whether the domain executes."""
        return self.state == "running"


@dataclass(frozen=True, kw_only=True)
class LiveMember:
    """An instance of a group.

    Attributes:
        lifecycle: of the group (`Pending`, `InService`, `Terminating`, …).
        healthy: the group's own health status.
        state: EC2's word (`running`, `stopped`, …); "" if EC2 does not know the instance.
        targets: target group ARN → state of the instance there (`healthy`, `unhealthy`, `draining`, …).
        template: launch template ID and version that the instance was launched from, `ID:VERSION`; "" if unknown.
        spot: whether it was bought at the spot market.
        reason: EC2's code for the last change of state (`Client.UserInitiatedShutdown`); "" if it names none.
    """

    id: str
    instance_type: str
    zone: str
    lifecycle: str
    healthy: bool
    state: str
    targets: Mapping[str, str] = field(default_factory=dict)
    template: str = ""
    spot: bool = False
    protected: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class LaunchFailure:
    """A launch that failed because the cloud has no capacity. `spot`: at the spot market; `why`: the cloud's own sentence."""

    at: datetime
    spot: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class LiveGroup:
    """An auto scaling group of the stack. `name` is the label in the plan (`burst`), `group` the name in the cloud.

    Attributes:
        template: launch template ID and version for new instances, `ID:VERSION`; "" if unknown.
        suspended: names of suspended processes. target_groups: ARNs. causes: of the newest activities, newest first.
        failures: recent launches that failed for lack of capacity, newest first.
        stuck: whether the newest launch is one of them.
    """

    tier: Tier
    name: str
    group: str
    min: int
    desired: int
    max: int
    members: tuple[LiveMember, ...] = ()
    target_groups: tuple[str, ...] = ()
    template: str = ""
    suspended: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    failures: tuple[LaunchFailure, ...] = ()
    stuck: bool = False


@dataclass(frozen=True, kw_only=True)
class LiveInstance:
    """One instance: a VM in a slot, or an instance of a group.

    Attributes:
        name: slot's name, or instance ID.
        place: hypervisor, or the group's label.
        kind: flavour, or instance type.
        running, ready: None if unknown.
        why: why it is not ready or not known; "" for one that is ready.
        checked: whether a health check or target group decided that it is ready.
        recorded: whether the stack's state holds it; always true in a group that the state holds.
        uuid: of the VM's domain; "" if there is none.
    """

    tier: Tier
    name: str
    place: str
    kind: str
    running: bool | None
    ready: bool | None
    why: str = ""
    checked: bool = False
    recorded: bool = True
    uuid: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one source said and when.

    error: why it could not be read; "" if it was. asked: false if there was no client to ask with, which says nothing about
    the source.
    """

    source: str
    at: datetime
    error: str = ""
    asked: bool = True


@dataclass(frozen=True, kw_only=True)
class DeclaredTier:
    """Instances of a tier in the stack configuration. Between `low` and `high` a scaling policy may choose."""

    low: int
    count: int
    high: int


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Instances that run and that are ready; None: nothing is known of any.

    unknown: instances of which it is not known whether they run. unjudged: whether they are ready; never fewer.
    """

    running: int | None
    ready: int | None
    unknown: int = 0
    unjudged: int = 0


@dataclass(frozen=True, kw_only=True)
class World:
    """All that is known of a stack's instances at one time.

    Attributes:
        declared: by tier. recorded: the stack's state.
        instances: VMs and group instances, ours only.
        readings: one per hypervisor and region, and that of the state (`state`).
        domains: every domain on the hypervisors that answered, of whomever.
        groups: the stack's groups in the cloud.
    """

    declared: Mapping[Tier, DeclaredTier]
    recorded: Observed
    instances: tuple[LiveInstance, ...] = ()
    readings: tuple[Reading, ...] = ()
    domains: tuple[LiveDomain, ...] = ()
    groups: tuple[LiveGroup, ...] = ()

    @property
    def silent(self) -> dict[str, str]:
        """Source → error, of those that were asked and did not answer."""
        return {r.source: r.error for r in self.readings if r.error and r.asked}

    def tally(self, tier: Tier, place: str | None = None) -> Tally:
        """Instances of a tier, or of one hypervisor or group in it. What is recorded in a group that could not be read is
        unknown."""
        mine = [i for i in self.instances if i.tier is tier and place in (None, i.place)]
        unread = sum(
            count
            for (its, name), (_, count) in self.recorded.groups.items()
            if its is tier and place in (None, name) and not self._read(its, name)
        )
        running, ready = [i.running for i in mine], [i.ready for i in mine]
        unknown, unjudged = unread + running.count(None), unread + ready.count(None)
        return Tally(
            running=None if unknown and unknown == unread + len(mine) else running.count(True),
            ready=None if unjudged and unjudged == unread + len(mine) else ready.count(True),
            unknown=unknown,
            unjudged=unjudged,
        )

    def _read(self, tier: Tier, name: str) -> bool:
        """Whether a recorded group was looked up: it was, or its region answered without it."""
        known = any(g.tier is tier and g.name == name for g in self.groups)
        return known or any(r.source.startswith("aws") and not r.error for r in self.readings)

    def instance(self, name: str) -> LiveInstance | None:
        """The instance of that name."""
        return next((i for i in self.instances if i.name == name), None)

    def group(self, tier: Tier, name: str) -> LiveGroup | None:
        """The group of that label."""
        return next((g for g in self.groups if g.tier is tier and g.name == name), None)


def site_of(config: StackConfig, provider: Mapping[str, Any], *, project: str, stack: str) -> Site:
    """Where the instances of a stack configuration are."""
    metal = {Tier.HOT: config.hot, **({Tier.COLD: config.cold.metal} if config.cold.metal else {})}
    return Site(
        project=project,
        stack=stack,
        hypervisors={tier: part.hypervisors for tier, part in metal.items() if part.hypervisors},
        health={tier: part.health for tier, part in metal.items() if part.health is not None},
        cloud=bool(config.warm.groups or config.cold.groups),
        provider=provider,
    )


def cloud_source(site: Site) -> str:
    """Source of the readings of the stack's cloud groups: `aws REGION`."""
    return f"aws {site.region}".strip()


def declared_of(config: StackConfig) -> dict[Tier, DeclaredTier]:
    """Sizes in a stack configuration. A tier of `external` ownership has no upper bound."""
    metal = config.cold.metal
    return {
        Tier.HOT: _declared(len(config.hot.slots)),
        Tier.WARM: _declared(0, [g.size for g in config.warm.groups], config.warm.ownership),
        Tier.COLD: _declared(
            len(metal.slots) if metal else 0, [g.size for g in config.cold.groups], config.cold.ownership
        ),
    }


def _declared(slots: int, sizes: Sequence[Size] = (), ownership: Ownership = Ownership.EXACT) -> DeclaredTier:
    external = bool(sizes) and ownership is Ownership.EXTERNAL
    return DeclaredTier(
        low=slots + sum(0 if external else s.min for s in sizes),
        count=slots + sum(s.desired for s in sizes),
        high=slots + sum(10**6 if external else s.max for s in sizes),
    )


def slot_of(name: str) -> tuple[Tier, str, int] | None:
    """Tier, hypervisor and number in a VM's name; None for a name that no slot has."""
    found = _SLOT.fullmatch(name)
    return (Tier(found[1]), found[2], int(found[3])) if found else None
