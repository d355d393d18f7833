"""The pack's configuration as Pulumi reads it: `{"all": LEVEL, "<policy>": LEVEL | {"enforcementLevel": LEVEL, …}}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from reconciler.errors import UserError
from stacks.yaml_text import NOWHERE, Places

LEVELS = ("advisory", "mandatory", "remediate", "disabled")


class PackConfigError(UserError):
    """The pack's configuration is not valid; the message names the key, whose path in the file is `path`."""

    remedy = "Correct the policy pack's configuration."

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """Levels of the policies that override the default, raw settings by policy, and the places of their keys."""

    levels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    places: Places = NOWHERE


def read_pack_config(raw: Any, names: Iterable[str], places: Places = NOWHERE) -> PackConfig:
    """Check a pack's configuration against the names of its policies; `places` are those of its keys.

    Raises:
        PackConfigError: an unknown policy or level, or a value of the wrong type.
    """
    if not isinstance(raw, Mapping):
        raise PackConfigError("expected an object with policies as keys")
    known = list(names)
    levels: dict[str, str] = {}
    settings: dict[str, Mapping[str, Any]] = {}
    if "all" in raw:
        levels = dict.fromkeys(known, _level("all", raw["all"]))
    for name, value in raw.items():
        if name == "all":
            continue
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            meant = f"; did you mean '{close[0]}'?" if close else ""
            raise PackConfigError(f"unknown policy '{name}'{meant}; the policies are {', '.join(known)}", name)
        if isinstance(value, str):
            levels[name] = _level(name, value)
        elif isinstance(value, Mapping):
            settings[name] = {key: one for key, one in value.items() if key != "enforcementLevel"}
            if "enforcementLevel" in value:
                levels[name] = _level(name, value["enforcementLevel"])
        else:
            raise PackConfigError(f"'{name}': expected a level or an object, found {value!r}", name)
    return PackConfig(levels=levels, settings=settings, places=places)


def _level(name: str, value: Any) -> str:
    if value not in LEVELS:
        raise PackConfigError(f"'{name}': expected one of {', '.join(LEVELS)}, found {value!r}", name)
    return str(value)
