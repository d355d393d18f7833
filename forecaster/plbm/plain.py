"""Dataclasses to JSON-ready values and back, by their type hints: no pickle, no code in saved files.

The rule: what can't be read back exactly is refused when it is written. Known are dataclasses, datetime (UTC), timedelta,
numbers (also infinite ones), text, bool, None, tuples, mappings and one-dimensional float arrays.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np


def to_plain(value: Any) -> Any:
    """`value` as what `json.dumps` takes; raises `TypeError` for what can't be read back."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return [value.days, value.seconds, value.microseconds]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return [[to_plain(key), to_plain(item)] for key, item in sorted(value.items())]
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return [to_plain(float(item)) for item in value]
    raise TypeError(f"{type(value).__name__} can't be kept")


def from_plain(kind: Any, value: Any) -> Any:
    """The value of type `kind` that `to_plain` wrote; raises `ValueError`, `KeyError` or `TypeError` where it is none."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return from_plain(next(a for a in arguments if a is not type(None)), value)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, value)
    if kind is float:
        return float(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is timedelta:
        return timedelta(*value)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(from_plain(arguments[0], item) for item in value)
        return tuple(from_plain(a, item) for a, item in zip(arguments, value, strict=True))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {from_plain(arguments[0], key): from_plain(arguments[1], item) for key, item in value}
    if origin is np.ndarray or kind is np.ndarray:
        return np.array([float(item) for item in value])
    if kind in (int, str, bool):
        if not isinstance(value, kind):
            raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
        return value
    raise TypeError(f"{kind} can't be read back")


def _dataclass(kind: type, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"expected the fields of {kind.__name__}")
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}
    if set(value) != known:
        raise KeyError(f"{kind.__name__} has other fields: {', '.join(sorted(known ^ set(value)))}")
    return kind(**{name: from_plain(hints[name], item) for name, item in value.items()})
