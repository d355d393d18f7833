"""A host that does not answer is left alone, and no other host with it. URNs are those of `stacks/metal.py`."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.observe.exclusions import exclusions
from reconciler.observe.preview import StateResource

MACHINE = "tiercast:stacks:Machine"
DOMAIN = "libvirt:index/domain:Domain"
VOLUME = "libvirt:index/volume:Volume"
DISK = "libvirt:index/cloudInitDisk:CloudInitDisk"
PROVIDER = "pulumi:providers:libvirt"


def urns(host: str, *numbers: int, tier: str = "hot") -> list[str]:
    """All that the program declares for a host with these slots."""
    head = f"urn:pulumi:prod::shop::tiercast:stacks:{tier.title()}Tier"
    found = [f"{head}${PROVIDER}::{tier}-{host}", f"{head}${VOLUME}::{tier}-{host}-base"]
    for number in numbers:
        name = f"{tier}-{host}-{number:03d}"
        found += [
            f"{head}${MACHINE}::{name}",
            f"{head}${MACHINE}${DOMAIN}::{name}",
            f"{head}${MACHINE}${VOLUME}::{name}-root",
            f"{head}${MACHINE}${DISK}::{name}-seed",
        ]
    return found


def resources(*found: str) -> list[StateResource]:
    return [StateResource(urn=u, type=u.split("::")[2].rsplit("$")[-1], id="", inputs={}, outputs={}) for u in found]


def config(*slots: tuple[str, int], tier: str = "hot") -> dict[str, Any]:
    metal = {"slots": [{"hypervisor": host, "number": number, "flavour": "small"} for host, number in slots]}
    return {"tiercast:hot": metal} if tier == "hot" else {"tiercast:cold": {"groups": [], "metal": metal}}


def matched(globs: tuple[str, ...], candidates: list[str]) -> list[str]:
    """Those that the engine would leave alone: its own translation of a glob (UrnTargets.getMatcher)."""
    patterns = [
        ".*".join("[^:]*".join(map(re.escape, segment.split("*"))) for segment in glob.split("**")) for glob in globs
    ]
    assert all("*" in glob for glob in globs), "the engine refuses a URN without a wildcard that does not exist yet"
    return [urn for urn in candidates if any(re.fullmatch(pattern, urn) for pattern in patterns)]


def test_hv_1_is_not_hv_10_nor_any_other_host_whose_name_begins_so() -> None:
    down = urns("hv-1", 1, 2)
    others = [u for host in ("hv-10", "hv-11", "hv-1-a", "hv-1-001", "hv-1-base") for u in urns(host, 1, 2)]
    state = resources(*down, *others)
    assert matched(exclusions(["hv-1"], {}, state), [*down, *others]) == down


def test_slots_that_do_not_exist_yet_and_slots_that_would_be_removed_are_left_alone() -> None:
    existing = urns("rack1", 1)
    wanted = urns("rack1", 2)
    globs = exclusions(["rack1"], config(("rack1", 2), ("rack2", 1)), resources(*existing))
    assert matched(globs, [*existing, *wanted]) == [*existing, *wanted]
    assert matched(globs, urns("rack2", 1)) == []


def test_metal_of_the_cold_tier_is_left_alone_too() -> None:
    down = urns("edge", 7, tier="cold")
    assert matched(exclusions(["edge"], config(("edge", 7), tier="cold"), []), down) == down


def test_where_all_hosts_answer_nothing_is_left_alone() -> None:
    assert exclusions([], config(("rack1", 1)), resources(*urns("rack1", 1))) == ()


labels = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\Z")
hosts = st.lists(st.one_of(labels, st.sampled_from(["a", "a-1", "a-001", "a-base", "a-001-root"])), unique=True)


@given(down=hosts, up=hosts, number=st.integers(1, 999))
def test_exactly_the_hosts_that_do_not_answer_are_left_alone(down: list[str], up: list[str], number: int) -> None:
    mine = [u for host in down for u in urns(host, number)]
    others = [u for host in up if host not in down for u in urns(host, number)]
    globs = exclusions(down, {}, resources(*mine, *others))
    assert matched(globs, [*mine, *others]) == mine
