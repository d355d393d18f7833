"""The time that cooldowns and approvals count from if the clock can't be trusted. Pure.

- With a clock that jumped back no envelope would expire, and changes "in the future" would be ignored.
- With a clock that is ahead of the data every cooldown would end.

Both are reported, and the safer time is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Accepted difference between the clocks of two runners.
SKEW = timedelta(minutes=2)


@dataclass(frozen=True, kw_only=True)
class GuardTime:
    """Times to judge by.

    Attributes:
        cooldown: time from which the age of past changes counts.
        expiry: time that decides whether an approval has expired.
        notes: sentences for the plan.
    """

    cooldown: datetime
    expiry: datetime
    notes: tuple[str, ...] = ()


def guard_time(
    now: datetime, *, newest_entry: datetime | None, data_end: datetime | None, max_age: timedelta
) -> GuardTime:
    """Check the clock against the ledger and the data.

    Args:
        now: the wall clock.
        newest_entry: time of the newest entry in the ledger; None for an empty ledger.
        data_end: end of the last step with data; None in a replay, whose data is old on purpose.
        max_age: age from which the data is stale.
    """
    notes = []
    cooldown = expiry = now
    if newest_entry is not None and now < newest_entry - SKEW:
        expiry = newest_entry
        notes.append(
            f"the clock shows {now:%Y-%m-%d %H:%M:%S} UTC, but the ledger has an entry of {newest_entry:%Y-%m-%d %H:%M:%S} "
            "UTC: approvals are judged by the later time, and no cooldown ends; set the clock of this machine [clock]"
        )
    if data_end is not None and now - data_end > max_age:
        cooldown = data_end + max_age
        notes.append(
            f"the clock is {_spoken(now - data_end)} ahead of the newest data: cooldowns count from the end of the data "
            "[clock]"
        )
    elif data_end is not None and data_end - now > SKEW:
        notes.append(
            f"the newest data ends {_spoken(data_end - now)} after the clock's time: check the clock of this machine [clock]"
        )
    return GuardTime(cooldown=cooldown, expiry=expiry, notes=tuple(notes))


def _spoken(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    if hours < 2:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
