"""`tiercast pin`, `freeze` and `unpin`: sizes that a person sets in the stack file, until a given time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from reconciler.adapters import ledger
from reconciler.adapters.adopted import read_adopted
from reconciler.adapters.pins import change_pins, person
from reconciler.adapters.project import Project
from reconciler.cli import options
from reconciler.errors import UsageError, UserError
from reconciler.observe.redaction import redacted
from reconciler.plan.pins import check_pin
from reconciler.record.entries import SetByHand
from stacks.contract import Hold, Pin, Pins, Tier

_TIERS = [tier.value for tier in Tier]
#: Longest reason, in characters.
_LONGEST = 500

until = click.option(
    "--until", type=options.Until(), required=True, help="When it ends: a time, or a duration from now (2h)."
)
reason = click.option(
    "--reason", required=True, metavar="TEXT", help="Why. It is shown in plans, previews and the ledger."
)


@click.command("pin")
@click.argument("tier", type=click.Choice(_TIERS), metavar="TIER")
@click.argument("count", type=click.IntRange(0), metavar="N")
@until
@reason
@options.project
def pin(tier: str, count: int, until: datetime, reason: str, stack: str | None, fleet: Path | None) -> None:
    """Set the number of instances of a tier by hand until a time.

    The pin is written to Pulumi.<stack>.yaml and acts from the next run on. It outranks the forecast and every guard, but no
    mandatory policy. A later pin of the same tier replaces it.
    """
    project = options.open_project(stack, fleet)
    which = Tier(tier)
    check_pin(project.read_fleet(), which, count, str(project.fleet_path), read_adopted(project))
    now = options.now()
    made = Pin(count=count, until=_ahead(until, now), reason=_given(reason), set_by=person(project), set_at=now)

    def change(found: Pins) -> Pins:
        kept = found.active(now)
        return kept.model_copy(update={"tiers": {**kept.tiers, which: made}})

    entry = SetByHand(at=now, event="pin", what=tier, count=count, until=until, reason=made.reason, by=made.set_by)
    _set(project, change, entry, f"{tier} is pinned at {count} {made.describe()}")


@click.command("freeze")
@until
@reason
@options.project
def freeze(until: datetime, reason: str, stack: str | None, fleet: Path | None) -> None:
    """Keep the running instances of every tier until a time. Tiers with a pin follow their pin.

    The freeze is written to Pulumi.<stack>.yaml and acts from the next run on. It outranks the forecast and every guard, but
    no mandatory policy.
    """
    project = options.open_project(stack, fleet)
    now = options.now()
    made = Hold(until=_ahead(until, now), reason=_given(reason), set_by=person(project), set_at=now)
    entry = SetByHand(at=now, event="freeze", what="freeze", until=until, reason=made.reason, by=made.set_by)
    _set(
        project,
        lambda found: found.active(now).model_copy(update={"freeze": made}),
        entry,
        f"the sizes are frozen {made.describe()}",
    )


@click.command("unpin")
@click.argument("what", type=click.Choice([*_TIERS, "freeze"]), metavar="TIER|freeze")
@options.project
def unpin(what: str, stack: str | None, fleet: Path | None) -> None:
    """Remove the pin of a tier, or the freeze. The next run decides the sizes again."""
    project = options.open_project(stack, fleet)
    now = options.now()

    def change(found: Pins) -> Pins:
        if what not in [*found.tiers, *(["freeze"] if found.freeze is not None else [])]:
            there = "; ".join(found.describe()) or "nothing is pinned or frozen"
            missing = "there is no freeze" if what == "freeze" else f"{what} is not pinned"
            raise UserError(f"{missing} in {project.stack_file.name} ({there}).", remedy="Name what it holds.")
        kept = found.active(now)
        if what == "freeze":
            return kept.model_copy(update={"freeze": None})
        return kept.model_copy(update={"tiers": {tier: pin for tier, pin in kept.tiers.items() if tier != what}})

    entry = SetByHand(at=now, event="unpin", what=what, by=person(project))
    _set(project, change, entry, "the freeze is removed" if what == "freeze" else f"{what} is no longer pinned")


def _set(project: Project, change: Callable[[Pins], Pins], entry: SetByHand, said: str) -> None:
    """Write the stack file, then the ledger. A ledger that can't be written does not stop an emergency."""
    change_pins(project, change)
    try:
        ledger.append(project.ledger_file, entry)
    except UserError as error:
        options.say(f"warning: {project.stack_file.name} is written, but not the ledger: {error}", err=True)
    options.say(f"{said}; the next run follows it (now: `tiercast plan`)")


def _ahead(until: datetime, now: datetime) -> datetime:
    if until <= now:
        raise UsageError(
            f"--until {until.isoformat()} has passed; it is {now.isoformat()}.",
            remedy="Name a later time, or a duration such as 2h.",
        )
    return until


def _given(reason: str) -> str:
    """The reason in one line. Raises UsageError where there is none, or where it must not be shown."""
    text = " ".join(reason.split())
    if not text:
        raise UsageError("--reason is empty.", remedy="Say why in a few words.")
    if len(text) > _LONGEST:
        raise UsageError(f"--reason has {len(text)} characters, at most {_LONGEST} are kept.", remedy="Shorten it.")
    if redacted(text) != text:
        raise UsageError(
            "--reason seems to hold a password or token, and everybody can read it later.", remedy="Leave it out."
        )
    return text
