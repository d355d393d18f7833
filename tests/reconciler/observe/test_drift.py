"""Fifty kinds of drift in the shapes that libvirt, EC2 and the engine report them: each with who or what made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.observe.drift import Drift, DriftKind, Evidence, by_kind, drift_of
from reconciler.observe.instances import world_of
from reconciler.observe.preview import RefreshStep, StateResource
from reconciler.observe.stack_state import DOMAIN, GROUP, observe
from reconciler.observe.world import LiveDomain, LiveGroup, LiveMember, Reading, Site
from stacks.contract import Flavour, HealthCheck, Hypervisor, Ownership, Tier

NOW = datetime(2026, 11, 25, tzinfo=UTC)
OURS = "tiercast project=shop stack=dev tier=hot"
SITE = Site(
    project="shop",
    stack="dev",
    hypervisors={
        Tier.HOT: tuple(
            Hypervisor(name=n, uri="qemu:///x", cores=8, memory_mib=8192, base_port=20000) for n in ("a", "b")
        )
    },
    health={Tier.HOT: HealthCheck()},
    cloud=True,
)
PERSON, SCALER, LOST, NOISE, HALF = DriftKind


def resource(name: str, kind: str, id: str, **values: Any) -> StateResource:
    urn = f"urn:pulumi:dev::shop::tiercast:stacks:HotTier$tiercast:stacks:Machine${kind}::{name}"
    return StateResource(urn=urn, type=kind, id=id, inputs=values, outputs=values)


STATE = (
    resource("hot-a-001", DOMAIN, "u1", vcpu=1, memory=128),
    resource("hot-b-001", DOMAIN, "u2", vcpu=1, memory=128),
    resource("cold-burst", GROUP, "cold-burst-1a2b", minSize=1, maxSize=4, desiredCapacity=2),
)
VM = LiveDomain(
    host="a", name="hot-a-001", uuid="u1", state="running", reason="booted", description=OURS, vcpu=1, memory_mib=128
)
OTHER = replace(VM, host="b", name="hot-b-001", uuid="u2")
ONE = LiveMember(
    id="i-1", instance_type="m5.large", zone="z", lifecycle="InService", healthy=True, state="running", spot=True
)
TWO = replace(ONE, id="i-2", spot=False)
GROUP_NOW = LiveGroup(
    tier=Tier.COLD, name="burst", group="cold-burst-1a2b", min=1, desired=2, max=4, members=(ONE, TWO)
)


@dataclass(kw_only=True)
class Scene:
    """What hypervisors, cloud and engine say; a case changes one thing of a world without drift."""

    domains: list[LiveDomain]
    groups: list[LiveGroup]
    answers: dict[str, str]
    errors: dict[str, str]
    ownership: Ownership = Ownership.FLOOR
    refreshed: tuple[RefreshStep, ...] = ()

    def vm(self, **values: Any) -> None:
        self.domains[0] = replace(self.domains[0], **values)

    def group(self, **values: Any) -> None:
        self.groups[0] = replace(self.groups[0], **values)

    def member(self, **values: Any) -> None:
        self.group(members=(replace(ONE, **values), TWO))

    def drift(self) -> tuple[Drift, ...]:
        recorded = observe(STATE, [Flavour(name="small", vcpu=1, memory_mib=128)])
        world = world_of(
            SITE,
            declared={},
            recorded=recorded,
            state=STATE,
            readings=[Reading(source=s, at=NOW, error=self.errors.get(s, "")) for s in ("a", "b", "aws")],
            domains=self.domains,
            groups=self.groups,
            answers=self.answers,
        )
        evidence = Evidence(
            state=STATE,
            ownership={Tier.COLD: self.ownership},
            refreshed=self.refreshed,
        )
        return drift_of(world, evidence)


def scene() -> Scene:
    return Scene(domains=[VM, OTHER], groups=[GROUP_NOW], answers={"hot-a-001": "", "hot-b-001": ""}, errors={})


def found(name: str, kind: str, *keys: str, noise: tuple[str, ...] = (), gone: bool = False) -> RefreshStep:
    return RefreshStep(urn=f"urn:pulumi:dev::shop::{kind}::{name}", type=kind, keys=keys, noise=noise, gone=gone)


def refreshes(*steps: RefreshStep) -> Callable[[Scene], None]:
    return lambda s: setattr(s, "refreshed", steps)


def stopped(state: str, reason: str) -> Callable[[Scene], None]:
    return lambda s: s.vm(state=state, reason=reason)


def half(**values: Any) -> Callable[[Scene], None]:
    made = replace(VM, name="hot-a-002", uuid="u9", **values)
    return lambda s: s.domains.append(made)


def moved(causes: tuple[str, ...] = (), ownership: Ownership = Ownership.FLOOR, **size: int) -> Callable[[Scene], None]:
    def change(s: Scene) -> None:
        more = tuple(replace(ONE, id=f"i-{n}") for n in range(1, size.get("desired", 2) + 1))
        s.group(members=more, causes=causes, **size)
        s.ownership = ownership

    return change


ALARM = (
    "At 2026-11-25T00:00:00Z a monitor alarm TargetTracking-cold-burst-AlarmHigh in state ALARM triggered policy cold-burst-cpu "
    "changing the desired capacity from 2 to 3."
)
BY_USER = (
    "At 2026-11-25T00:00:00Z a user request update of AutoScalingGroup constraints to min: 1, max: 4, desired: 3 changing the "
    "desired capacity from 2 to 3."
)
LT, TG, VOLUME = (
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:lb/targetGroup:TargetGroup",
    "libvirt:index/volume:Volume",
)
POLICY, RULE = "aws:autoscaling/policy:Policy", "aws:lb/listenerRule:ListenerRule"

CASES: dict[str, tuple[Callable[[Scene], None], DriftKind, str]] = {
    # A person's command on a VM.
    "virsh destroy": (stopped("shut off", "destroyed"), PERSON, "hot-a-001"),
    "virsh shutdown": (stopped("shut off", "shutdown"), PERSON, "hot-a-001"),
    "virsh managedsave": (stopped("shut off", "saved"), PERSON, "hot-a-001"),
    "virsh migrate": (stopped("shut off", "migrated"), PERSON, "hot-a-001"),
    "virsh snapshot-revert": (stopped("shut off", "from snapshot"), PERSON, "hot-a-001"),
    "virsh suspend": (stopped("paused", "user"), PERSON, "hot-a-001"),
    "virsh undefine": (lambda s: s.domains.pop(0) and None, PERSON, "hot-a-001"),
    "virsh domrename": (lambda s: s.vm(name="mine"), PERSON, "hot-a-001"),
    "virsh setvcpus": (lambda s: s.vm(vcpu=4), PERSON, "hot-a-001"),
    "virsh setmaxmem": (lambda s: s.vm(memory_mib=256), PERSON, "hot-a-001"),
    "undefined, and another one defined in its place": (
        lambda s: s.vm(uuid="u8", description="mine"),
        PERSON,
        "hot-a-001",
    ),
    # What happens to a VM by itself.
    "QEMU was killed": (stopped("shut off", "crashed"), LOST, "hot-a-001"),
    "QEMU did not start": (stopped("shut off", "failed"), LOST, "hot-a-001"),
    "the host was restarted": (stopped("shut off", ""), LOST, "hot-a-001"),
    "libvirtd lost it": (stopped("shut off", "daemon"), LOST, "hot-a-001"),
    "the guest crashed": (stopped("crashed", ""), LOST, "hot-a-001"),
    "paused by an I/O error": (stopped("paused", "I/O error"), LOST, "hot-a-001"),
    "paused by a watchdog": (stopped("paused", "watchdog"), LOST, "hot-a-001"),
    "its check answers 503": (
        lambda s: s.answers.update({"hot-a-001": "it answered 503"}),
        LOST,
        "hot-a-001",
    ),
    "its check does not answer": (
        lambda s: s.answers.update({"hot-a-001": "no answer within 3 s"}),
        LOST,
        "hot-a-001",
    ),
    "the host refuses": (lambda s: s.errors.update(b="Connection refused"), LOST, "hot-b-001"),
    "the host hangs": (lambda s: s.errors.update(b="no answer within 10 s"), LOST, "hot-b-001"),
    # Left by an update that was cut short.
    "a domain was defined and not started": (half(state="shut off", reason=""), HALF, "hot-a-002"),
    "a domain runs and is in no state": (half(), HALF, "hot-a-002"),
    "a group was made and is in no state": (
        lambda s: s.groups.append(replace(GROUP_NOW, group="cold-burst-9z9z")),
        HALF,
        "cold-burst-9z9z",
    ),
    # A person's change of a group.
    "the minimum was raised": (moved(min=2), PERSON, "cold-burst"),
    "the minimum was lowered": (moved(min=0), PERSON, "cold-burst"),
    "the maximum was raised": (moved(max=9), PERSON, "cold-burst"),
    "the maximum was lowered": (moved(max=2), PERSON, "cold-burst"),
    "bounds and size were moved together": (moved(min=3, desired=3), PERSON, "cold-burst"),
    "the desired size was set by a user": (moved((BY_USER,), desired=3), PERSON, "cold-burst"),
    "the desired size of an exact group": (moved(ownership=Ownership.EXACT, desired=3), PERSON, "cold-burst"),
    "the group was deleted": (lambda s: s.groups.clear(), PERSON, "cold-burst"),
    "processes were suspended": (lambda s: s.group(suspended=("Launch", "Terminate")), PERSON, "cold-burst"),
    "an instance was terminated by a user": (
        lambda s: s.member(state="shutting-down", reason="Client.UserInitiatedShutdown"),
        PERSON,
        "cold-burst/i-1",
    ),
    "an instance was stopped by a user": (
        lambda s: s.member(state="stopped", reason="Client.UserInitiatedShutdown"),
        PERSON,
        "cold-burst/i-1",
    ),
    # A scaling policy within its bounds.
    "an alarm grew the group": (moved((ALARM,), desired=3), SCALER, "cold-burst"),
    "an alarm shrank the group": (
        moved((ALARM.replace("from 2 to 3", "from 2 to 1"),), desired=1),
        SCALER,
        "cold-burst",
    ),
    "a schedule or policy without a cause": (moved(desired=4), SCALER, "cold-burst"),
    # What the cloud takes.
    "a spot interruption": (
        lambda s: s.member(state="terminated", reason="Server.SpotInstanceTermination"),
        LOST,
        "cold-burst/i-1",
    ),
    "an internal error of EC2": (
        lambda s: s.member(state="terminated", reason="Server.InternalError"),
        LOST,
        "cold-burst/i-1",
    ),
    "EC2 has forgotten the instance": (lambda s: s.member(state=""), LOST, "cold-burst/i-1"),
    "an instance fails its status check": (lambda s: s.member(healthy=False), LOST, "cold-burst/i-1"),
    "a target is unhealthy": (
        lambda s: s.member(targets={"arn": "unhealthy"}),
        LOST,
        "cold-burst/i-1",
    ),
    "a shortage leaves an instance out": (lambda s: s.group(members=(ONE,)), LOST, "cold-burst"),
    # What only a refresh shows.
    "a launch template got another image": (refreshes(found("cold-burst", LT, "imageId")), PERSON, "cold-burst"),
    "a scaling policy got another target": (
        refreshes(found("cold-burst-cpu", POLICY, "targetTrackingConfiguration")),
        PERSON,
        "cold-burst-cpu",
    ),
    "weights of a rule were changed": (refreshes(found("tiers", RULE, "actions")), PERSON, "tiers"),
    "a volume was deleted": (refreshes(found("hot-a-001-root", VOLUME, gone=True)), PERSON, "hot-a-001-root"),
    "tags of a group were changed": (refreshes(found("cold-burst", GROUP, "tags")), PERSON, "cold-burst"),
    "a default is read back": (refreshes(found("cold", TG, noise=("slowStart",))), NOISE, "cold"),
    "a domain's address changed": (
        refreshes(found("hot-a-001", DOMAIN, noise=("networkInterfaces",))),
        NOISE,
        "hot-a-001",
    ),
    "a value comes back in another form": (
        refreshes(found("cold-burst", LT, noise=("userData",))),
        NOISE,
        "cold-burst",
    ),
}


def test_there_are_fifty_kinds() -> None:
    assert len(CASES) >= 50


def test_a_world_as_recorded_has_no_drift() -> None:
    assert scene().drift() == ()
    assert by_kind(()) == {"person": 0, "autoscaler": 0, "lost": 0, "noise": 0, "half-created": 0}


@pytest.mark.parametrize("case", CASES)
def test_a_difference_is_told_by_who_made_it(case: str) -> None:
    change, kind, name = CASES[case]
    seen = scene()
    change(seen)
    assert [(d.kind, d.name) for d in seen.drift()] == [(kind, name)], seen.drift()
    assert by_kind(seen.drift())[kind.value] == 1


def test_a_groups_size_is_nobodys_drift_where_somebody_else_owns_it() -> None:
    seen = scene()
    moved(ownership=Ownership.EXTERNAL, min=0, desired=4, max=20)(seen)
    assert seen.drift() == ()


def test_what_the_world_tells_is_not_told_again_by_the_refresh() -> None:
    seen = scene()
    stopped("shut off", "destroyed")(seen)
    refreshes(found("hot-a-001", DOMAIN, "running"), found("cold-burst", GROUP, "minSize"))(seen)
    assert [d.what for d in seen.drift()] == ["it is shut off (destroyed)"]


def test_a_host_that_was_not_asked_is_no_drift() -> None:
    seen = scene()
    seen.errors["b"] = "no client"
    assert [d.name for d in seen.drift()] == ["hot-b-001"]
    seen.domains.pop()
    assert [d.what for d in seen.drift()] == ["b could not be read (no client)"]
