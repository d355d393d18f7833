"""Whether two values of a property mean the same: providers read back what they were given in another form. Pure."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def same_value(one: Any, other: Any) -> bool:
    """Whether the values differ in form only.

    The form is: number or boolean as text; null, "" and an empty list or map; the order of a list; upper and lower case of
    MAC addresses and UUIDs; white space and key order of JSON and XML.
    """
    return bool(_plain(one) == _plain(other))


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Properties whose values mean something else, sorted."""
    return tuple(sorted(key for key in {*old, *new} if not same_value(old.get(key), new.get(key))))


def _plain(value: Any) -> Any:
    match value:
        case None | "" | []:
            return None
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{float(value):g}"
        case str():
            return _text(value)
        case Mapping():
            kept = {str(k): _plain(v) for k, v in value.items() if not str(k).startswith("__")}
            return sorted((k, json.dumps(v)) for k, v in kept.items() if v is not None) or None
        case list() | tuple():
            return sorted(json.dumps(_plain(one)) for one in value)
    return str(value)


def _text(value: str) -> Any:
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return f"{float(text):g}"
    if re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        return text.lower()
    if text[:1] in ("{", "["):
        try:
            return _plain(json.loads(text))
        except ValueError:
            return text
    if text.startswith("<"):
        try:
            return ET.canonicalize(text, strip_text=True)
        except ET.ParseError:
            return text
    return text
