"""The approved envelope: least and most instances per tier until a time, within which scheduled runs may act. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from reconciler.errors import InputError
from reconciler.plan.file import PlanFile
from stacks.contract import Tier
from stacks.faults import faults, located
from stacks.yaml_text import NOWHERE, Places


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


def parse_envelope(raw: Any, location: str, places: Places = NOWHERE) -> Envelope:
    """Validate an envelope file's value; InputError names file, line and key. `places` are those of its keys."""
    try:
        return Envelope.model_validate(raw)
    except ValidationError as error:
        where, problem = located(faults(error, raw, Envelope), location, places)
        remedy = "Expected approved_by, until (ISO 8601) and tiers: {warm: {min: 1, max: 8}}."
        raise InputError(where, problem, remedy) from None


def outside(plan: PlanFile, envelope: Envelope | None, now: datetime) -> list[str]:
    """Sentences that say why a plan may not be applied without a person; empty where it may."""
    if envelope is None:
        return ["no envelope was approved"]
    if now > envelope.until:
        return [f"the envelope of {envelope.approved_by} ended at {envelope.until.isoformat()}"]
    found = []
    for line in plan.tiers:
        bounds = envelope.tiers.get(Tier(line.tier))
        if bounds is None:
            if line.before != line.after:
                found.append(f"{line.tier} would change and is not in the envelope")
        elif not bounds.min <= line.after <= bounds.max:
            found.append(f"{line.tier} would have {line.after} instances, approved are {bounds.min} to {bounds.max}")
    limit = envelope.usd_per_hour
    if limit is not None and plan.usd_per_hour_after > limit:
        found.append(f"it would cost {plan.usd_per_hour_after:.2f} USD/hour, approved are {limit:.2f}")
    return found
