"""Checks inputs as a bridged provider does: unknown key, missing argument, wrong type, conflicts; then fills
defaults.

Messages follow the Terraform bridge's, so that what a test learns here is what a user of the real plugin reads.
Defaults are recorded in the object's ``__defaults`` list, as the bridge does: a name given by us is kept on later
runs, one that the user took away is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.plugins.resource import ResourceSpec
from lab.plugins.schema import PropertyType
from lab.plugins.wire import UNKNOWN, Properties

DEFAULTS_KEY: Final = "__defaults"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing wrong with the inputs: the property path (``spec.items[0].name``) and the reason in a sentence."""

    property: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What an unnamed resource may be called: the program's name for it, the engine's seed, and its own naming rule
    if any."""

    resource_name: str
    seed: bytes = b""
    proposed: str | None = None
    disabled: bool = False


def check_inputs(
    spec: ResourceSpec, old_inputs: Mapping[str, Any], news: Mapping[str, Any], naming: Naming
) -> tuple[Properties, list[Failure]]:
    """Returns the inputs with coercions and defaults applied, and what is wrong with them (none if they are good)."""
    failures: list[Failure] = []
    news = {key: value for key, value in news.items() if key != DEFAULTS_KEY}
    checked = _check_object(spec.inputs, news, _resource_word(spec), "", failures)
    failures += _exclusions(spec, checked)
    if spec.autoname:
        _autoname(spec, old_inputs, checked, naming, failures)
    _fill_defaults(spec, spec.inputs, checked, "")
    return checked, failures


def check_object(kind: PropertyType, news: Mapping[str, Any], where: str) -> tuple[Properties, list[Failure]]:
    """Checks an object on its own (provider configuration, invoke arguments); ``where`` is named in the reasons."""
    failures: list[Failure] = []
    return _check_object(kind, news, where, "", failures), failures


def without_defaults(value: Any) -> Any:
    """Returns a value without the ``__defaults`` records at any depth."""
    if isinstance(value, Mapping):
        return {key: without_defaults(item) for key, item in value.items() if key != DEFAULTS_KEY}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value


def _resource_word(spec: ResourceSpec) -> str:
    return spec.token.rsplit(":", 1)[-1][:1].lower() + spec.token.rsplit(":", 1)[-1][1:]


def _check_object(
    kind: PropertyType, value: Mapping[str, Any], where: str, path: str, failures: list[Failure]
) -> Properties:
    result: Properties = {}
    for name, item in value.items():
        if name == DEFAULTS_KEY:
            continue
        at = f"{path}.{name}" if path else name
        if name not in kind.fields:
            reason = f"Invalid or unknown key. Examine values at '{where}.{at}'."
            failures.append(Failure(property=at, reason=reason))
        elif item is not None:
            result[name] = _check_value(kind.fields[name], item, where, at, failures)
    for name in sorted(kind.required - set(result)):
        at = f"{path}.{name}" if path else name
        reason = (
            f'Missing required argument. The argument "{name}" is required, but no definition was found.. '
            f"Examine values at '{where}.{at}'."
        )
        failures.append(Failure(property=at, reason=reason))
    return result


def _check_value(kind: PropertyType, value: Any, where: str, at: str, failures: list[Failure]) -> Any:
    if value is UNKNOWN or kind.kind == "any":
        return value
    match kind.kind:
        case "object" if isinstance(value, Mapping):
            return _check_object(kind, value, where, at, failures)
        case "list" if isinstance(value, list) and kind.element:
            element = kind.element
            return [_check_value(element, item, where, f"{at}[{index}]", failures) for index, item in enumerate(value)]
        case "map" if isinstance(value, Mapping) and kind.element:
            element = kind.element
            return {
                key: _check_value(element, item, where, f"{at}.{key}", failures)
                for key, item in value.items()
                if item is not None and key != DEFAULTS_KEY
            }
        case "string" | "integer" | "number" | "boolean":
            coerced = _coerce(kind.kind, value)
            if coerced is not None:
                return coerced
    reason = f"expected {kind.kind} type, got {_kind_of(value)} type. Examine values at '{where}.{at}'."
    failures.append(Failure(property=at, reason=reason))
    return value


def _coerce(kind: str, value: Any) -> Any:
    """Returns the value as the wanted scalar, or None where it is none; strings and scalars convert as upstream
    allows."""
    if isinstance(value, Mapping | list):
        return None
    match kind:
        case "string":
            return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        case "boolean":
            if isinstance(value, bool):
                return value
            return {"true": True, "1": True, "false": False, "0": False}.get(value) if isinstance(value, str) else None
        case _:
            return _number(value, whole=kind == "integer")


def _number(value: Any, *, whole: bool) -> int | float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if number.is_integer():
        return int(number)
    return None if whole else number


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _exclusions(spec: ResourceSpec, inputs: Properties) -> list[Failure]:
    failures = []
    for group in (*spec.conflicts, *spec.exactly_one):
        present = sorted(group & set(inputs))
        if len(present) > 1:
            first, others = present[0], ", ".join(f'"{name}"' for name in present[1:])
            verb = "conflicts with" if group in spec.conflicts else "can't be set together with"
            reason = f'Conflicting configuration arguments. "{first}": {verb} {others}.'
            failures.append(Failure(property=first, reason=reason))
    for group in spec.exactly_one:
        if not group & set(inputs):
            names = ", ".join(f'"{name}"' for name in sorted(group))
            failures.append(
                Failure(property="", reason=f"Missing required argument. One of {names} must be specified.")
            )
    return failures


def _autoname(
    spec: ResourceSpec,
    old_inputs: Mapping[str, Any],
    checked: Properties,
    naming: Naming,
    failures: list[Failure],
) -> None:
    assert spec.autoname is not None
    name = spec.autoname.property
    rivals = {rival for group in spec.conflicts if name in group for rival in group} - {name}
    if name in checked or rivals & set(checked):
        return
    if naming.disabled:
        reason = f'automatic naming is disabled but the required argument "{name}" was not provided'
        failures.append(Failure(property=name, reason=reason))
        return
    if naming.proposed:
        checked[name] = naming.proposed
    elif name in old_inputs and name in old_inputs.get(DEFAULTS_KEY, [name]):
        checked[name] = old_inputs[name]
    else:
        digest = hashlib.sha256(naming.seed + naming.resource_name.encode()).hexdigest()[:7]
        checked[name] = f"{naming.resource_name[: spec.autoname.max_length - 8]}-{digest}"
    checked.setdefault(DEFAULTS_KEY, []).append(name)


def _fill_defaults(spec: ResourceSpec, kind: PropertyType, value: Properties, path: str) -> None:
    record = value.setdefault(DEFAULTS_KEY, [])
    for name, field in kind.fields.items():
        at = f"{path}.{name}" if path else name
        if name not in value:
            rivals = (
                {rival for group in spec.conflicts if name in group for rival in group} - {name} if not path else set()
            )
            if at in spec.defaults and not rivals & set(value):
                value[name] = spec.defaults[at]
                record.append(name)
            continue
        children = value[name] if isinstance(value[name], list) else [value[name]]
        inner = field.element if field.kind == "list" else field
        for child in children:
            if inner is not None and inner.kind == "object" and isinstance(child, dict):
                _fill_defaults(spec, inner, child, at)
    record.sort()
