"""What a source of demand is: two methods, and how the fleet file makes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Protocol, Self

import pandas as pd

from reconciler.fleet.file import HistorySection


@dataclass(frozen=True, kw_only=True)
class ReadWindow:
    """The part of the past that a run needs; a source may hand over more, and the reader cuts it.

    Attributes:
        until: end of what the run may know (replay); None: no end.
        now: the wall clock, where it is known.
        step: length of the run's steps; None: the source's own.
        length: how much of the end is needed; None: all of it.
    """

    until: datetime | None = None
    now: datetime | None = None
    step: timedelta | None = None
    length: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of the event or series format (docs/forecaster.md), in files or in memory: one of `files` and `frame`.

    Attributes:
        label: what messages call them.
        files: CSV, CSV.gz, TSV or Parquet files, in order.
        frame: the rows themselves; times carry a zone.
        recorded: the span that an event log covered, in which a step without an event is zero; None: series, or a log
            whose span is that of its events.
    """

    label: str
    files: tuple[Path, ...] = ()
    frame: pd.DataFrame | None = None
    recorded: tuple[datetime, datetime] | None = None


class Source(Protocol):
    """Where demand comes from."""

    #: The name under `history.source` in fleet.yaml.
    name: ClassVar[str]

    @classmethod
    def declared(cls, section: HistorySection, base: Path) -> Self:
        """The source that fleet.yaml's `history` section declares; relative paths start from `base`.

        Raises:
            InputError: the section lacks a key that this source needs.
        """

    def read(self, window: ReadWindow) -> Sequence[Rows]:
        """The rows that the source holds; rows outside of `window` may be among them.

        Raises:
            SourceSilent: the source cannot be reached; the same call may succeed later.
            HistoryError: what is there is no history.
        """

    def fingerprint(self) -> str:
        """Which demand this is, in words that do not change when rows are added: equal for equal places."""
