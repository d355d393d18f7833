"""Times in which nothing changes: once between two instants, or every week in the local time of a zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from reconciler.errors import UserError

#: Names of the days, Monday first.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, kw_only=True)
class Once:
    """From `start` to before `end`, both aware."""

    start: datetime
    end: datetime
    why: str

    def covers(self, now: datetime) -> bool:
        """Whether `now` is within the freeze."""
        return self.start <= now < self.end

    def describe(self) -> str:
        """Text for a reason: the end of the freeze and its cause."""
        return f"until {self.end.isoformat(timespec='minutes')} ({self.why})"


@dataclass(frozen=True, kw_only=True)
class Weekly:
    """Every week between two days and times, in the local time of `timezone` with its daylight saving.

    Days count from Monday = 0. An end before the start continues into the next week. Equal start and end mean the whole
    week.
    """

    start_day: int
    start: time
    end_day: int
    end: time
    timezone: str
    why: str

    def __post_init__(self) -> None:
        """Refuse an unknown zone or day."""
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise UserError(
                f"the freeze '{self.why}' names the time zone '{self.timezone}', which is not known.",
                remedy="Use an IANA name such as Europe/Berlin or UTC.",
            ) from None
        if not (0 <= self.start_day <= 6 and 0 <= self.end_day <= 6):
            raise UserError(
                f"the freeze '{self.why}' has a day outside 0 (Monday) to 6 (Sunday).", remedy="Correct its `weekly`."
            )

    def covers(self, now: datetime) -> bool:
        """Whether `now` (aware) is within the window, in the zone's local time."""
        local = now.astimezone(ZoneInfo(self.timezone))
        minute = _minute(local.weekday(), local.time())
        start, end = _minute(self.start_day, self.start), _minute(self.end_day, self.end)
        return start <= minute < end if start < end else minute >= start or minute < end

    def describe(self) -> str:
        """Text for a reason: the window and its cause."""
        start, end = f"{DAYS[self.start_day]} {self.start:%H:%M}", f"{DAYS[self.end_day]} {self.end:%H:%M}"
        return f"{start} to {end} {self.timezone} ({self.why})"


FreezeWindow = Once | Weekly


def _minute(day: int, clock: time) -> float:
    """Minutes since Monday 00:00."""
    return timedelta(days=day, hours=clock.hour, minutes=clock.minute, seconds=clock.second).total_seconds() / 60
