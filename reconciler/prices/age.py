"""How old prices are, when they are stale, and the plan's notes about it. Pure. No other module judges the age of prices.

A catalogue has the date of its prices. Fetched prices also have the time of the fetch. Both may be in the future if clocks
differ: a small difference counts as now, and with a larger one the age is unknown.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from reconciler.prices.catalogue import Catalogue

#: A catalogue's date may be ahead by this much: its author may live east of UTC.
DATE_SKEW = timedelta(days=1)
#: The time of a fetch may be ahead by this much: the run that fetched may have had another clock.
CLOCK_SKEW = timedelta(minutes=5)


def days_old(taken_on: date, now: datetime) -> int | None:
    """Whole days since the date of the prices; None if the date is in the future."""
    age = now.date() - taken_on
    return None if age < -DATE_SKEW else max(age.days, 0)


def fetched_ago(fetched_at: datetime, now: datetime) -> timedelta | None:
    """Time since the prices were fetched; None if that time is in the future."""
    age = now - fetched_at
    return None if age < -CLOCK_SKEW else max(age, timedelta())


def is_young(fetched_at: datetime, now: datetime, refresh: timedelta) -> bool:
    """Whether fetched prices are at most `refresh` old and need no new fetch."""
    age = fetched_ago(fetched_at, now)
    return age is not None and age <= refresh


def is_stale(catalogue: Catalogue, now: datetime, max_age: timedelta) -> bool:
    """Whether a catalogue's date is more than `max_age` (in days) in the past, or in the future."""
    days = days_old(catalogue.taken_on, now)
    return days is None or days > max_age.days


def stale_notes(catalogue: Catalogue, now: datetime, max_age: timedelta) -> tuple[str, ...]:
    """The plan's note about stale prices; empty if they are not stale."""
    if not is_stale(catalogue, now, max_age):
        return ()
    days = days_old(catalogue.taken_on, now)
    if days is None:
        return (
            f"prices ({catalogue.source}) are dated {catalogue.taken_on.isoformat()}, which is in the future: their age is "
            "unknown and they may be stale. Correct `taken_on` in the catalogue",
        )
    return (f"prices are {days} days old ({catalogue.source}). Prices older than {max_age.days} days are stale",)


def kept_note(catalogue: Catalogue, fetched_at: datetime, now: datetime, *, why: str) -> str:
    """The plan's note that it uses prices of an earlier fetch because the source failed."""
    age = fetched_ago(fetched_at, now)
    if age is None:
        said = f"prices were fetched at {fetched_at.isoformat()}, which is in the future: their age is unknown"
    elif age >= timedelta(hours=48):
        said = f"prices are {age / timedelta(days=1):.0f} days old"
    else:
        said = f"prices are {age / timedelta(hours=1):.0f} hours old"
    return f"{said} ({catalogue.source}): {why.rstrip('.')}."


def supplement_notes(table: Catalogue, now: datetime, max_age: timedelta, *, with_rates: bool) -> tuple[str, ...]:
    """The plan's note that the table next to AWS's prices is stale. `with_rates`: the table also holds interruption rates."""
    if not is_stale(table, now, max_age):
        return ()
    rates = ", interruption rates" if with_rates else ""
    return (
        f"volume and load balancer prices, boot times{rates} do not come from AWS but from a table of "
        f"{table.taken_on.isoformat()} ({table.source}). To use a newer one, name its file in `prices.catalogue`",
    )
