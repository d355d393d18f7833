"""Derives inputs from outputs: after a refresh so that drift reaches the program's next diff, and on import from
nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.plugins.check import DEFAULTS_KEY
from lab.plugins.resource import ResourceSpec
from lab.plugins.wire import Properties


def inputs_from_outputs(spec: ResourceSpec, old_inputs: Properties, outputs: Properties) -> Properties:
    """Returns the inputs that describe ``outputs``.

    With old inputs (a refresh) only what was an input stays one, with the value found. Without (an import) every
    input property that the service reports and that isn't at its default becomes one.
    """
    if old_inputs:
        return {
            name: value if name == DEFAULTS_KEY else _refreshed(value, outputs.get(name))
            for name, value in old_inputs.items()
        }
    found = {
        name: outputs[name]
        for name in spec.inputs.fields
        if name in outputs and not _empty(outputs[name]) and outputs[name] != spec.defaults.get(name)
    }
    for group in (*spec.conflicts, *spec.exactly_one):
        present = sorted(group & set(found), key=lambda name: (name in spec.computed, name != "name", name))
        for name in present[1:]:
            del found[name]
    found[DEFAULTS_KEY] = []
    return found


def _refreshed(old: Any, now: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(now, Mapping):
        if DEFAULTS_KEY not in old:
            return (
                dict(now)
                if not any(isinstance(value, Mapping | list) for value in now.values())
                else {key: _refreshed(value, now.get(key)) for key, value in old.items()}
            )
        return {key: value if key == DEFAULTS_KEY else _refreshed(value, now.get(key)) for key, value in old.items()}
    if isinstance(old, list) and isinstance(now, list):
        if len(old) == len(now) and all(isinstance(item, Mapping) for item in old):
            return [_refreshed(item, found) for item, found in zip(old, now, strict=True)]
        return (
            old
            if old == now
            or (not any(isinstance(i, Mapping) for i in old) and sorted(map(str, old)) == sorted(map(str, now)))
            else now
        )
    if now is None:
        return old
    return now


def _empty(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_empty(item) for item in value.values())
    return value is None or value == "" or value == [] or value is False
