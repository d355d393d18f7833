"""How old prices are, when that is too old, and what a plan says about it. Pure; the one place that judges their age.

A catalogue carries the date of its prices; fetched prices also carry the time of the fetch. Either may be in the future
where clocks differ: a little is taken for now, more means that the age is unknown.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from reconciler.prices.catalogue import Catalogue

#: A catalogue's date may be ahead by this much: its author may live east of UTC.
DATE_SKEW = timedelta(days=1)
#: The time of a fetch may be ahead by this much: the run that fetched may have had another clock.
CLOCK_SKEW = timedelta(minutes=5)


def days_old(taken_on: date, now: datetime) -> int | None:
    """Whole days since the date of the prices; None: the date is in the future."""
    age = now.date() - taken_on
    return None if age < -DATE_SKEW else max(age.days, 0)


def fetched_ago(fetched_at: datetime, now: datetime) -> timedelta | None:
    """Time since the prices were fetched; None: the time is in the future."""
    age = now - fetched_at
    return None if age < -CLOCK_SKEW else max(age, timedelta())


def is_young(fetched_at: datetime, now: datetime, refresh: timedelta) -> bool:
    """Whether fetched prices need no new fetch: they are at most `refresh` old."""
    age = fetched_ago(fetched_at, now)
    return age is not None and age <= refresh


def is_stale(catalogue: Catalogue, now: datetime, max_age: timedelta) -> bool:
    """Whether a catalogue's date is more than `max_age` in the past, counted in days, or in the future."""
    days = days_old(catalogue.taken_on, now)
    return days is None or days > max_age.days


def stale_notes(catalogue: Catalogue, now: datetime, max_age: timedelta) -> tuple[str, ...]:
    """A sentence for the plan where the prices are stale."""
    if not is_stale(catalogue, now, max_age):
        return ()
    days = days_old(catalogue.taken_on, now)
    if days is None:
        return (
            f"prices ({catalogue.source}) are dated {catalogue.taken_on.isoformat()}, which is in the future: their age is "
            "unknown and they may be stale; correct `taken_on` in the catalogue",
        )
    return (f"prices are {days} days old ({catalogue.source}); more than {max_age.days} days is stale",)


def kept_note(catalogue: Catalogue, fetched_at: datetime, now: datetime, *, why: str) -> str:
    """A sentence for the plan that uses the prices of an earlier fetch because the source failed."""
    age = fetched_ago(fetched_at, now)
    if age is None:
        said = f"prices were fetched at {fetched_at.isoformat()}, which is in the future: their age is unknown"
    elif age >= timedelta(hours=48):
        said = f"prices are {age / timedelta(days=1):.0f} days old"
    else:
        said = f"prices are {age / timedelta(hours=1):.0f} hours old"
    return f"{said} ({catalogue.source}): {why.rstrip('.')}."


def supplement_notes(table: Catalogue, now: datetime, max_age: timedelta, *, with_rates: bool) -> tuple[str, ...]:
    """A sentence for the plan where the table beside AWS's prices is stale; `with_rates`: it also holds interruption rates."""
    if not is_stale(table, now, max_age):
        return ()
    rates = ", interruption rates" if with_rates else ""
    return (
        f"volume and load balancer prices, boot times{rates} do not come from AWS but from a table of "
        f"{table.taken_on.isoformat()} ({table.source}): `prices.catalogue` can name a newer file",
    )
