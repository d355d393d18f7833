"""Which demand has no current data, and which load replaces it. Pure.

Missing is not zero. This is judged per class and per application:

- A class without current data keeps its sizes while the fleet file declares it. Only an edit of the fleet file removes it,
  never missing data.
- An application that lost its data keeps its last known load for a while (`history.keep_lost`). It blocks scale-downs of
  its class while that load is at least 5 % of the class.

Earlier data comes from the history, and from the memory of the last run for rows that are gone from the history. In an
event log `forecaster.history.outages` decides whether a silence is missing data. It is applied per class and application.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.history.history import History
from forecaster.history.outages import outages
from reconciler.fleet.file import Fleet

Floats = NDArray[np.float64]
#: A lost application blocks scale-downs from this share of its class on.
BLOCKING_SHARE = 0.05
#: A class counts as lost from this share of the last day's steps without a value on.
MISSING_SHARE = 0.5
#: Largest applications of a class that are remembered: at most twenty can have 5 % of it each.
KEPT_APPLICATIONS = 50


@dataclass(frozen=True, kw_only=True)
class LastHeard:
    """The last data of one application in one class.

    Attributes:
        until: end of the last step with data (UTC).
        rps: requests/s in that step.
        mean_rps: mean requests/s over the last day with data.
    """

    application: str
    qos: str
    until: datetime
    rps: float
    mean_rps: float


@dataclass(frozen=True, kw_only=True)
class LostClass:
    """A class without current data. Its last data ended at `until` (None: it never had data), with `rps` requests/s."""

    name: str
    until: datetime | None
    rps: float
    why: str


@dataclass(frozen=True, kw_only=True)
class LostData:
    """Classes and applications without current data.

    Attributes:
        classes: lost classes by name.
        applications: lost applications whose last known load still counts.
        blocking: class → why it must not shrink; every lost class, and every class with a large lost application.
        heard: last data to keep for the next run.
        current: the applications that have current data.
    """

    classes: Mapping[str, LostClass]
    applications: tuple[LastHeard, ...]
    blocking: Mapping[str, str]
    heard: tuple[LastHeard, ...]
    current: tuple[LastHeard, ...] = ()

    def current_rps(self, qos: str) -> float:
        """Requests/s of the class's applications that have current data."""
        return sum(h.rps for h in self.current if h.qos == qos)


NOTHING_LOST = LostData(classes={}, applications=(), blocking={}, heard=())


def last_heard(history: History, fleet: Fleet) -> tuple[LastHeard, ...]:
    """The last data of every application and class in the history, in order of class and application."""
    units: dict[tuple[str, str], int] = {}
    codes = np.full(len(history.pairs), -1, dtype=np.int64)
    for k, (user, application) in enumerate(history.pairs):
        rule = fleet.rule(user, application)
        if rule is not None:
            codes[k] = units.setdefault((rule.qos, application), len(units))
    if not units or not history.length:
        return ()
    rows = history.grouped(codes, len(units))
    # The outage rule counts events: the demand of an event log is events × requests per event.
    events = rows / fleet.history.requests_per_event
    last = _last_recorded(history, codes, events, [qos for qos, _ in units])
    seconds, day = history.step.total_seconds(), max(round(timedelta(days=1) / history.step), 1)
    found = []
    for (qos, application), k in sorted(units.items()):
        known = rows[k, : last[k] + 1]
        values = known[np.isfinite(known)]
        if last[k] < 0 or not len(values):
            continue
        found.append(
            LastHeard(
                application=application,
                qos=qos,
                until=history.start + (int(last[k]) + 1) * history.step,
                rps=float(values[-1]) / seconds,
                mean_rps=float(values[-day:].mean()) / seconds,
            )
        )
    return tuple(found)


def _last_recorded(history: History, codes: NDArray[np.int64], rows: Floats, qos: Sequence[str]) -> NDArray[np.int64]:
    """(units,) last step with data of each unit; -1 if it has no data.

    A series has data in steps with a value. An event log has data until its last outage began: an outage of the whole log,
    of the class or of the unit.
    """
    n = history.length
    last = np.full(len(rows), -1, dtype=np.int64)
    owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
    seen = np.isfinite(history.requests) & (codes[owner] >= 0) & ~history.zero_absent[owner]
    np.maximum.at(last, codes[owner[seen]], history.position[seen])
    logged = np.unique(codes[(codes >= 0) & history.zero_absent])
    recorded = np.flatnonzero(~history.unrecorded)
    whole = int(recorded[-1]) if len(recorded) else -1
    of_class: dict[str, Floats] = {}
    for k in logged:
        of_class[qos[k]] = of_class.get(qos[k], np.zeros(n)) + np.nan_to_num(rows[k])
    silent = {name: _silent_since(np.where(history.unrecorded, np.nan, row), history) for name, row in of_class.items()}
    for k in logged:
        began = min(silent[qos[k]], _silent_since(rows[k], history))
        last[k] = max(last[k], min(whole, began - 1))
    return last


def _silent_since(row: Floats, history: History) -> int:
    """First step of the outage that lasts until the end of `row` (n,) of an event log; n without such an outage."""
    down = outages(np.nan_to_num(row, nan=-1.0), history.step)
    if not len(down) or not down[-1]:
        return len(down)
    return int(np.flatnonzero(~down)[-1]) + 1 if not down.all() else 0


def merged(now: Iterable[LastHeard], before: Iterable[LastHeard], fleet: Fleet) -> tuple[LastHeard, ...]:
    """Last data of this run, and of earlier runs where this run has none, for classes that the fleet file declares."""
    found = {(h.qos, h.application): h for h in before if h.qos in fleet.qos}
    for heard in now:
        known = found.get((heard.qos, heard.application))
        if known is None or heard.until >= known.until:
            found[heard.qos, heard.application] = heard
    return tuple(found[key] for key in sorted(found))


def lost_data(fleet: Fleet, history: History | None, before: Sequence[LastHeard], *, as_of: datetime) -> LostData:
    """Judge every class and application at `as_of`.

    Args:
        fleet: its classes, `history.max_age` and `history.keep_lost`.
        history: None if the source did not answer.
        before: last data that the last run kept. Only data that was known at `as_of` is used.
    """
    known = tuple(h for h in before if h.until <= as_of)
    heard = merged(() if history is None else last_heard(history, fleet), known, fleet)
    by_class: dict[str, list[LastHeard]] = defaultdict(list)
    for one in heard:
        by_class[one.qos].append(one)
    # No events of a class in an event log means zero; no rows of a series mean missing data.
    unknown = history is None or not history.zero_absent.all()
    gaps = {} if history is None else missing_shares(history, fleet)
    max_age, keep = fleet.history.max_age, fleet.history.keep_lost
    classes: dict[str, LostClass] = {}
    blocking: dict[str, str] = {}
    applications: list[LastHeard] = []
    for name in fleet.qos:
        mine = by_class.get(name, [])
        until = max((h.until for h in mine), default=None)
        current = [h for h in mine if as_of - h.until <= max_age]
        why = ""
        if until is None:
            why = f"QoS class {name} has no data" if unknown else ""
        elif not current:
            why = f"QoS class {name} has had no data since {until:%Y-%m-%d %H:%M} UTC"
        elif gaps.get(name, 0.0) > MISSING_SHARE:
            why = f"{gaps[name]:.0%} of the last day's steps of QoS class {name} have no data"
        if why:
            rps = sum(h.rps for h in mine)
            classes[name] = LostClass(name=name, until=until, rps=rps, why=why)
            blocking[name] = why
            continue
        lost = [h for h in mine if max_age < as_of - h.until <= keep]
        applications += lost
        total = sum(h.mean_rps for h in mine if h in current or h in lost)
        share = sum(h.mean_rps for h in lost) / total if total > 0 else 0.0
        if share >= BLOCKING_SHARE:
            names = ", ".join(h.application for h in lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
            blocking[name] = (
                f"{names} of QoS class {name} ({share:.0%} of its load) has had no data since "
                f"{min(h.until for h in lost):%Y-%m-%d %H:%M} UTC"
            )
    return LostData(
        classes=classes,
        applications=tuple(applications),
        blocking=blocking,
        heard=_remembered(heard, as_of, keep),
        current=tuple(h for h in heard if as_of - h.until <= max_age),
    )


def lost_notes(fleet: Fleet, lost: LostData) -> tuple[str, ...]:
    """One note per class and application whose last known load replaces missing data."""
    notes = [
        f"{found.why}: its tiers ({', '.join(fleet.qos[name].tiers)}) keep their sizes, and the plan uses its last known "
        f"load of {found.rps:.4g} requests/s. To retire the class, remove it from the fleet file [lost data]"
        for name, found in lost.classes.items()
    ]
    notes += [
        f"{one.application} has had no data since {one.until:%Y-%m-%d %H:%M} UTC: QoS class {one.qos} includes its last known "
        f"load of {one.rps:.4g} requests/s until {one.until + fleet.history.keep_lost:%Y-%m-%d %H:%M} UTC [lost data]"
        for one in lost.applications
    ]
    return tuple(notes)


def missing_shares(history: History, fleet: Fleet) -> dict[str, float]:
    """Class → share of the last day's steps (up to its last value) without a value. Classes without rows are left out."""
    if not history.length:
        return {}
    names = list(fleet.qos)
    place = {name: k for k, name in enumerate(names)}
    rules = [fleet.rule(user, application) for user, application in history.pairs]
    codes = np.array([place[r.qos] if r is not None else -1 for r in rules], dtype=np.int64)
    rows = history.grouped(codes, len(names))[:, -max(round(timedelta(days=1) / history.step), 1) :]
    return {name: float(np.mean(~np.isfinite(rows[k]))) for name, k in place.items() if (codes == k).any()}


def _remembered(heard: Sequence[LastHeard], as_of: datetime, keep: timedelta) -> tuple[LastHeard, ...]:
    """Last data to keep: the largest applications of each class; the last ones of a class are kept without limit."""
    by_class: dict[str, list[LastHeard]] = defaultdict(list)
    for one in heard:
        by_class[one.qos].append(one)
    kept = []
    for mine in by_class.values():
        fresh = [h for h in mine if as_of - h.until <= keep] or mine
        kept += sorted(fresh, key=lambda h: (-h.mean_rps, h.application))[:KEPT_APPLICATIONS]
    return tuple(replace(h, rps=round(h.rps, 6), mean_rps=round(h.mean_rps, 6)) for h in sorted(kept, key=_order))


def _order(heard: LastHeard) -> tuple[str, str]:
    return heard.qos, heard.application
