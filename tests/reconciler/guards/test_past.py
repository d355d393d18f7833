"""What cooldowns and the churn window count is read from the ledger, of every version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.guards.order import PastChange
from reconciler.guards.past import past_changes
from reconciler.record.entries import Applied, Entry, Failed, TierEntry, parse
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


@pytest.mark.parametrize(("kind", "counted"), [(Applied, True), (Failed, False)])
def test_an_applied_entry_counts_by_its_own_sizes_and_a_failed_one_does_not(kind: type[Applied], counted: bool) -> None:
    tiers = {"hot": TierEntry(before=2, after=2), "warm": TierEntry(before=1, after=4)}
    done = kind(at=NOW, event=kind.events[0], plan="a", tiers=tiers)
    assert past_changes([done]) == (PastChange(at=NOW, tier=Tier.WARM, added=3),) * counted
