"""Changes that were applied, from the ledger's entries: what cooldowns and the churn window count. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.guards.order import PastChange
from reconciler.record.entries import Applied, Decided, Entry, Failed, TierEntry
from stacks.contract import Tier


def past_changes(entries: Iterable[Entry]) -> tuple[PastChange, ...]:
    """One change per tier of each `applied` entry: by its own sizes, in older ledgers by those of the plan it names."""
    planned: dict[str, Mapping[str, TierEntry]] = {}
    found = []
    for entry in entries:
        if isinstance(entry, Decided) and entry.event == "plan":
            planned[entry.plan] = entry.tiers
        elif isinstance(entry, Applied) and not isinstance(entry, Failed):
            for tier, line in (entry.tiers or planned.get(entry.plan, {})).items():
                if line.before != line.after:
                    found.append(
                        PastChange(
                            at=entry.at,
                            tier=Tier(tier),
                            added=max(line.after - line.before, 0),
                            removed=max(line.before - line.after, 0),
                        )
                    )
    return tuple(found)
