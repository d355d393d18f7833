"""The types of inputs and outputs of a resource, derived from the installed SDK and kept on disk.

Importing an SDK package takes seconds, and the engine starts a plugin for every command; the derived types of one
class are a few kilobytes that change only with the SDK's version. Which properties replace a resource, or are
computed, is not in the SDK: a ``ResourceSpec`` adds it per type.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from lab.paths import cache_directory

KindName = Literal["string", "integer", "number", "boolean", "list", "map", "object", "any"]

_FORMAT: Final = 1  # raised when what is written below changes


@dataclass(frozen=True, kw_only=True)
class PropertyType:
    """One property's type. ``element`` is set for lists and maps, ``fields`` and ``required`` for objects."""

    kind: KindName
    element: PropertyType | None = None
    fields: Mapping[str, PropertyType] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    name: str = ""
    """The SDK class of an object without its ``Args`` suffix: the name of the type in the package schema."""


@dataclass(frozen=True, kw_only=True)
class Types:
    """A resource class: its inputs as one object, and every output (inputs among them) by name."""

    inputs: PropertyType
    outputs: Mapping[str, PropertyType]


@cache
def types_of(path: str) -> Types:
    """Returns the types of an SDK resource by its import path (``pulumi_aws.ec2.LaunchTemplate``)."""
    package = path.partition(".")[0]
    version = importlib.metadata.version(package.replace("_", "-"))
    file = cache_directory() / "schemas" / f"{package}-{version}-{_FORMAT}" / f"{path}.json"
    try:
        return _from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not derived yet, or not readable: derive it
    from lab.plugins.sdk_types import derive  # what this module is there to avoid

    types = derive(path)
    with contextlib.suppress(OSError):  # a cache that can't be written costs time only
        _write(file, json.dumps(_to_json(types), sort_keys=True))
    return types


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(name).replace(file)


def _to_json(types: Types) -> dict[str, Any]:
    return {"inputs": _encoded(types.inputs), "outputs": {name: _encoded(kind) for name, kind in types.outputs.items()}}


def _from_json(value: Mapping[str, Any]) -> Types:
    return Types(
        inputs=_decoded(value["inputs"]), outputs={name: _decoded(kind) for name, kind in value["outputs"].items()}
    )


def _encoded(kind: PropertyType) -> dict[str, Any]:
    value: dict[str, Any] = {"kind": kind.kind}
    if kind.element:
        value["element"] = _encoded(kind.element)
    if kind.kind == "object":
        value["fields"] = {name: _encoded(one) for name, one in kind.fields.items()}
        value["required"] = sorted(kind.required)
        value["name"] = kind.name
    return value


def _decoded(value: Mapping[str, Any]) -> PropertyType:
    return PropertyType(
        kind=value["kind"],
        element=_decoded(value["element"]) if "element" in value else None,
        fields={name: _decoded(one) for name, one in value.get("fields", {}).items()},
        required=frozenset(value.get("required", ())),
        name=value.get("name", ""),
    )
