"""Translates property values to AWS requests and responses to property values, guided by botocore's models on both
ends.

A property and a member belong together when their names agree without case (``instanceType``, ``InstanceType``);
where the provider names a thing differently, the caller states it as path → member. Types convert to what the other
side declares.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.plugins.errors import PluginError
from lab.plugins.schema import PropertyType

if TYPE_CHECKING:
    from botocore.model import Shape

Names = Mapping[str, str | None]
"""Property path → member name, or None for a property that is no part of this request."""


def to_request(shape: Shape, value: Any, names: Names | None = None, path: str = "") -> Any:
    """Returns ``value`` as the request parameter ``shape``. Raises PluginError for a property the API doesn't
    know."""
    names = names or {}
    model: Any = shape  # its members depend on its type
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            return _structure(model, value, names, path)
        case "list" if isinstance(value, Mapping) and _is_tag(model.member):
            return [{"Key": key, "Value": text} for key, text in sorted(value.items())]
        case "list":
            items = value if isinstance(value, list) else [value]
            return [to_request(model.member, item, names, path) for item in items]
        case "map" if isinstance(value, Mapping):
            return {key: to_request(model.value, item, names, path) for key, item in value.items()}
    return _scalar(shape.type_name, value)


def from_response(kind: PropertyType, response: Any, names: Names | None = None, path: str = "") -> Any:
    """Returns a response (member name → value) as a property of type ``kind``; what isn't in the response is left
    out."""
    names = names or {}
    if response is None:
        return None
    match kind.kind:
        case "object":
            response = (response or [{}])[0] if isinstance(response, list) else response
            return _object(kind, response, names, path)
        case "list" if kind.element:
            items = response if isinstance(response, list) else [response]
            return [from_response(kind.element, item, names, path) for item in items]
        case "map":
            return tags_from(response) if isinstance(response, list) else dict(response)
        case "string":
            return _text(response)
        case "boolean":
            return response if isinstance(response, bool) else str(response).lower() == "true"
        case "integer":
            return int(response)
        case "number":
            return int(response) if float(response).is_integer() else float(response)
    return response


def tags_from(pairs: list[Mapping[str, str]]) -> dict[str, str]:
    """Returns AWS's tag list as a map, without the tags AWS keeps for itself (``aws:``)."""
    return {pair["Key"]: pair.get("Value", "") for pair in pairs if not pair["Key"].startswith("aws:")}


def _structure(shape: Any, value: Mapping[str, Any], names: Names, path: str) -> dict[str, Any]:
    members = {name.lower(): name for name in shape.members}
    request: dict[str, Any] = {}
    for key, item in value.items():
        at = f"{path}.{key}" if path else key
        member = names[at] if at in names else members.get(key.lower())
        if at in names and member is None:
            continue
        if member is None or member not in shape.members:
            raise PluginError(f"the AWS model of {shape.name} has no member for the property {at}")
        if item is None or item == "" or (isinstance(item, list) and not item):
            continue
        request[member] = to_request(shape.members[member], item, names, at)
    return request


def _object(kind: PropertyType, response: Mapping[str, Any], names: Names, path: str) -> dict[str, Any]:
    members = {name.lower(): name for name in response}
    result: dict[str, Any] = {}
    for name, field in kind.fields.items():
        at = f"{path}.{name}" if path else name
        member = names[at] if at in names else members.get(name.lower())
        if member is not None and response.get(member) is not None:
            result[name] = from_response(field, response[member], names, at)
    return result


def _is_tag(shape: Any) -> bool:
    return shape.type_name == "structure" and {"Key", "Value"} <= set(shape.members)


def _scalar(type_name: str, value: Any) -> Any:
    try:
        match type_name:
            case "integer" | "long":
                return int(value)
            case "double" | "float":
                return float(value)
            case "boolean":
                return value if isinstance(value, bool) else str(value).lower() == "true"
            case "string":
                return _text(value)
    except (TypeError, ValueError) as error:
        raise PluginError(f"{value!r} can't be sent to AWS as a {type_name}") from error
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
