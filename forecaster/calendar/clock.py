"""The calendar: the local clock, holidays, events, and periods of history to leave out.

The rule: daily and weekly patterns follow the local clock. A series is converted to it before modelling and converted back
afterwards, so the patterns survive the change to daylight-saving time. Holidays and events are columns for the models
(`features`) and windows whose effect is a factor, declared or learned (`forecaster.calendar.effects`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecaster.errors import ForecastError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CalendarEvent:
    """Something that moves demand in [start, end): up or down by the factor `effect`; None: learn it from the past."""

    name: str
    start: datetime
    end: datetime
    effect: float | None = None


@dataclass(frozen=True, kw_only=True)
class DemandCalendar:
    """The local clock's zone (IANA), country of the holidays (ISO 3166; empty: none), events, excluded stretches."""

    timezone: str = "UTC"
    country: str = ""
    events: tuple[CalendarEvent, ...] = ()
    excluded: tuple[tuple[datetime, datetime], ...] = ()

    def __post_init__(self) -> None:
        """Refuse an unknown zone or country, and windows that end before they begin."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ForecastError(
                f"the calendar's time zone {self.timezone!r} is not known; use an IANA name such as Europe/Berlin."
            ) from None
        if self.country:
            holiday_names(self.country, [2024])
        for event in self.events:
            if event.end <= event.start:
                raise ForecastError(
                    f"the event {event.name!r} ends at {event.end}, which is not after its start {event.start}."
                )
            if event.effect is not None and not 0 < event.effect < math.inf:
                raise ForecastError(
                    f"the event {event.name!r} has the effect {event.effect}; it must be a finite factor above 0."
                )
        for start, end in self.excluded:
            if end <= start:
                raise ForecastError(f"an excluded period ends at {end}, which is not after its start {start}.")


@dataclass(frozen=True, kw_only=True)
class Window:
    """An occurrence of an event: [start, end) in UTC; `kind` groups occurrences of which one can stand for another."""

    name: str
    kind: str
    start: datetime
    end: datetime
    effect: float | None


def holiday_names(country: str, years: Iterable[int]) -> Mapping[date, str]:
    """Public holidays of a country by local date. Raises `ForecastError` for a country that is not known."""
    try:
        found = holidays.country_holidays(country, years=sorted(set(years)))
    except (NotImplementedError, KeyError):
        raise ForecastError(
            f"no holidays are known for the country {country!r}; use an ISO 3166 code such as US, or leave it empty."
        ) from None
    return {day: str(name) for day, name in sorted(found.items())}


def windows(calendar: DemandCalendar, start: datetime, end: datetime) -> tuple[Window, ...]:
    """Events and holidays that touch [start, end), in the order of their start.

    A holiday lasts its local day, which has 23 or 25 hours when the clock changes.
    """
    zone = ZoneInfo(calendar.timezone)
    found = [
        Window(name=e.name, kind="event", start=_utc(e.start), end=_utc(e.end), effect=e.effect)
        for e in calendar.events
    ]
    if calendar.country:
        years = range(start.year - 1, end.year + 2)
        for day, name in holiday_names(calendar.country, years).items():
            begin = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
            over = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
            found.append(Window(name=name, kind="holiday", start=begin, end=over, effect=None))
    inside = (w for w in found if w.end > start and w.start < end)
    return tuple(sorted(inside, key=lambda w: (w.start, w.end, w.name)))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def excluded_steps(calendar: DemandCalendar, index: pd.DatetimeIndex) -> NDArray[np.bool_]:
    """(n,) True for steps that begin inside an excluded stretch."""
    out = np.zeros(len(index), dtype=bool)
    for start, end in calendar.excluded:
        out |= np.asarray((index >= pd.Timestamp(_utc(start))) & (index < pd.Timestamp(_utc(end))))
    return out


def features(calendar: DemandCalendar, index: pd.DatetimeIndex) -> tuple[tuple[str, ...], Floats]:
    """Columns known in advance for the steps in `index` (UTC): names (k,) and values (n, k), each 0 to 1.

    `holiday`, `day-before-holiday`, `day-after-holiday` by local date, and one column per event whose effect is to be
    learned. Columns that are zero everywhere are left out.
    """
    local = index.tz_convert(calendar.timezone)
    days = np.asarray(local.tz_localize(None).normalize().to_numpy(dtype="datetime64[D]"))
    columns: dict[str, Floats] = {}
    if calendar.country and len(index):
        years = range(int(local[0].year) - 1, int(local[-1].year) + 2)
        off = np.array(sorted(holiday_names(calendar.country, years)), dtype="datetime64[D]")
        one = np.timedelta64(1, "D")
        columns["holiday"] = np.isin(days, off).astype(float)
        columns["day-before-holiday"] = np.isin(days + one, off).astype(float)
        columns["day-after-holiday"] = np.isin(days - one, off).astype(float)
    for event in calendar.events:
        if event.effect is None:
            inside = (index >= pd.Timestamp(_utc(event.start))) & (index < pd.Timestamp(_utc(event.end)))
            name = f"event {event.name}"
            columns[name] = np.maximum(columns.get(name, np.zeros(len(index))), np.asarray(inside, dtype=float))
    kept = {name: column for name, column in columns.items() if column.any()}
    values = np.column_stack(list(kept.values())) if kept else np.zeros((len(index), 0))
    return tuple(kept), values


@dataclass(frozen=True, kw_only=True)
class LocalClock:
    """How steps of UTC lie on the local clock.

    `position` (n,) is the local step of each UTC step, counted from local step 0, which starts at `start` (datetime64,
    local, naive). A skipped hour is a local step that no UTC step has; in the doubled hour two UTC steps share one.
    """

    start: np.datetime64
    step: timedelta
    position: Ints

    @property
    def length(self) -> int:
        """Number of local steps."""
        return int(self.position.max()) + 1 if len(self.position) else 0

    def times(self, count: int) -> NDArray[np.datetime64]:
        """(count,) starts of the local steps (naive)."""
        step = np.timedelta64(int(self.step / timedelta(microseconds=1)), "us")
        return np.asarray((self.start.astype("datetime64[us]") + np.arange(count) * step).astype("datetime64[ns]"))

    def laid_on(self, values: Floats) -> Floats:
        """(..., local steps): `values` (..., n) on the local clock; doubled steps averaged, skipped ones missing."""
        n = values.shape[-1]
        position = self.position[:n]
        length = int(position.max()) + 1 if n else 0
        if length == n and np.all(np.diff(position) == 1):
            return values
        flat = values.reshape(-1, n)
        out = np.full((len(flat), length), np.nan)
        for k, row in enumerate(flat):
            finite = np.isfinite(row)
            seen = np.bincount(position[finite], minlength=length)
            total = np.bincount(position[finite], weights=row[finite], minlength=length)
            out[k] = np.divide(total, seen, out=np.full(length, np.nan), where=seen > 0)
        return out.reshape(*values.shape[:-1], length)


def local_clock(index: pd.DatetimeIndex, step: timedelta, timezone: str) -> LocalClock:
    """The local clock of `timezone` under the steps of `index` (UTC, regular).

    Steps of a day and more, and zones that never change their clock, are only shifted.
    """
    if not len(index):
        return LocalClock(start=np.datetime64("1970-01-01", "ns"), step=step, position=np.zeros(0, dtype=np.int64))
    naive = index.tz_convert(timezone).tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    size = int(step / timedelta(microseconds=1))
    if size >= 86_400_000_000:
        position = np.arange(len(index), dtype=np.int64)
        return LocalClock(start=index[0].tz_localize(None).to_numpy(), step=step, position=position)
    position = (naive - naive[0]) // size
    # Just after the clock goes back the steps repeat; the first local step is still the earliest one.
    earliest = int(position.min())
    start = np.datetime64(int(naive[0]) + earliest * size, "us").astype("datetime64[ns]")
    return LocalClock(start=start, step=step, position=position - earliest)
