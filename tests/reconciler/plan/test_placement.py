"""VMs keep their slots, spread over hosts, and move only where nothing else makes room."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.notes import placement_notes
from reconciler.plan.placement import Upset, place
from stacks.contract import Flavour, Hypervisor, Slot, Tier

SMALL = Flavour(name="small", vcpu=2, memory_mib=2048)
LARGE = Flavour(name="large", vcpu=6, memory_mib=6144)


def host(name: str, cores: int = 8, memory: int = 32768) -> Hypervisor:
    return Hypervisor(name=name, uri="qemu:///system", cores=cores, memory_mib=memory)


def slot(name: str, number: int, flavour: str = "small") -> Slot:
    return Slot(hypervisor=name, number=number, flavour=flavour)


def test_growth_spreads_over_the_hosts() -> None:
    found = place([host("a"), host("b"), host("c")], [SMALL], {"small": 6})
    assert Counter(s.hypervisor for s in found.slots) == Counter(a=2, b=2, c=2)
    assert [s.name("hot") for s in found.slots][:2] == ["hot-a-001", "hot-a-002"]


def test_what_runs_keeps_its_slot_and_growth_fills_the_gap() -> None:
    now = [slot("a", 1), slot("a", 3), slot("b", 1)]
    found = place([host("a"), host("b")], [SMALL], {"small": 5}, now)
    assert set(now) <= set(found.slots)
    assert {s.name("hot") for s in set(found.slots) - set(now)} == {"hot-b-002", "hot-a-002"}


def test_shrinking_touches_only_tails_of_the_fullest_host() -> None:
    now = [slot("a", 1), slot("a", 2), slot("a", 3), slot("b", 1)]
    found = place([host("a"), host("b")], [SMALL], {"small": 2}, now)
    assert found.slots == (slot("a", 1), slot("b", 1))


def test_a_host_that_does_not_answer_is_left_alone() -> None:
    now = [slot("a", 1), slot("a", 2), slot("b", 1)]
    found = place([host("a"), host("b")], [SMALL], {"small": 4}, now, unreachable=frozenset({"a"}))
    assert {s for s in found.slots if s.hypervisor == "a"} == set(now[:2])
    shrunk = place([host("a"), host("b")], [SMALL], {"small": 1}, now, unreachable=frozenset({"a"}))
    assert shrunk.slots == (slot("a", 1), slot("a", 2))


def test_a_small_vm_moves_only_where_a_large_one_would_find_no_room() -> None:
    now = [slot("a", 1), slot("a", 2), slot("b", 1), slot("b", 2)]
    found = place([host("a"), host("b")], [SMALL, LARGE], {"small": 4, "large": 1}, now)
    assert found.moved == ("small",)
    assert found.unplaced is None
    assert sum(s.flavour == "large" for s in found.slots) == 1


def test_what_finds_no_room_is_said() -> None:
    found = place([host("a", cores=4)], [SMALL, LARGE], {"small": 3, "large": 1})
    assert found.unplaced == {"large": 1, "small": 1}


def test_with_a_spare_host_a_crowded_one_is_evened_out_by_few_moves() -> None:
    now = [slot("a", n) for n in range(1, 5)]
    lax = place([host("a"), host("b")], [SMALL], {"small": 4}, now)
    assert lax.moved == ()
    even = place([host("a"), host("b")], [SMALL], {"small": 4}, now, spare=1)
    assert even.moved == ("small", "small")
    assert even.slots == (slot("a", 1), slot("a", 2), slot("b", 1), slot("b", 2))
    assert not even.excess


def test_a_host_that_cannot_be_evened_out_is_named() -> None:
    now = [slot("a", n) for n in range(1, 5)]
    found = place([host("a"), host("b")], [SMALL], {"small": 4}, now, spare=1, unreachable=frozenset({"b"}))
    assert not found.excess  # there is no other host to move to: an even spread could do no better
    hosts = [host("a"), host("b"), host("c")]
    stuck = place(hosts, [SMALL], {"small": 4}, now, spare=1, unreachable=frozenset({"a"}))
    assert (stuck.fullest, stuck.excess) == ("a", 2)
    assert (
        "a runs more VMs than an even spread: if it fails, 2 VMs more are lost" in placement_notes({Tier.HOT: stuck})[0]
    )


def test_a_vm_that_goes_keeps_its_number_until_what_replaces_it_serves() -> None:
    now = [slot("a", 1), slot("a", 2)]
    renewed = place([host("a")], [SMALL], {"small": 2}, now, upset=Upset(replaced=frozenset(now)))
    assert renewed.slots == (slot("a", 3), slot("a", 4))
    other = place([host("a")], [SMALL, LARGE], {"small": 0, "large": 1}, now)
    assert other.slots == (slot("a", 3, "large"),)


@given(
    cores=st.lists(st.integers(2, 16), min_size=1, max_size=4),
    first=st.integers(0, 12),
    second=st.integers(0, 12),
    large=st.integers(0, 3),
)
def test_slots_are_unique_fit_and_move_least(cores: list[int], first: int, second: int, large: int) -> None:
    hosts = [host(f"h{i}", c) for i, c in enumerate(cores)]
    before = place(hosts, [SMALL, LARGE], {"small": first})
    after = place(hosts, [SMALL, LARGE], {"small": second, "large": large}, before.slots)
    names = [s.name("hot") for s in after.slots]
    assert len(names) == len(set(names))
    for h in hosts:
        used = sum({"small": 2, "large": 6}[s.flavour] for s in after.slots if s.hypervisor == h.name)
        assert used <= h.cores
    if not after.moved:
        kept = len(set(before.slots) & set(after.slots))
        assert kept == min(len(before.slots), second)
    wanted = {"small": second, "large": large}
    placed = Counter(s.flavour for s in after.slots)
    for name, count in wanted.items():
        assert placed[name] + (after.unplaced or {}).get(name, 0) == count
