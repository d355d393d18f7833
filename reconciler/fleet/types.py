"""Types that all parts of the fleet file share: strict models, durations, bounded numbers."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def read_duration(value: Any) -> timedelta:
    """Read `250ms`, `30s`, `5m`, `1h`, `2d` or `8w`. A number without a unit is refused."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|m|h|d|w)\s*", str(value))
    if match is None:
        raise ValueError(f"expected a duration such as 250ms, 30s, 5m, 1h or 2d, found {value!r}")
    try:
        return timedelta(seconds=float(match.group(1)) * _UNITS[match.group(2)])
    except OverflowError:
        raise ValueError(f"{value} is too long; expected at most some years") from None


def read_share(value: Any) -> Any:
    """Read `1%` as 0.01, exactly; other values are left for the type to judge. Bounds are those of the caller.

    Raises:
        ValueError: a text ends in `%` and is no number before it.
    """
    if not (isinstance(value, str) and value.strip().endswith("%")):
        return value
    try:
        return float(Decimal(value.strip()[:-1].strip()) / 100)
    except ArithmeticError:
        raise ValueError(f"expected a share such as 0.01 or 1%, found {value!r}") from None


def _some_time(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("expected a duration above 0, such as 5m or 1h")
    return value


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"'{name}' is not a time zone; expected an IANA name such as Europe/Berlin or UTC") from None
    return name


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected one line of text without control characters")
    return text


#: A name or path, which messages repeat.
Line = Annotated[str, AfterValidator(_one_line)]
Duration = Annotated[timedelta, BeforeValidator(read_duration)]
PositiveDuration = Annotated[Duration, AfterValidator(_some_time)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Share = Annotated[float, BeforeValidator(read_share), Field(ge=0, le=1)]
#: A share that is neither none nor all.
InnerShare = Annotated[float, BeforeValidator(read_share), Field(gt=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class FleetPart(BaseModel):
    """Base of all parts: frozen, without unknown keys, and without infinity and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def spoken(duration: timedelta) -> str:
    """A duration as text: in minutes below two hours, else in hours."""
    minutes = duration.total_seconds() / 60
    return f"{minutes:.3g} min" if minutes < 120 else f"{minutes / 60:.3g} h"
