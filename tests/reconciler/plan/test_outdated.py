"""VMs that are made otherwise than the fleet file wants them are known by a digest in the state."""

from __future__ import annotations

from typing import Any

import yaml

from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import DOMAIN, MACHINE
from reconciler.plan.compose import metal_of
from reconciler.plan.outdated import outdated, outdated_notes
from stacks.contract import Slot, Tier

RAW = """
step: 1h
history: {paths: [h.csv], kind: series}
qos: {gold: {latency: 2s, percentile: 0.95, tiers: [hot]}}
applications: [{match: "*", qos: gold, service_time: 400ms}]
tiers:
  hot:
    hypervisors: [{name: hv-a, uri: "qemu:///system", cores: 12, memory_mib: 16384, base_port: 20000}]
    flavours: [{name: small, vcpu: 1, memory_mib: 1024}]
    boot: {kernel: /boot/k, initrd: /boot/i}
    overlay: "<x>{port}</x>"
    unreachable: skip
"""


def fleet(**hot: Any) -> Fleet:
    raw = yaml.safe_load(RAW)
    raw["tiers"]["hot"] |= hot
    return parse_fleet(raw, "fleet.yaml")


def state(made_by: Fleet, *, build: bool = True) -> list[StateResource]:
    """One VM in slot 1 that a fleet file made."""
    metal = metal_of(made_by, Tier.HOT)
    assert metal is not None
    slot = Slot(hypervisor="hv-a", number=1, flavour="small")
    outputs = {"build": metal.build(slot)} if build else {}
    size = {"vcpu": 1, "memory": 1024}
    return [
        StateResource(urn="u::hot-hv-a-001", type=MACHINE, id="", inputs={}, outputs=outputs),
        StateResource(urn="u$d::hot-hv-a-001", type=DOMAIN, id="1", inputs=size, outputs={}),
    ]


def test_a_vm_is_outdated_when_what_it_is_made_of_changed() -> None:
    old = state(fleet())
    assert outdated(fleet(), old) == frozenset()
    changes: list[dict[str, Any]] = [
        {"overlay": "<y>{port}</y>"},
        {"boot": {"kernel": "/boot/k2", "initrd": "/boot/i"}},
        {"machine": "q35"},
        {"interfaces": [{"bridge": "br0"}]},
    ]
    for change in changes:
        assert outdated(fleet(**change), old) == {"hot-hv-a-001"}, change


def test_what_can_change_while_a_vm_runs_makes_no_vm_outdated() -> None:
    assert outdated(fleet(max=7, health={"path": "/up"}, boot_time="9m"), state(fleet())) == frozenset()


def test_a_vm_of_unknown_build_is_left_alone() -> None:
    assert outdated(fleet(overlay="<y/>"), state(fleet(), build=False)) == frozenset()


def test_the_plan_names_the_vms_that_are_replaced() -> None:
    assert outdated_notes(()) == ()
    assert "hot-hv-a-001, hot-hv-a-002: the fleet file changed" in outdated_notes(["hot-hv-a-002", "hot-hv-a-001"])[0]
