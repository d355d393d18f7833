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
from reconciler.errors import InputError, Unavailable
from reconciler.prices.age import is_young, kept_note
from reconciler.prices.catalogue import Catalogue, parse_catalogue
from stacks.yaml_text import load_json


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A catalogue with what the plan must say about it: its age where it is old, a source that failed."""

    catalogue: Catalogue
    notes: tuple[str, ...] = ()


def cached_catalogue(
    path: Path, fetch: Callable[[], Catalogue], *, now: datetime, max_age: timedelta, wanted: Iterable[str] = ()
) -> Priced:
    """The kept catalogue while it is younger than `max_age`, else a fetched one, which is then kept.

    A kept one that lacks a `wanted` instance type counts as none; the age of one from the future is unknown, so it counts
    as old.

    Raises:
        Unavailable: the source does not answer and nothing is kept.
        InputError: the kept file is not a catalogue and the source does not answer either.
    """
    kept, fetched_at, fault = _read(path)
    if kept is not None and not set(wanted) <= set(kept.types):
        kept, fetched_at = None, None
    if kept is not None and fetched_at is not None and is_young(fetched_at, now, max_age):
        return Priced(catalogue=kept)
    try:
        fresh = fetch()
    except Unavailable as error:
        if kept is None or fetched_at is None:
            if fault is not None:
                raise fault from None
            raise
        return Priced(catalogue=kept, notes=(kept_note(kept, fetched_at, now, why=str(error)),))
    document = {"fetched_at": now.isoformat(), "catalogue": fresh.model_dump(mode="json", exclude_none=True)}
    write_text(path, json.dumps(document, indent=1, sort_keys=True) + "\n")
    notes = (f"the kept prices were not readable and were fetched again: {fault}",) if fault is not None else ()
    return Priced(catalogue=fresh, notes=notes)


def _read(path: Path) -> tuple[Catalogue | None, datetime | None, InputError | None]:
    """The kept catalogue and its time; a broken file is a fault to be told, not a reason to stop."""
    if not path.exists():
        return None, None, None
    try:
        document = load_json(read_text(path, "kept prices"))
        catalogue = parse_catalogue(document["catalogue"], str(path))
        fetched_at = datetime.fromisoformat(document["fetched_at"])
        if fetched_at.tzinfo is None:
            raise ValueError("a time without a zone")
        return catalogue, fetched_at, None
    except InputError as error:
        return None, None, error
    except (ValueError, KeyError, TypeError):
        return None, None, InputError(str(path), "not the kept prices of tiercast.", "Delete it.")
