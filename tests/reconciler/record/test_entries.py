"""Entries keep their meaning from version to version, and no line of a ledger stops a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.record.entries import (
    VERSION,
    AnyEntry,
    Decided,
    Entry,
    Failed,
    PolicyEntry,
    Previewed,
    ResourceEntry,
    TierEntry,
    parse,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HEAD = {"at": NOW.isoformat(), "plan": "a"}
#: Event → fields that have no default.
REQUIRED = {"scored": {"start": NOW, "end": NOW, "steps": 1, "known_steps": 1, "usd": (1.0, 2.0)}}


def test_every_event_has_one_class_and_comes_back_as_it_was() -> None:
    events = [event for kind in get_args(AnyEntry) for event in kind.events]
    assert len(events) == len(set(events))
    for kind in get_args(AnyEntry):
        for event in kind.events:
            made = kind.model_validate({**HEAD, "event": event, **REQUIRED.get(event, {})})
            assert parse(json.loads(made.model_dump_json())) == made


def test_an_entry_of_before_versions_has_sizes_and_messages_and_no_grounds() -> None:
    plan = parse({**HEAD, "event": "plan", "sizes": {"hot": [3, 2]}})
    assert isinstance(plan, Decided)
    assert (plan.version, plan.tiers, plan.options) == (1, {"hot": TierEntry(before=3, after=2)}, {})
    preview = parse({**HEAD, "event": "preview", "verdict": "refused", "violations": ["too much"]})
    assert isinstance(preview, Previewed)
    assert preview.violations == (PolicyEntry(message="too much"),)
    assert parse({**HEAD, "event": "shadow"}) == Decided(at=NOW, event="shadow", plan="a", version=1)


def test_an_entry_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    raw = {**HEAD, "event": "failed", "version": VERSION + 1, "error": "no", "weather": "fine"}
    assert parse(raw) == Failed(at=NOW, event="failed", plan="a", version=VERSION + 1, error="no")
    assert parse({**HEAD, "event": "moon", "version": 9}) == Entry(at=NOW, event="moon", plan="a", version=9)


@pytest.mark.parametrize(
    "raw", [None, 3, [], {}, {"event": "plan"}, {"at": NOW.isoformat()}, {"at": "noon", "event": "up"}]
)
def test_what_is_no_entry_is_none(raw: Any) -> None:
    assert parse(raw) is None


def test_fields_of_another_shape_leave_a_bare_entry() -> None:
    assert parse({**HEAD, "event": "plan", "sizes": {"hot": ["x"]}}) == Entry(at=NOW, event="plan", plan="a", version=1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["plan", "preview", "applied", "failed", "held", "repaired", "other"]),
    st.dictionaries(
        st.sampled_from(["version", "sizes", "tiers", "violations", "resources", "why", "options", "plan", "at"]), JSON
    ),
)
def test_no_value_of_any_key_stops_the_reader(event: str, fields: dict[str, Any]) -> None:
    found = parse({"at": NOW.isoformat(), **fields, "event": event})
    assert found is None or found.event == event


def test_a_resource_is_named_and_typed_by_its_urn() -> None:
    urn = "urn:pulumi:dev::p::tiercast:index:Hot$libvirt:index/domain:Domain::hot-hv-b-002"
    assert ResourceEntry(op="delete", urn=urn).name == "hot-hv-b-002"
    assert ResourceEntry(op="delete", urn=urn).type == "libvirt:index/domain:Domain"
    assert (ResourceEntry(op="delete", urn="odd").name, ResourceEntry(op="delete", urn="odd").type) == ("odd", "")
