"""What is new comes first, what goes comes last, and a full host says how far capacity falls."""

from __future__ import annotations

from typing import Any

from reconciler.observe.preview import PreviewStep, StateResource
from reconciler.observe.stack_state import DOMAIN, GROUP
from reconciler.plan.phases import ChangeOrder, schedule
from reconciler.plan.transition import left_for_later, transition
from stacks.contract import StackConfig
from tests.stacks.samples import config as sample

HEAD = "urn:pulumi:prod::shop::tiercast:stacks:HotTier$tiercast:stacks:Machine"


def config(slots: dict[int, str], *, cores: int = 8, web: int = 2) -> StackConfig:
    """The sample with these slots (number → flavour) on one host, and `web` warm instances."""
    host = {"name": "hv1", "uri": "qemu:///system", "cores": cores, "memoryMib": 65536, "basePort": 20000}
    hot = {
        "hypervisors": [host],
        "flavours": [{"name": "small", "vcpu": 1, "memoryMib": 128}, {"name": "big", "vcpu": 4, "memoryMib": 1024}],
        "slots": [{"hypervisor": "hv1", "number": n, "flavour": kind} for n, kind in slots.items()],
        "boot": {"kernel": "/k", "initrd": "/i"},
    }
    size = {"min": web, "desired": web, "max": web + 2}
    launch = {"imageId": "ami-1", "zones": ["us-east-1a"]}
    group = {"name": "web", "instanceType": "m5.large", "size": size}
    return sample(hot=hot, warm={"ownership": "floor", "launch": launch, "groups": [group]}, cold={})


def vm(number: int, vcpu: int = 1, memory: int = 128) -> StateResource:
    name = f"hot-hv1-{number:03d}"
    inputs = {"vcpu": vcpu, "memory": memory}
    return StateResource(urn=f"{HEAD}${DOMAIN}::{name}", type=DOMAIN, id=name, inputs=inputs, outputs={})


def web(count: int, name: str = "warm-web") -> StateResource:
    inputs = {"minSize": count, "maxSize": count + 2}
    urn = f"urn:pulumi:prod::shop::tiercast:stacks:WarmTier${GROUP}::{name}"
    return StateResource(urn=urn, type=GROUP, id=name, inputs=inputs, outputs={"desiredCapacity": count})


def steps(**ops: str) -> list[PreviewStep]:
    """Steps on VMs: `n1="create"` creates slot 1."""
    return [PreviewStep(urn=f"{HEAD}${DOMAIN}::hot-hv1-{int(n[1:]):03d}", op=op, type=DOMAIN) for n, op in ops.items()]


def order(wanted: StackConfig, state: list[StateResource], **ops: str) -> ChangeOrder:
    return schedule(wanted, state, steps(**ops), boot_seconds={"hot": 90.0})


def told(found: ChangeOrder) -> list[str]:
    return [phase.describe() for phase in found.phases]


def test_a_change_that_only_grows_or_only_shrinks_has_one_phase() -> None:
    grows = order(config({1: "small", 2: "small"}), [vm(1), web(2)], n2="create")
    assert told(grows) == ["add hot-hv1-002"]
    assert grows.phases[0].last
    shrinks = order(config({1: "small"}), [vm(1), vm(2), web(2)], n2="delete")
    assert told(shrinks) == ["remove hot-hv1-002"]
    assert grows.dips == shrinks.dips == ()


def test_what_replaces_a_vm_serves_before_the_vm_goes() -> None:
    found = order(
        config({3: "small", 4: "small"}), [vm(1), vm(2), web(2)], n1="delete", n2="delete", n3="create", n4="create"
    )
    assert told(found) == ["add hot-hv1-003, hot-hv1-004", "remove hot-hv1-001, hot-hv1-002"]
    assert len(found.phases[0].present) == 4
    assert found.dips == ()


def test_a_group_grows_before_vms_go_and_shrinks_after_vms_came() -> None:
    assert told(order(config({1: "small"}, web=3), [vm(1), vm(2), web(2)], n2="delete")) == [
        "add warm-web",
        "remove hot-hv1-002",
    ]
    assert told(order(config({1: "small", 2: "small"}, web=1), [vm(1), web(2)], n2="create")) == [
        "add hot-hv1-002",
        "remove warm-web",
    ]


def test_a_vm_that_is_repaired_serves_before_another_goes() -> None:
    found = order(config({1: "small"}), [vm(1), vm(2), web(2)], n1="update", n2="delete")
    assert told(found) == ["add hot-hv1-001", "remove hot-hv1-002"]


def test_little_room_makes_batches_without_a_loss() -> None:
    wanted = config({4: "small", 5: "small", 6: "small"}, cores=4)
    ops = {f"n{n}": "delete" for n in (1, 2, 3)} | {f"n{n}": "create" for n in (4, 5, 6)}
    found = order(wanted, [vm(1), vm(2), vm(3), web(2)], **ops)
    assert told(found) == [
        "add hot-hv1-004",
        "remove hot-hv1-001",
        "add hot-hv1-005",
        "remove hot-hv1-002",
        "add hot-hv1-006",
        "remove hot-hv1-003",
    ]
    assert all(len(phase.present) >= 3 for phase in found.phases)
    assert found.dips == ()


def test_a_full_host_loses_one_vm_at_a_time_and_says_so() -> None:
    wanted = config({3: "small", 4: "small"}, cores=2)
    found = order(wanted, [vm(1), vm(2), web(2)], n1="delete", n2="delete", n3="create", n4="create")
    assert [phase.removes + phase.creates for phase in found.phases] == [
        ("hot-hv1-001",),
        ("hot-hv1-003",),
        ("hot-hv1-002",),
        ("hot-hv1-004",),
    ]
    assert [dip.describe() for dip in found.dips] == [
        "this change lowers ready capacity of hot from 2 to 1 VMs for about 3 minutes: hv1 has no room for old and new VMs "
        "side by side"
    ]


def test_vms_that_the_engine_replaces_in_place_are_a_dip_and_come_last() -> None:
    found = order(config({1: "small", 2: "small", 3: "small"}), [vm(1), vm(2), web(2)], n1="replace", n3="create")
    assert told(found) == ["add hot-hv1-003", "remove hot-hv1-001"]
    assert [(dip.before, dip.lowest) for dip in found.dips] == [(2, 1)]


def phase_one(wanted: StackConfig, state: list[StateResource], **ops: str) -> tuple[StackConfig, tuple[str, ...]]:
    """Configuration of the first phase, and what it leaves alone."""
    found = order(wanted, state, **ops)
    first = found.phases[0]
    return transition(wanted, state, found, first), left_for_later(wanted, state, steps(**ops), found, first)


def test_the_first_phase_declares_old_and_new_and_leaves_the_old_alone() -> None:
    state = [vm(1), vm(2, vcpu=2, memory=512), web(5)]
    both, left = phase_one(config({3: "small"}, web=3), state, n1="delete", n2="delete", n3="create")
    assert {slot.number: slot.flavour for slot in both.hot.slots} == {1: "small", 2: "2x512", 3: "small"}
    assert (both.warm.groups[0].size.min, both.warm.groups[0].size.max) == (5, 7)
    assert {urn.rpartition("::")[2] for urn in left if urn.startswith("**") and DOMAIN in urn} == {
        "hot-hv1-001",
        "hot-hv1-002",
    }
    assert not any(urn.endswith("hot-hv1-003") for urn in left)


def test_a_group_that_goes_is_still_declared_as_the_state_has_it() -> None:
    gone: dict[str, Any] = {"instanceType": "c6i.large", "imageId": "ami-1"}
    template = StateResource(
        urn="urn:t", type="aws:ec2/launchTemplate:LaunchTemplate", id="lt", inputs=gone, outputs={}
    )
    state = [vm(1), web(2), web(3, "warm-old"), StateResource(**{**vars(template), "urn": "urn::warm-old"})]
    both, _ = phase_one(config({1: "small", 2: "small"}), state, n2="create")
    assert {(g.name, g.instance_type, g.size.min) for g in both.warm.groups} == {
        ("web", "m5.large", 2),
        ("old", "c6i.large", 3),
    }
