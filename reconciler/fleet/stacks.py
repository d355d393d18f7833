"""Several stacks in one fleet file: the common parts at the top, and what differs per stack under `stacks`. Pure.

The part of a stack is laid over the top: keys with keys inside are merged, every other value replaces the one at the top,
and `null` removes it. `region` stands for `aws:region` under `config`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.errors import InputError

#: Keys that may differ per stack. Promises and steps are common to all stacks.
DIFFERING = ("region", "config", "history", "calendar", "applications", "tiers", "guards", "prices", "routing", "tags")
#: A stack's name, as Pulumi allows it.
_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,100}")


def of_stack(raw: Mapping[str, Any], stack: str | None, location: str) -> dict[str, Any]:
    """The content of a fleet file for one stack: the same content where it declares no stacks.

    Raises:
        InputError: `stacks` is no mapping of names to keys that may differ, it lacks the stack, no stack was named, or two
            stacks name the same hypervisor.
    """
    if "stacks" not in raw:
        return dict(raw)
    stacks, top = raw["stacks"], {key: value for key, value in raw.items() if key != "stacks"}
    if not isinstance(stacks, Mapping) or not stacks:
        raise InputError(f"{location}, stacks", "expected names of stacks with their keys.", "Name one, or remove it.")
    names = ", ".join(str(name) for name in stacks)
    for name, part in stacks.items():
        _check(str(name), part, f"{location}, stacks.{name}")
    if stack is None:
        raise InputError(f"{location}, stacks", f"the file declares several stacks: {names}.", "Name one with --stack.")
    if stack not in stacks:
        raise InputError(
            f"{location}, stacks", f"there is no stack '{stack}'; it has {names}.", "Name one of them, or add it."
        )
    merged = {str(name): _merged(top, _with_region(part or {})) for name, part in stacks.items()}
    _check_hosts(merged, location)
    return merged[stack]


def path_in(raw: Mapping[str, Any], stack: str | None, path: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where the file spells a key of a stack's content: under `stacks` if the stack's part holds it, otherwise at the top."""
    node: Any = raw.get("stacks")
    for part in (stack, *path):
        held = range(len(node)) if isinstance(node, list) else node
        if not isinstance(held, Mapping | range) or part not in held:
            return path
        node = node[part]
    return ("stacks", str(stack), *path) if path else path


def _check(name: str, part: Any, place: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            place, "it is no name of a stack: expected letters, digits, `-`, `_` and `.`.", "Name it as Pulumi does."
        )
    if part is not None and not isinstance(part, Mapping):
        raise InputError(place, "expected keys such as `region` and `tiers`.", "See docs/stacks.md for an example.")
    if unknown := [str(key) for key in part or () if key not in DIFFERING]:
        raise InputError(
            place,
            f"`{unknown[0]}` can't differ per stack; {', '.join(DIFFERING)} can.",
            "Move it to the top of the file, where all stacks share it.",
        )


def _with_region(part: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(part)
    if "region" in found:
        config = found.get("config") or {}
        found["config"] = {**config, "aws:region": found.pop("region")} if isinstance(config, Mapping) else config
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping):
            found[key] = _merged(old if isinstance(old, Mapping) else {}, value)
        else:
            found[key] = value
    return found


def _check_hosts(merged: Mapping[str, Mapping[str, Any]], location: str) -> None:
    """VMs are named by tier, host and number: two stacks on one host would take each other's names and capacity."""
    owner: dict[str, str] = {}
    for stack, fleet in merged.items():
        for uri in sorted(_uris(fleet)):
            if uri in owner:
                raise InputError(
                    f"{location}, stacks.{stack}.tiers",
                    f"it has the same hypervisor as stack '{owner[uri]}'; a host belongs to one stack.",
                    "Declare hypervisors under the stack that owns them.",
                )
            owner[uri] = stack


def _uris(fleet: Mapping[str, Any]) -> set[str]:
    tiers = fleet.get("tiers")
    found = set()
    for tier, key in (("hot", "hypervisors"), ("cold", "hosts")):
        part = tiers.get(tier) if isinstance(tiers, Mapping) else None
        hosts = part.get(key) if isinstance(part, Mapping) else None
        for host in hosts if isinstance(hosts, list) else []:
            if isinstance(host, Mapping) and "uri" in host:
                found.add(str(host["uri"]))
    return found
