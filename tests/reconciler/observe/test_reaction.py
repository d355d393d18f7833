"""What happens to drift: reported and left alone, repaired, or taken as wanted."""

from __future__ import annotations

import re
from dataclasses import replace

from reconciler.observe.drift import Drift, DriftKind
from reconciler.observe.exclusions import exclusions
from reconciler.observe.reaction import drift_line, taken_as_is
from reconciler.observe.stack_state import Observed
from reconciler.observe.world import LiveInstance, World
from reconciler.plan.placement import Upset, place
from stacks.contract import Flavour, Hypervisor, Slot, Tier

OFF = LiveInstance(
    tier=Tier.HOT, name="hot-a-001", place="a", kind="s", running=False, ready=False, why="it is shut off"
)
WORLD = World(declared={}, recorded=Observed(), instances=(OFF, replace(OFF, name="hot-a-002", running=True)))
STOPPED = Drift(kind=DriftKind.PERSON, name="hot-a-001", what="it is shut off (destroyed)")
RENAMED = Drift(kind=DriftKind.PERSON, name="hot-a-002", what="it was renamed to mine")
RESIZED = Drift(kind=DriftKind.PERSON, name="cold-burst", what="its minSize is 2, recorded is 1")
TAKEN = Drift(kind=DriftKind.LOST, name="cold-burst/i-1", what="EC2 reports it as terminated")
NOISE = Drift(kind=DriftKind.NOISE, name="cold", what="its slowStart read back differently")


def taken(reaction: str, *found: Drift) -> tuple[set[str], set[str]]:
    held, dropped = taken_as_is(found, {one.kind: reaction for one in found if one.kind is not DriftKind.NOISE}, WORLD)
    return set(held), set(dropped)


def test_what_is_repaired_is_the_updates_to_change() -> None:
    assert taken("repair", STOPPED, RESIZED, TAKEN, NOISE) == (set(), set())


def test_what_is_reported_is_left_alone_with_its_whole_group() -> None:
    assert taken("report", STOPPED, RESIZED, TAKEN, NOISE) == ({"hot-a-001", "cold-burst"}, set())


def test_an_adopted_vm_that_is_off_gives_up_its_slot_and_all_else_stays() -> None:
    assert taken("adopt", STOPPED, RENAMED, RESIZED) == ({"hot-a-002", "cold-burst"}, {"hot-a-001"})


def test_a_sentence_says_what_who_and_what_happens() -> None:
    assert drift_line(STOPPED, {DriftKind.PERSON: "repair"}) == (
        "hot-a-001: it is shut off (destroyed); it was changed by a person and is repaired by the update [drift]"
    )
    assert drift_line(NOISE, {}).endswith("it was read back in another form and is only reported [drift]")


def test_an_update_leaves_out_the_named_vms_and_groups_and_no_others() -> None:
    globs = exclusions([], {}, [], ["hot-a-001", "cold-burst"])
    patterns = [re.compile(g.replace("**", ".*")) for g in globs]

    def left_out(kind: str, name: str) -> bool:
        return any(p.fullmatch(f"urn:pulumi:dev::shop::{kind}::{name}") for p in patterns)

    assert left_out("libvirt:index/domain:Domain", "hot-a-001")
    assert left_out("libvirt:index/volume:Volume", "hot-a-001-root")
    assert left_out("aws:autoscaling/group:Group", "cold-burst")
    assert not left_out("aws:ec2/launchTemplate:LaunchTemplate", "cold-burst")
    assert not left_out("libvirt:index/domain:Domain", "hot-a-002")


HOST = Hypervisor(name="a", uri="qemu:///a", cores=8, memory_mib=8192)
SMALL = Flavour(name="s", vcpu=1, memory_mib=128)


def slot(number: int) -> Slot:
    return Slot(hypervisor="a", number=number, flavour="s")


def numbers(wanted: int, upset: Upset) -> list[int]:
    found = place([HOST], [SMALL], {"s": wanted}, [slot(1), slot(2), slot(3)], upset=upset)
    return [one.number for one in found.slots]


def test_a_vm_that_does_not_serve_is_the_first_to_go_and_keeps_its_slot_otherwise() -> None:
    assert numbers(2, Upset(idle=frozenset({slot(1)}))) == [2, 3]
    assert numbers(3, Upset(idle=frozenset({slot(1)}))) == [1, 2, 3]


def test_a_vm_that_is_replaced_gets_a_number_that_was_not_in_use() -> None:
    failing = frozenset({slot(2)})
    assert numbers(3, Upset(idle=failing, replaced=failing)) == [1, 3, 4]


def test_a_number_that_somebody_elses_domain_has_is_not_given_out() -> None:
    assert numbers(4, Upset(taken=frozenset({("a", 4)}))) == [1, 2, 3, 5]


def test_a_slot_that_is_left_alone_is_not_emptied() -> None:
    assert numbers(1, Upset(held=frozenset({slot(3)}))) == [3]
