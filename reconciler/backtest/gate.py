"""The gate for CI: whether a replay is worse than a stored one by more than the stored tolerance. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from reconciler.backtest.measures import Measures
from reconciler.errors import InputError


class Tolerance(BaseModel):
    """By how much a figure may worsen, absolute: regret as a share of cost, violations as a share of requests."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    regret: float = Field(0.02, ge=0, allow_inf_nan=False)
    violating_share: float = Field(0.002, ge=0, allow_inf_nan=False)


class _Class(BaseModel):
    name: str
    obtained: FiniteFloat


class Stored(BaseModel):
    """What of a summary file the gate reads."""

    regret: FiniteFloat
    classes: tuple[_Class, ...]
    tolerance: Tolerance = Tolerance()


def parse_stored(raw: Any, location: str) -> Stored:
    """Read a summary that `--json` wrote. Raises `InputError` where it is none."""
    try:
        return Stored.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "top"
        raise InputError(
            location, f"no summary of a fleet's backtest ({where}: {first['msg']}).", "Write one with --json."
        ) from None


def worse(now: Measures, stored: Stored) -> str:
    """One sentence on all that got worse beyond the tolerance; empty where nothing did."""
    parts = []
    if now.regret > stored.regret + stored.tolerance.regret:
        parts.append(
            f"regret is {now.regret:.2%}, stored {stored.regret:.2%} (tolerance {stored.tolerance.regret:.2%})"
        )
    before = {c.name: c.obtained for c in stored.classes}
    parts += [
        f"class {c.name} violates {c.obtained:.3%} of its requests, stored {before[c.name]:.3%} "
        f"(tolerance {stored.tolerance.violating_share:.3%})"
        for c in now.classes
        if c.name in before and c.obtained > before[c.name] + stored.tolerance.violating_share
    ]
    return f"worse than the stored result: {'; '.join(parts)}." if parts else ""
