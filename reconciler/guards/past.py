"""Applied changes from the ledger's entries, which cooldowns and the churn window count. Pure.

An update without an end in the ledger was interrupted by a crash. It counts as fully applied, because its progress is
unknown. So does an update that failed after it had changed something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from reconciler.guards.order import PastChange
from reconciler.record.entries import Applied, Decided, Entry, Failed, Started, TierEntry
from stacks.contract import Tier

Sizes = Mapping[str, TierEntry]


def past_changes(entries: Iterable[Entry]) -> tuple[PastChange, ...]:
    """One change per tier of each update, from the update's sizes or else from those of its plan."""
    planned: dict[str, Sizes] = {}
    begun: dict[str, Started] = {}
    found: list[tuple[Entry, Sizes]] = []
    for entry in entries:
        if isinstance(entry, Decided) and entry.event == "plan":
            planned[entry.plan] = entry.tiers
        elif isinstance(entry, Started):
            if entry.plan in begun:
                found.append((begun[entry.plan], planned.get(entry.plan, {})))
            begun[entry.plan] = entry
        elif isinstance(entry, Applied):
            begun.pop(entry.plan, None)
            if not isinstance(entry, Failed) or entry.resources or entry.steps:
                found.append((entry, entry.tiers or planned.get(entry.plan, {})))
    found += [(entry, planned.get(entry.plan, {})) for entry in begun.values()]
    return tuple(
        PastChange(
            at=entry.at,
            tier=Tier(tier),
            added=max(line.after - line.before, 0),
            removed=max(line.before - line.after, 0),
        )
        for entry, sizes in sorted(found, key=lambda pair: pair[0].at)
        for tier, line in sizes.items()
        if line.before != line.after
    )


def begun(entries: Iterable[Entry], *, since: datetime) -> frozenset[str]:
    """Names of the resources that an update has made or changed since a time (aware)."""
    return frozenset(
        one.name
        for entry in entries
        if isinstance(entry, Applied) and entry.at >= since
        for one in entry.resources
        if one.op != "delete"
    )
