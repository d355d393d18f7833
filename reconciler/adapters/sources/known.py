"""The list of sources, and which of them a fleet file or a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from reconciler.adapters.sources.files import FileSource
from reconciler.adapters.sources.flights import FlightSource
from reconciler.adapters.sources.protocol import Source
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet, HistorySection

#: Every source of demand, by the name that `history.source` in fleet.yaml gives it.
SOURCES: dict[str, type[Source]] = {kind.name: kind for kind in (FileSource, FlightSource)}


def source_of(fleet: Fleet, base: Path, *, location: str = "fleet.yaml") -> Source:
    """The fleet's source of demand; relative paths start from `base`, and `location` names the fleet file in messages.

    Raises:
        InputError: no source has the name that fleet.yaml gives, or a key that the source needs is missing.
    """
    name = fleet.history.source
    if name not in SOURCES:
        close = get_close_matches(name, SOURCES, n=1)
        raise InputError(
            f"{location}, history.source",
            f"'{name}' is not a source of demand; known are {', '.join(SOURCES)}.",
            f"Did you mean `{close[0]}`?" if close else "Use one of them.",
        )
    return SOURCES[name].declared(fleet.history, base)


def named(words: Sequence[str | Path]) -> HistorySection:
    """The history section that words of a command line mean: one word that is a source's name, else paths."""
    said = tuple(str(word) for word in words)
    if len(said) == 1 and said[0] in SOURCES and not Path(said[0]).exists():
        return HistorySection(source=said[0])
    return HistorySection(paths=said)
