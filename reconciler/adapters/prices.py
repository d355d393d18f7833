"""The price catalogue for a run: fresh from a source if the kept one is old, the kept one with its age if that fails.

The kept file is a catalogue like any other, so that a policy pack can pin its digest and a person can read it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.adapters.files import read_text, write_text
from reconciler.catalogue import Catalogue, load_catalogue, parse_catalogue
from reconciler.errors import InputError, Unavailable


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A catalogue with what the plan must say about it: its age where it is old, a source that failed."""

    catalogue: Catalogue
    notes: tuple[str, ...] = ()


def cached_catalogue(
    path: Path, fetch: Callable[[], Catalogue], *, now: datetime, max_age: timedelta, wanted: Iterable[str] = ()
) -> Priced:
    """The kept catalogue while it is younger than `max_age`, else a fetched one, which is then kept.

    A kept one that lacks a `wanted` instance type counts as none.

    Raises:
        Unavailable: the source does not answer and nothing is kept.
        InputError: the kept file is not a catalogue and the source does not answer either.
    """
    kept, fetched_at, fault = _read(path)
    if kept is not None and not set(wanted) <= set(kept.types):
        kept, fetched_at = None, None
    if kept is not None and fetched_at is not None and now - fetched_at <= max_age:
        return Priced(catalogue=kept)
    try:
        fresh = fetch()
    except Unavailable as error:
        if kept is None or fetched_at is None:
            if fault is not None:
                raise fault from None
            raise
        return Priced(
            catalogue=kept,
            notes=(f"prices are {_age(now - fetched_at)} old ({kept.source}): {error}.".replace("..", "."),),
        )
    document = {"fetched_at": now.isoformat(), "catalogue": fresh.model_dump(mode="json", exclude_none=True)}
    write_text(path, json.dumps(document, indent=1, sort_keys=True) + "\n")
    notes = (f"the kept prices were not readable and were fetched anew: {fault}",) if fault is not None else ()
    return Priced(catalogue=fresh, notes=notes)


def read_catalogue(path: Path, *, now: datetime, max_age: timedelta) -> Priced:
    """A catalogue file that a person keeps, with a note where its prices are older than `max_age`."""
    catalogue = load_catalogue(read_text(path, "a price catalogue"), str(path))
    return Priced(catalogue=catalogue, notes=stale_note(catalogue, now, max_age))


def stale_note(catalogue: Catalogue, now: datetime, max_age: timedelta) -> tuple[str, ...]:
    """The sentence on old prices, or nothing."""
    age = timedelta(days=catalogue.age_days(now.date()))
    if age <= max_age:
        return ()
    return (
        f"prices are {_age(age)} old ({catalogue.source}); at most {_age(max_age)} is asked: refresh the catalogue.",
    )


def _read(path: Path) -> tuple[Catalogue | None, datetime | None, InputError | None]:
    """The kept catalogue and its time; a broken file is a fault to be told, not a reason to stop."""
    if not path.exists():
        return None, None, None
    try:
        document = json.loads(read_text(path, "kept prices"))
        catalogue = parse_catalogue(document["catalogue"], str(path))
        return catalogue, datetime.fromisoformat(document["fetched_at"]), None
    except InputError as error:
        return None, None, error
    except (ValueError, KeyError, TypeError):
        return None, None, InputError(str(path), "not the kept prices of tiercast.", "Delete it.")


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
