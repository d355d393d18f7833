"""From the fleet's history section to a history: sources, window, excluded stretches, replay time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from forecaster.errors import HistoryError
from forecaster.history.history import History
from forecaster.history.outages import with_outages
from reconciler.adapters.history.read import read_recorded
from reconciler.adapters.history.rules import history_rules
from reconciler.adapters.sources.known import source_of
from reconciler.adapters.sources.protocol import ReadWindow
from reconciler.errors import InputError, SourceSilent
from reconciler.fleet.file import Fleet


def read_demand(fleet: Fleet, *, base: Path, as_of: datetime | None, now: datetime | None = None) -> History:
    """The fleet's history in requests, cut to its window.

    Args:
        fleet: source, step, window, excluded stretches.
        base: folder that relative paths start from.
        as_of: leave out what was not known at this time (replay); None: all of it.
        now: the wall clock, where it is known: rows that claim to be newer are left out.

    Raises:
        HistoryError: it cannot be read; the message names file and row.
        SourceSilent: a file or folder of it is not there, or the system does not let it be read.
        InputError: nothing of it lies before `as_of`.
    """
    return _demand(with_outages(_recorded(fleet, base, as_of, now)), fleet)


def read_walk(
    fleet: Fleet, *, base: Path, as_of: datetime | None, now: datetime | None = None
) -> tuple[History, History]:
    """The history as it came, to be cut and walked, and as it is known in hindsight; the source is read once.

    They differ where a log was down: as it came, an outage is one only from the step on in which that was known.
    Arguments and errors are those of `read_demand`.
    """
    found = _recorded(fleet, base, as_of, now)
    return _demand(with_outages(found, as_it_came=True), fleet), _demand(with_outages(found), fleet)


def _recorded(fleet: Fleet, base: Path, as_of: datetime | None, now: datetime | None) -> History:
    """All that the source recorded, with the errors of `read_demand`."""
    source = source_of(fleet, base)
    window = ReadWindow(until=as_of, now=now, step=fleet.step, length=fleet.history.window)
    try:
        found = read_recorded(source, window, history_rules(fleet))
    except OSError as problem:
        raise SourceSilent(f"{problem.filename or 'history'}: {problem.strerror or problem}.") from None
    except HistoryError:
        source.read(window)  # a source that was lost while it was read says so now
        raise
    if not found.length or not found.pairs:
        ends = [moment for moment in (as_of, now) if moment is not None]
        when = f" before {min(ends).isoformat()}" if ends else ""
        raise InputError("history", f"there is no demand{when}.", "Check the paths, the times and --as-of.")
    return found


def _demand(found: History, fleet: Fleet) -> History:
    """The window of a history in requests, without the stretches that the calendar excludes."""
    source = fleet.history
    if source.users or source.applications:
        found = found.select(source.counts)
        if not found.pairs:
            raise InputError(
                "history.users and history.applications",
                "no user and application of the history match them.",
                "Correct the patterns.",
            )
    kept = found.tail(max(int(source.window / fleet.step), 1))
    if fleet.calendar.exclude:
        kept = kept.without([(e.start, e.end) for e in fleet.calendar.exclude])
    return scaled(kept, source.requests_per_event)


def scaled(history: History, factor: float) -> History:
    """The same history where each event stands for `factor` requests."""
    return history if factor == 1 else replace(history, requests=history.requests * factor)
