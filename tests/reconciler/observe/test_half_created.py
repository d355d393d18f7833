"""What is done about each kind of leftover, and what the state looks like afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.observe.half_created import (
    SEED,
    VOLUME,
    DeclaredVm,
    FoundResource,
    PendingOperation,
    of_domains,
    of_pending,
    of_silent,
    pending_operations,
    with_settled,
)
from reconciler.observe.stack_state import DOMAIN, GROUP
from reconciler.observe.world import LiveDomain, Site

SITE = Site(project="shop", stack="prod")
OURS = "tiercast project=shop stack=prod tier=hot"
VM = "urn:pulumi:prod::shop::tiercast:stacks:Machine$libvirt:index/domain:Domain::hot-a-001"
DECLARED = {"hot-a-001": DeclaredVm(host="a", vcpu=2, memory_mib=512)}
RUNNING = LiveDomain(host="a", name="hot-a-001", uuid="u1", state="running", description=OURS, vcpu=2, memory_mib=512)


def pending(kind: str = DOMAIN, op: str = "creating") -> PendingOperation:
    return PendingOperation(op=op, resource={"urn": VM, "type": kind, "inputs": {"name": "hot-a-001"}})


def judged(one: PendingOperation, found: FoundResource | None, *recorded: str) -> str:
    (settled,) = of_pending([one], {VM: found} if found else {}, frozenset(recorded))
    return settled.action


@pytest.mark.parametrize(
    ("one", "found", "action"),
    [
        (pending(), FoundResource(id="u1", ours=True), "adopt"),
        (pending(), FoundResource(id="u1", ours=False), "foreign"),
        (pending(), None, "clear"),
        (pending(GROUP), FoundResource(id="g", ours=True), "adopt"),
        # A disk that was being filled can't be trusted.
        (pending(VOLUME), FoundResource(id="/pool/v", ours=True), "remove"),
        (pending(SEED), FoundResource(id="/pool/v", ours=True), "remove"),
        # What these did, the refresh reads.
        (pending(op="updating"), FoundResource(id="u1", ours=True), "clear"),
        (pending(op="deleting"), FoundResource(id="u1", ours=True), "clear"),
        (pending("aws:autoscaling/policy:Policy"), None, "clear"),
    ],
)
def test_each_pending_operation_is_settled(one: PendingOperation, found: FoundResource | None, action: str) -> None:
    assert judged(one, found) == action


def test_a_pending_creation_that_the_state_holds_already_is_only_cleared() -> None:
    assert judged(pending(), FoundResource(id="u1", ours=True), "u1") == "clear"


def test_a_pending_creation_on_a_host_that_does_not_answer_is_left_to_a_later_run() -> None:
    (one,) = of_silent([pending()])
    assert one.action == "clear"
    assert "does not answer; a later run finds" in one.describe()


def leftover(domain: LiveDomain, *, recorded: bool = True, known: str = "") -> list[str]:
    found = of_domains(SITE, [domain], declared=DECLARED, known=frozenset({known}), recorded=recorded)
    return [one.action for one in found]


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        ({}, ["adopt"]),
        ({"state": "shut off"}, ["remove"]),
        ({"memory_mib": 1024}, ["remove"]),
        ({"host": "b"}, ["remove"]),
        ({"name": "hot-a-009"}, ["remove"]),
        ({"description": "someone else's"}, ["foreign"]),
        # The longer stack name begins with ours.
        ({"description": OURS.replace("prod", "prod-2")}, ["foreign"]),
        ({"description": "", "host": "b"}, []),
        ({"description": "", "name": "theirs"}, []),
    ],
)
def test_a_domain_that_no_state_holds_is_judged_by_description_name_and_size(
    change: dict[str, Any], actions: list[str]
) -> None:
    assert leftover(replace(RUNNING, **change)) == actions


def test_what_the_state_holds_is_no_leftover() -> None:
    assert leftover(RUNNING, known="u1") == []
    assert leftover(replace(RUNNING, description=""), known="u1") == []


def test_with_a_state_that_holds_no_domain_nothing_that_runs_is_removed() -> None:
    # The state may be that of another backend: all that runs would be taken for leftovers.
    assert leftover(replace(RUNNING, name="hot-a-009"), recorded=False) == ["leave"]
    assert leftover(replace(RUNNING, name="hot-a-009", state="shut off"), recorded=False) == ["remove"]
    assert leftover(RUNNING, recorded=False) == ["adopt"]


def test_an_adopted_resource_enters_the_state_and_pending_operations_leave_it() -> None:
    first = {"urn": "urn:1", "type": "t", "id": "i"}
    deployment = {"resources": [first], "pending_operations": [{"type": "creating", "resource": pending().resource}]}
    settled = of_pending(pending_operations(deployment), {VM: FoundResource(id="u1", ours=True)}, frozenset({"i"}))

    after = with_settled(deployment, settled)

    assert after["resources"] == [first, {**pending().resource, "id": "u1", "outputs": {"name": "hot-a-001"}}]
    assert "pending_operations" not in after
    assert deployment["resources"] == [first]


def test_an_adopted_replacement_leaves_the_old_resource_to_be_deleted() -> None:
    old = {"urn": VM, "type": GROUP, "id": "old"}
    deployment = {"resources": [old]}
    settled = of_pending([pending(GROUP)], {VM: FoundResource(id="new", ours=True)}, frozenset({"old"}))
    assert [(r["id"], r.get("delete", False)) for r in with_settled(deployment, settled)["resources"]] == [
        ("old", True),
        ("new", False),
    ]


def test_what_was_done_reads_as_a_sentence() -> None:
    (one,) = of_pending([pending()], {VM: FoundResource(id="u1", ours=True, place="a")}, frozenset())
    assert one.describe() == (
        "domain hot-a-001 on a was adopted: an earlier update created it and stopped before it was recorded"
    )
