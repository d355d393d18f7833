"""Limits on change as the fleet file declares them: budget, step limit, churn, cooldowns and freezes."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from reconciler.fleet.freezes import DAYS, FreezeWindow, Once, Weekly
from reconciler.fleet.types import Duration, FleetPart, Positive, Share, Zone

_DAY = "|".join(DAYS)
_WEEKLY = re.compile(rf"({_DAY}) (\d\d):(\d\d) to ({_DAY}) (\d\d):(\d\d)")


class Freeze(FleetPart):
    """A time in which nothing changes: once from `start` to `end`, or every week in the local time of a zone."""

    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    weekly: str = Field("", description="For example `Fri 18:00 to Mon 06:00`, instead of `start` and `end`.")
    timezone: Zone | None = Field(None, description="IANA zone of `weekly`.")
    why: str

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        once, weekly = (self.start, self.end), (self.weekly or None, self.timezone)
        if not ((None not in once and weekly == (None, None)) or (once == (None, None) and None not in weekly)):
            raise ValueError("give either `start` and `end`, or `weekly` and `timezone`")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(
                f"the end, {self.end.isoformat()}, is not after the start, {self.start.isoformat()}; swap or fix them"
            )
        if self.weekly:
            self.window()
        return self

    def window(self) -> FreezeWindow:
        """The freeze in the form that the guards use. Raises ValueError if `weekly` can't be read."""
        if self.start is not None and self.end is not None:
            return Once(start=self.start, end=self.end, why=self.why)
        found = _WEEKLY.fullmatch(self.weekly)
        if found is None:
            raise ValueError(f"`weekly` is {self.weekly!r}; expected two times such as `Fri 18:00 to Mon 06:00`")
        day, hour, minute, end_day, end_hour, end_minute = found.groups()
        return Weekly(
            start_day=DAYS.index(day),
            start=time(int(hour), int(minute)),
            end_day=DAYS.index(end_day),
            end=time(int(end_hour), int(end_minute)),
            timezone=self.timezone or "UTC",
            why=self.why,
        )


class Guards(FleetPart):
    """Limits on change. Each one that binds adds a reason to the plan."""

    usd_per_hour: float | None = Field(
        None, gt=0, description="Budget of the whole stack. The plan keeps it or says why it can't."
    )
    hysteresis: Share = Field(
        0.02,
        description="Share of the horizon's cost that a change must save. If it saves less, the sizes stay. 0: no limit.",
    )
    step_limit: Positive | None = Field(
        None, description="Maximum number of instances of a tier that one plan changes."
    )
    churn_share: Share = Field(
        0.5, description="Share of a tier that may be removed per churn window. 1: no limit. Growth is not limited."
    )
    churn_window: Duration = timedelta(hours=1)
    cooldown_up: Duration = timedelta(0)
    cooldown_down: Duration = timedelta(minutes=10)
    freeze: tuple[Freeze, ...] = ()
    maintenance: tuple[Freeze, ...] = Field(
        (), description="Times in which `reconcile` only plans: it previews and applies nothing, not even repairs."
    )

    def in_maintenance(self, now: datetime) -> str:
        """Until when and why `reconcile` changes nothing at `now`; empty outside of maintenance."""
        windows = (one.window() for one in self.maintenance)
        return next((window.describe() for window in windows if window.covers(now)), "")
