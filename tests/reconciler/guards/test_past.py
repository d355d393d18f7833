"""What cooldowns and the churn window count is read from the ledger, of every version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.guards.order import PastChange
from reconciler.guards.past import past_changes
from reconciler.record.entries import Applied, Decided, Entry, Failed, Started, TierEntry, parse
from stacks.contract import Tier

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def old(*rows: dict[str, object]) -> list[Entry]:
    found = [parse({"at": NOW.isoformat(), **row}) for row in rows]
    return [entry for entry in found if entry is not None]


def test_of_ledgers_before_versions_each_applied_plan_counts_by_the_sizes_of_its_plan_entry() -> None:
    entries = old(
        {"event": "plan", "plan": "a", "sizes": {"hot": [2, 2], "warm": [1, 4]}},
        {"event": "plan", "plan": "b", "sizes": {"cold": [5, 3]}},
        {"event": "shadow", "plan": "c", "sizes": {"cold": [5, 0]}},
        {"event": "applied", "plan": "b", "steps": 2},
        {"event": "applied", "plan": "unknown"},
        {"event": "applied", "plan": "c"},
    )
    assert past_changes(entries) == (PastChange(at=NOW, tier=Tier.COLD, removed=2),)


TIERS = {"hot": TierEntry(before=2, after=2), "warm": TierEntry(before=1, after=4)}
GREW = (PastChange(at=NOW, tier=Tier.WARM, added=3),)


def test_an_applied_entry_counts_by_its_own_sizes() -> None:
    assert past_changes([Applied(at=NOW, event="applied", plan="a", tiers=TIERS)]) == GREW


@pytest.mark.parametrize(("steps", "counted"), [(0, False), (1, True)])
def test_a_failed_update_counts_where_it_changed_something(steps: int, counted: bool) -> None:
    failed = Failed(at=NOW, event="failed", plan="a", tiers=TIERS, steps=steps)
    assert past_changes([failed]) == GREW * counted


def test_an_update_without_an_end_counts_once_as_if_it_had_been_done() -> None:
    plan = Decided(at=NOW, event="plan", plan="a", tiers=TIERS)
    started = Started(at=NOW, event="up", plan="a")
    assert past_changes([plan, started]) == GREW
    done = Applied(at=NOW, event="applied", plan="a", tiers=TIERS)
    assert past_changes([plan, started, done]) == GREW
    assert past_changes([plan, started, started, done]) == GREW * 2
