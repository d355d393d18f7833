"""What a reader of histories can't know from the file: the rules that a fleet file sets, and the times that end a history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict

from reconciler.fleet.file import Fleet


@dataclass(frozen=True, kw_only=True)
class HistoryRules:
    """What a reader can't know from the file.

    Attributes:
        kind: "auto" (series where there is a column of counts, else events), "series" or "events".
        timezone: zone of times that name none (IANA name).
        absent: "auto" (events: a step without one is zero; series: missing), "zero" or "missing".
        counters: True where `requests` is a counter that only grows (differences are taken, restarts recognised).
        demand: column that is the demand; a utilisation column (cpu, memory) is averaged over a step, a count added.
        retry_window: an event equal to a rejected one at most this long before is a retry of it, counted once.
        columns: our column name → the file's.
        bad_share: share of unreadable rows up to which they are left out and reported; above it they are an error.
        said_in: file that declares these rules, "" if there is none: then only the history itself can be fixed.
    """

    kind: str = "auto"
    timezone: str = "UTC"
    absent: str = "auto"
    counters: bool = False
    demand: str = "requests"
    retry_window: timedelta = timedelta(seconds=30)
    columns: Mapping[str, str] = field(default_factory=dict)
    bad_share: float = 0.001
    said_in: str = "fleet.yaml"


class Ends(TypedDict):
    """Where a history ends: `until` the run's time, `now` the wall clock; see `read_history`."""

    until: datetime | None
    now: datetime | None


def history_rules(fleet: Fleet) -> HistoryRules:
    """What the fleet file says about its history that a reader can't see."""
    said = fleet.history
    return HistoryRules(
        kind=said.kind,
        timezone=said.timezone,
        absent=said.absent,
        counters=said.counters,
        demand=said.demand,
        retry_window=said.retry_window,
        columns=said.columns,
    )
