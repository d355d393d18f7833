"""Answers from the ledger only: the changes of a resource, and the story of a past plan. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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

#: How an operation ended: done, done before the update failed, or unknown because the update was cut short or still runs.
Ended = Literal["done", "done before the update failed", "not known: the update did not end"]


@dataclass(frozen=True, kw_only=True)
class LedgerChange:
    """One operation on a resource.

    Attributes:
        tier: tier of the resource in the plan; "" if it belongs to none.
        line: sizes and binding constraint of that tier; None if the ledger has none.
        guards: guards that changed the tier's counts.
    """

    at: datetime
    resource: ResourceEntry
    ended: Ended
    plan: str
    tier: str = ""
    line: TierEntry | None = None
    guards: tuple[GuardEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlanStory:
    """A plan's decision and all entries that name the plan, in order.

    `decided` is None if the plan was made elsewhere or its entry is no longer in the ledger.
    """

    plan: str
    decided: Decided | None
    entries: tuple[Entry, ...]
    cut_short: bool


def changes_of(entries: Sequence[Entry], name: str, *, location: str) -> list[LedgerChange]:
    """Operations on the resource with this name or URN, oldest first.

    Raises:
        InputError: no entry names the resource. The message lists similar names.
    """
    decided = {entry.plan: entry for entry in entries if isinstance(entry, Decided)}
    found = [
        _change(entry, resource, ended, decided.get(entry.plan))
        for entry, resources, ended in _updates(entries)
        for resource in resources
        if name in (resource.name, resource.urn)
    ]
    if not found:
        problem, remedy = _unknown_resource(entries, name)
        raise InputError(location, problem, remedy)
    return found


def since(entries: Iterable[Entry], start: datetime | None) -> list[Entry]:
    """Entries at or after a time; None: all."""
    return [entry for entry in entries if start is None or entry.at >= start]


def story(entries: Sequence[Entry], prefix: str, *, location: str) -> PlanStory:
    """The plan whose id starts with `prefix`.

    Raises:
        InputError: no id, or more than one, starts with it.
    """
    plans = list(dict.fromkeys(entry.plan for entry in entries if entry.plan))
    fitting = [plan for plan in plans if plan == prefix] or [plan for plan in plans if plan.startswith(prefix)]
    if not fitting:
        newest = ", ".join(plans[:-4:-1]) or "none"
        raise InputError(
            location,
            f"no plan in the ledger has an id that starts with '{prefix}'; the newest are {newest}.",
            "`tiercast history` lists them.",
        )
    if len(fitting) > 1:
        raise InputError(
            location,
            f"{len(fitting)} plans have an id that starts with '{prefix}': {', '.join(fitting[:5])}.",
            "Give more digits.",
        )
    mine = tuple(entry for entry in entries if entry.plan == fitting[0])
    return PlanStory(
        plan=fitting[0],
        decided=next((entry for entry in reversed(mine) if isinstance(entry, Decided)), None),
        entries=mine,
        cut_short=any(entry in mine for entry in unfinished(entries)),
    )


def unfinished(entries: Iterable[Entry]) -> list[Started]:
    """Updates that started and neither ended nor failed: they were cut short, or still run."""
    opened: dict[str, list[Started]] = {}
    for entry in entries:
        if isinstance(entry, Started):
            opened.setdefault(entry.plan, []).append(entry)
        elif isinstance(entry, Applied) and opened.get(entry.plan):
            opened[entry.plan].pop()
    return [entry for mine in opened.values() for entry in mine]


def _updates(entries: Sequence[Entry]) -> list[tuple[Entry, tuple[ResourceEntry, ...], Ended]]:
    """Each update with its resources and how it ended. An update that was cut short has the resources of its preview."""
    cut = unfinished(entries)
    previewed: dict[str, tuple[ResourceEntry, ...]] = {}
    found: list[tuple[Entry, tuple[ResourceEntry, ...], Ended]] = []
    for entry in entries:
        if isinstance(entry, Previewed):
            previewed[entry.plan] = entry.resources
        elif isinstance(entry, Failed):
            found.append((entry, entry.resources, "done before the update failed"))
        elif isinstance(entry, Applied):
            found.append((entry, entry.resources, "done"))
        elif entry in cut:
            found.append((entry, previewed.get(entry.plan, ()), "not known: the update did not end"))
    return found


def _change(entry: Entry, resource: ResourceEntry, ended: Ended, decided: Decided | None) -> LedgerChange:
    tier = resource.name.partition("-")[0]
    own: Mapping[str, TierEntry] = entry.tiers if isinstance(entry, Applied) else {}
    line = own.get(tier) or (decided.tiers.get(tier) if decided else None)
    return LedgerChange(
        at=entry.at,
        resource=resource,
        ended=ended,
        plan=entry.plan,
        tier=tier if line else "",
        line=line,
        guards=tuple(g for g in decided.guards if g.tier == tier) if decided else (),
    )


def _unknown_resource(entries: Sequence[Entry], name: str) -> tuple[str, str]:
    known = {r.name for _, resources, _ in _updates(entries) for r in resources}
    close = difflib.get_close_matches(name, sorted(known), n=3)
    unnamed = sum(isinstance(e, Applied) and bool(e.steps) and not e.resources for e in entries)
    problem = f"no update in this ledger changed a resource named '{name}'"
    problem += f"; similar names are {', '.join(close)}." if close else "."
    remedy = "Check the name with `pulumi stack`."
    if unnamed:
        remedy += f" {unnamed} updates were recorded by an older version, without the names of their resources."
    return problem, remedy
