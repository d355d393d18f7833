"""`tiercast:pins` in the text of a stack file, and what a plan owes to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from reconciler.errors import InputError, PinsChanged
from reconciler.fleet.file import Fleet
from reconciler.plan.file import PlanFile
from reconciler.plan.render import render
from reconciler.sizing.options import capacity_of
from stacks.contract import NOTHING_ADOPTED, Adopted, Ownership, Pins, Tier

KEY = "tiercast:pins"


def pins_in(config: Mapping[str, Any], location: str) -> Pins:
    """What people have set, in the `config` of a stack file; entries that have ended are included.

    Raises:
        InputError: the key does not hold what the contract defines. The message names the part.
    """
    found = config.get(KEY)
    try:
        return Pins.model_validate({} if found is None else found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([KEY, *(str(part) for part in first["loc"])])
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{location}, {where}", f"{said}.", "Correct it, or set it again with `tiercast pin` or `tiercast freeze`."
        ) from None


def with_pins(text: str, pins: Pins, location: str) -> str:
    """The stack file's text with `pins` in place of the old ones. Errors as `render`."""
    values = {} if pins.empty else {KEY: plain(pins)}
    return render(text, values, own=frozenset({KEY}), location=location)


def plain(pins: Pins) -> dict[str, Any]:
    """The value of `tiercast:pins`."""
    return pins.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def check_followed(plan: PlanFile, found: Pins, now: datetime) -> None:
    """Refuse a plan that was made with other pins than the stack file holds. A pin that ended after the plan still counts.

    Raises:
        PinsChanged: a pin or freeze was set, changed or removed after the plan was made.
    """
    planned, active = Pins.model_validate(plan.pins), found.active(now)
    changed = [
        tier.value
        for tier in Tier
        if (active.tiers.get(tier) not in (None, planned.tiers.get(tier)))
        or planned.tiers.get(tier) not in (None, found.tiers.get(tier))
    ]
    if active.freeze not in (None, planned.freeze) or planned.freeze not in (None, found.freeze):
        changed.append("the freeze")
    if changed:
        raise PinsChanged(
            f"Plan {plan.id} was made before the last change of pins ({', '.join(changed)}).",
            remedy="Run `tiercast plan`: the new plan follows them.",
        )


def check_pin(fleet: Fleet, tier: Tier, count: int, location: str, adopted: Adopted = NOTHING_ADOPTED) -> None:
    """Refuse a pin that the fleet can't follow.

    Raises:
        InputError: the tier has nothing to run, somebody else owns its size, it can't run so many instances, or more VMs than
            that were adopted.
    """
    part = fleet.tiers.of(tier)
    place = f"{location}, tiers.{tier.value}"
    if not part.declared:
        there = ", ".join(t.value for t in Tier if t in fleet.declared)
        raise InputError(place, "it has neither hosts nor instance types to run.", f"Pin one of: {there}.")
    if getattr(part, "ownership", Ownership.EXACT) is Ownership.EXTERNAL:
        raise InputError(
            f"{place}.ownership", "`external`: somebody else owns the size.", "Set the size where it is owned."
        )
    kept = sum(name.startswith(f"{tier.value}-") for name in adopted.machines)
    if count < kept:
        raise InputError(
            place, f"{kept} of its VMs were adopted, and no plan removes them.", f"Pin {kept} or more, or release them."
        )
    most = capacity_of(fleet, tier)
    if count > most:
        what, remedy = (
            (f"`max` is {most}", "Raise `max`")
            if part.cloud_types
            else (f"its hosts carry at most {most}", "Add hosts")
        )
        raise InputError(
            f"{place}{'.max' * bool(part.cloud_types)}",
            f"{count} instances are too many: {what}.",
            f"{remedy}, or pin fewer.",
        )
