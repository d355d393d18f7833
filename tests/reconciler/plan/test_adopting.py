"""What of the world may be adopted, and that plans keep it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InputError
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.observe.adopted import with_adopted
from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import DOMAIN, observe
from reconciler.observe.world import LiveDomain
from reconciler.plan.adopted import FoundGroup, adopted_in, check_group, check_machine, group_names, with_adopted_key
from reconciler.plan.placement import Upset, place
from reconciler.plan.problem import with_least
from reconciler.plan.render import read_config
from stacks.contract import Adopted, AdoptedGroup, AdoptedMachine, Flavour, Hypervisor, Slot, Tier
from tests.reconciler.sizing.sizing_cases import option

LAUNCH = {"image_id": "ami-1", "zones": ["us-east-1a"]}
OWNER = {"project": "shop", "stack": "prod"}
UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def fleet() -> Fleet:
    raw: dict[str, Any] = {
        "step": "1h",
        "history": {"paths": ["h.csv"]},
        "qos": {"gold": {"latency": "2s"}},
        "applications": [{"match": "*", "qos": "gold"}],
        "tiers": {
            "hot": {
                "hypervisors": [{"name": "hv", "uri": "qemu:///system", "cores": 8, "memory_mib": 8192}],
                "flavours": [{"name": "small", "vcpu": 1, "memory_mib": 512}],
            },
            "warm": {"instance_types": ["c6i.large"], "launch": LAUNCH},
            "cold": {"instance_types": ["m5.large", "m6i.large"], "launch": LAUNCH},
        },
    }
    return parse_fleet(raw, "fleet.yaml")


def group(**other: Any) -> FoundGroup:
    values: dict[str, Any] = {
        "name": "web-prod",
        "desired": 5,
        "tags": {},
        "template": "web",
        "template_id": "lt-0abc",
        "instance_type": "c6i.large",
    }
    return FoundGroup(**{**values, **other})


def domain(**other: Any) -> LiveDomain:
    values: dict[str, Any] = {
        "host": "hv",
        "name": "web1",
        "uuid": UUID,
        "state": "running",
        "vcpu": 1,
        "memory_mib": 512,
    }
    return LiveDomain(**{**values, **other})


def test_a_fleet_names_the_groups_that_can_be_adopted(fleet: Fleet) -> None:
    assert group_names(fleet) == {"warm-c6i-large": "c6i.large", "cold-burst": ""}


@pytest.mark.parametrize(
    ("name", "found", "said"),
    [
        ("warm-m5-large", group(), "declares warm-c6i-large, cold-burst"),
        (
            "warm-c6i-large",
            group(instance_type="m5.large"),
            "it starts m5.large, but warm-c6i-large stands for c6i.large",
        ),
        ("warm-c6i-large", group(template_id=""), "it has no launch template"),
        ("cold-burst", group(tags={"project": "shop", "stack": "dev"}), "stack dev of project shop owns it"),
    ],
)
def test_a_group_that_does_not_fit_is_refused(fleet: Fleet, name: str, found: FoundGroup, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_group(fleet, name, found, **OWNER)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (domain(state="shut off"), "it is shut off; only a running VM"),
        (domain(memory_mib=1024), "no flavour has that size; there is small"),
        (domain(description="tiercast project=shop stack=dev tier=hot"), "stack dev of project shop owns it"),
    ],
)
def test_a_domain_that_does_not_fit_is_refused(fleet: Fleet, found: LiveDomain, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_machine(fleet, "hot-hv-001", found, **OWNER)


def test_what_was_adopted_counts_before_the_state_holds_it_and_once_afterwards(fleet: Fleet) -> None:
    adopted = Adopted(
        groups={
            "warm-c6i-large": check_group(fleet, "warm-c6i-large", group(), **OWNER),
            "cold-burst": check_group(fleet, "cold-burst", group(instance_types=("m5.large",)), **OWNER),
        },
        machines={"hot-hv-001": check_machine(fleet, "hot-hv-001", domain(), **OWNER)},
    )
    seen = observe(with_adopted((), adopted), fleet.metal_flavours)
    assert [seen.total(tier) for tier in Tier] == [1, 5, 5]
    assert seen.slots[Tier.HOT] == (Slot(hypervisor="hv", number=1, flavour="small"),)
    assert seen.groups[Tier.COLD, "burst"][0] == ("m5.large",)
    # An imported VM: the inputs lack what equals the provider's defaults.
    size = {"vcpu": 1, "memory": 512}
    held = StateResource(urn=f"urn:pulumi:a::b::{DOMAIN}::hot-hv-001", type=DOMAIN, id=UUID, inputs={}, outputs=size)
    assert observe(with_adopted((held,), adopted), fleet.metal_flavours).slots == seen.slots


def test_the_key_changes_alone_and_comes_back_as_it_was() -> None:
    adopted = Adopted(groups={"cold-burst": AdoptedGroup(group="g", template="t", template_id="lt-1", desired=2)})
    before = "# ours\nconfig:\n  other:key: 1\n"
    text = with_adopted_key(before, adopted, "f")
    assert adopted_in(read_config(text, "f"), "f") == adopted
    assert with_adopted_key(text, Adopted(), "f") == before
    with pytest.raises(InputError, match=r"f, tiercast:adopted\.machines\.x"):
        adopted_in({"tiercast:adopted": {"machines": {"x": {"domain": "d"}}}}, "f")


def test_an_adopted_vm_is_neither_removed_nor_moved() -> None:
    hosts = [Hypervisor(name=n, uri=f"qemu+ssh://{n}/system", cores=4, memory_mib=4096) for n in ("a", "b")]
    flavours = [Flavour(name="s", vcpu=1, memory_mib=512)]
    old = [Slot(hypervisor="a", number=n, flavour="s") for n in (1, 2, 3)]
    kept = old[2]
    assert place(hosts, flavours, {"s": 1}, old, upset=Upset(held=frozenset({kept}))).slots == (kept,)
    assert kept in place(hosts, flavours, {"s": 3}, old, spare=1, upset=Upset(held=frozenset({kept}))).slots
    assert place(hosts, flavours, {"s": 3}, old, spare=1, upset=Upset(held=frozenset(old))).slots == tuple(old)


def test_a_plan_counts_at_least_the_adopted_vms() -> None:
    choices = with_least([option(Tier.HOT, maximum=5), option(Tier.WARM)], {"hot/m": 2})
    assert [o.minimum for o in choices] == [2, 0]
    assert with_least([option(Tier.HOT, maximum=1)], {"hot/m": 2})[0].minimum == 1


def test_a_machine_needs_a_uuid_of_libvirt() -> None:
    with pytest.raises(ValueError, match="uuid"):
        AdoptedMachine(domain="d", uuid="web1", vcpu=1, memory_mib=1)
