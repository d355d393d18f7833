"""The gate for CI: whether a replay is worse than a stored one by more than the stored tolerance. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from reconciler.backtest.measures import SUMMARY_VERSION, Measures
from reconciler.errors import InputError


class Tolerance(BaseModel):
    """By how much a figure may worsen, absolute: regret as a share of cost, late requests as a share of all."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    regret: float = Field(0.02, ge=0, allow_inf_nan=False)
    obtained_share: float = Field(0.002, ge=0, allow_inf_nan=False)


class _Class(BaseModel):
    name: str
    obtained_share: FiniteFloat


class Stored(BaseModel):
    """What of a summary file the gate reads."""

    regret: FiniteFloat
    classes: tuple[_Class, ...]
    tolerance: Tolerance = Tolerance()


def parse_stored(raw: Any, location: str) -> Stored:
    """Read a summary that `--json` wrote, lifting version 1. Raises `InputError` where it is none or of a newer version."""
    version = raw.get("version", 1) if isinstance(raw, dict) else SUMMARY_VERSION
    if version not in (1, SUMMARY_VERSION):
        raise InputError(
            location,
            f"a backtest summary of version {version!r}; expected version {SUMMARY_VERSION} or older.",
            "Write one with --json.",
        )
    try:
        return Stored.model_validate(_lifted(raw) if version == 1 else raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "top"
        raise InputError(
            location, f"no summary of a fleet's backtest ({where}: {first['msg']}).", "Write one with --json."
        ) from None


def _lifted(raw: Any) -> Any:
    """Version 1 with the keys of version 2: `obtained` is `obtained_share`, in the tolerance `violating_share` is."""

    def renamed(part: Any, old: str) -> Any:
        if not isinstance(part, dict) or old not in part:
            return part
        return {("obtained_share" if key == old else key): value for key, value in part.items()}

    classes = raw.get("classes")
    lifted = {**raw, "classes": [renamed(c, "obtained") for c in classes] if isinstance(classes, list) else classes}
    return {**lifted, "tolerance": renamed(raw["tolerance"], "violating_share")} if "tolerance" in raw else lifted


def worse(now: Measures, stored: Stored) -> str:
    """One sentence on all that got worse beyond the tolerance; empty where nothing did."""
    parts = []
    if now.regret > stored.regret + stored.tolerance.regret:
        parts.append(
            f"regret is {now.regret:.2%}, stored {stored.regret:.2%} (tolerance {stored.tolerance.regret:.2%})"
        )
    before = {c.name: c.obtained_share for c in stored.classes}
    parts += [
        f"class {c.name}: {c.obtained_share:.3%} of its requests are late, stored {before[c.name]:.3%} "
        f"(tolerance {stored.tolerance.obtained_share:.3%})"
        for c in now.classes
        if c.name in before and c.obtained_share > before[c.name] + stored.tolerance.obtained_share
    ]
    return f"worse than the stored result: {'; '.join(parts)}." if parts else ""
