"""The approved envelope: least and most instances per tier until a time, within which scheduled runs may act. Pure.

It frees slots, desired sizes, minimums and maximums of the tiers that it names, within its limits. All else stays bound to the
configuration that it was approved with (`bound_to`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML

from reconciler.approval.bound_values import differing
from reconciler.errors import InputError
from reconciler.plan.file import PlanFile
from stacks.contract import Ownership, Tier
from stacks.faults import faults, located
from stacks.yaml_text import NOWHERE, Places

#: Values that are named. The rest are counted.
_SHOWN = 5


class Bounds(BaseModel):
    """Least and most instances of a tier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int = Field(0, ge=0)
    max: int = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Envelope(BaseModel):
    """What was approved, by whom and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approved_by: str
    until: AwareDatetime
    tiers: dict[Tier, Bounds]
    usd_per_hour: float | None = Field(None, gt=0)
    bound_to: dict[str, str] | None = Field(
        None, description="Key → digest of every value that is not free. `tiercast envelope` writes it."
    )


def parse_envelope(raw: Any, location: str, places: Places = NOWHERE) -> Envelope:
    """Validate an envelope file's value; InputError names file, line and key. `places` are those of its keys."""
    try:
        return Envelope.model_validate(raw)
    except ValidationError as error:
        where, problem = located(faults(error, raw, Envelope), location, places)
        remedy = "Expected approved_by, until (ISO 8601) and tiers: {warm: {min: 1, max: 8}}."
        raise InputError(where, problem, remedy) from None


def bound_text(text: str, bound: Mapping[str, str]) -> str:
    """A valid envelope file's text with what it stays bound to, in place of what it was bound to before. Comments stay."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    data = yaml.load(text)
    data["bound_to"] = dict(bound)
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def outside(plan: PlanFile, envelope: Envelope | None, now: datetime, *, bound: Mapping[str, str]) -> list[str]:
    """Sentences that say why a plan may not be applied without a person; empty where it may.

    `bound`: what runs besides sizes (`bound_values`), with the tiers of this envelope freed.
    """
    if envelope is None:
        return ["no envelope was approved"]
    if now > envelope.until:
        return [f"the envelope of {envelope.approved_by} ended at {envelope.until.isoformat()}"]
    found = [*_unbound(envelope, bound)]
    for line in plan.tiers:
        bounds = envelope.tiers.get(Tier(line.tier))
        if bounds is None:
            if line.before != line.after:
                found.append(f"{line.tier} would change and is not in the envelope")
            continue
        if not bounds.min <= line.after <= bounds.max:
            found.append(f"{line.tier} would have {line.after} instances, approved are {bounds.min} to {bounds.max}")
        found += _groups_outside(plan, line.tier, bounds)
    limit = envelope.usd_per_hour
    if limit is not None and plan.usd_per_hour_after > limit:
        found.append(f"it would cost {plan.usd_per_hour_after:.2f} USD/hour, approved are {limit:.2f}")
    return found


def _unbound(envelope: Envelope, bound: Mapping[str, str]) -> Iterator[str]:
    """In what the configuration differs from the one that the envelope was approved with."""
    if not envelope.bound_to:
        yield "the envelope is not bound to a configuration: preview a plan, then run `tiercast envelope FILE`"
        return
    keys = differing(envelope.bound_to, bound)
    yield from (f"{key} after the envelope was approved" for key in keys[:_SHOWN])
    if len(keys) > _SHOWN:
        yield f"{len(keys) - _SHOWN} more values differ from those that the envelope was approved with"


def _groups_outside(plan: PlanFile, tier: str, bounds: Bounds) -> Iterator[str]:
    """What a scaling policy or a ready pool may do beyond the limits; the size of an external group is not ours."""
    section = plan.config.get(f"tiercast:{tier}", {})
    groups = section.get("groups", ())
    if not groups or section.get("ownership") == Ownership.EXTERNAL.value:
        return
    machines = len((section.get("metal") or {}).get("slots", ()))
    least = machines + sum(group["size"]["min"] for group in groups)
    most = machines + sum(group["size"]["max"] for group in groups)
    prepared = machines + sum(
        (group.get("pool") or {}).get("maxGroupPreparedCapacity", group["size"]["max"]) for group in groups
    )
    if least < bounds.min:
        yield f"{tier} could shrink to {least} instances, approved are {bounds.min} to {bounds.max}"
    if most > bounds.max:
        yield f"{tier} could grow to {most} instances, approved are {bounds.min} to {bounds.max}"
    elif prepared > bounds.max:
        yield f"{tier} could hold {prepared} instances with its ready pools, approved are {bounds.min} to {bounds.max}"
