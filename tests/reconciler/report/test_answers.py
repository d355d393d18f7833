"""Why a resource was changed, and what became of a plan, is answered from the ledger's entries alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import InputError
from reconciler.record.entries import (
    Applied,
    Decided,
    Entry,
    Failed,
    GuardEntry,
    Previewed,
    ResourceEntry,
    Started,
    TierEntry,
)
from reconciler.report.answers import changes_of, since, story, unfinished

AT = datetime(2026, 11, 24, tzinfo=UTC)
VM = "urn:pulumi:dev::p::libvirt:index/domain:Domain::hot-hv-b-002"
GROUP = "urn:pulumi:dev::p::aws:autoscaling/group:Group::warm-m5-large"


def hour(k: int) -> datetime:
    return AT + timedelta(hours=k)


def decided(plan: str, k: int, before: int, after: int, **fields: object) -> Decided:
    line = TierEntry(before=before, after=after, reason=f"{after} carry the load.")
    return Decided.model_validate({"at": hour(k), "event": "plan", "plan": plan, "tiers": {"hot": line}, **fields})


def applied(plan: str, k: int, *resources: ResourceEntry) -> Applied:
    return Applied(at=hour(k), event="applied", plan=plan, steps=len(resources), resources=resources)


def started(plan: str, k: int) -> Started:
    return Started(at=hour(k), event="up", plan=plan, steps=1)


def of(entries: list[Entry], name: str = "hot-hv-b-002") -> list[tuple[str, str, str]]:
    return [(c.resource.op, c.plan, c.ended) for c in changes_of(entries, name, location="ledger.jsonl")]


GUARD = GuardEntry(guard="churn window", tier="hot", text="one fewer.", changed={"hot/small": (1, 2)})
LIFE: list[Entry] = [
    decided("aa1", 0, 1, 2),
    started("aa1", 1),
    applied("aa1", 1, ResourceEntry(op="create", urn=VM)),
    decided("ab2", 2, 2, 1, guards=(GUARD, GUARD.model_copy(update={"tier": "warm"}))),
    started("ab2", 3),
    applied("ab2", 3, ResourceEntry(op="update", urn=GROUP, keys=("maxSize",)), ResourceEntry(op="delete", urn=VM)),
]


def test_a_resource_has_its_whole_life_with_the_plans_the_constraint_and_the_tiers_guards() -> None:
    created, deleted = changes_of(LIFE, "hot-hv-b-002", location="ledger.jsonl")
    assert (created.resource.op, created.plan, created.at, created.guards) == ("create", "aa1", hour(1), ())
    assert (deleted.resource.op, deleted.plan, deleted.at, deleted.guards) == ("delete", "ab2", hour(3), (GUARD,))
    assert deleted.line == TierEntry(before=2, after=1, reason="1 carry the load.")
    assert of(LIFE, VM) == of(LIFE)


def test_what_an_update_did_before_it_failed_and_what_it_may_have_done_is_told_apart() -> None:
    gone = ResourceEntry(op="delete", urn=VM)
    failed = Failed(at=hour(5), event="failed", plan="c", resources=(gone,), error="no route")
    assert of([started("c", 4), failed]) == [("delete", "c", "done before the update failed")]
    previewed = Previewed(at=hour(4), event="preview", plan="d", resources=(gone,))
    assert of([previewed, started("d", 5)]) == [("delete", "d", "not known: the update did not end")]
    assert of([previewed, started("d", 5), applied("d", 5, gone)]) == [("delete", "d", "done")]


def test_an_update_that_neither_ended_nor_failed_is_recognised_and_a_second_one_that_ends_does_not_hide_it() -> None:
    first, second = started("a", 1), started("a", 3)
    assert unfinished([first]) == [first]
    assert unfinished([first, applied("a", 2)]) == []
    assert unfinished([first, second, applied("a", 3)]) == [first]


def test_a_name_that_is_not_there_is_a_sentence_with_names_that_are_close() -> None:
    with pytest.raises(
        InputError,
        match="no update in this ledger changed a resource named 'hot-hv-b-003'; similar names are hot-hv-b-002",
    ):
        of(LIFE, "hot-hv-b-003")
    old = Applied(at=AT, event="applied", plan="a", version=1, steps=4)
    with pytest.raises(InputError, match="1 updates were recorded by an older version, without the names"):
        of([old])


def test_a_story_is_found_by_the_first_digits_of_its_plan_unless_two_share_them() -> None:
    told = story(LIFE, "ab", location="ledger.jsonl")
    assert (told.plan, told.cut_short, [e.event for e in told.entries]) == ("ab2", False, ["plan", "up", "applied"])
    assert told.decided is LIFE[3]
    with pytest.raises(InputError, match="2 plans have an id that starts with 'a': aa1, ab2"):
        story(LIFE, "a", location="ledger.jsonl")
    with pytest.raises(
        InputError, match="no plan in the ledger has an id that starts with 'f'; the newest are ab2, aa1"
    ):
        story(LIFE, "f", location="ledger.jsonl")


def test_a_story_says_that_its_update_did_not_end() -> None:
    assert story([*LIFE, started("ab2", 9)], "ab2", location="l").cut_short


def test_since_leaves_out_what_is_older() -> None:
    assert since(LIFE, hour(2)) == LIFE[3:]
    assert since(LIFE, None) == LIFE
