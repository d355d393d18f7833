"""The package schema (JSON) of the types a plugin serves, derived from the SDK; ``pulumi import`` generates code
from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab.plugins.schema import PropertyType, types_of

if TYPE_CHECKING:
    from lab.plugins.provider import Provider


def package_schema(provider: Provider) -> str:
    """Returns the schema of the provider's resource types as JSON text, same bytes every time."""
    types: dict[str, Any] = {}
    resources = {}
    for token, spec in sorted(provider.specs.items()):
        module = token.split(":")[1]
        resources[token] = {
            "inputProperties": _properties(provider.name, module, spec.inputs, types),
            "requiredInputs": sorted(spec.inputs.required),
            "properties": {
                name: _type(provider.name, module, kind, types)
                for name, kind in sorted(types_of(spec.sdk).outputs.items())
            },
        }
    configuration = types_of(provider.sdk).inputs
    schema = {
        "name": provider.name,
        "version": provider.version,
        "meta": {"moduleFormat": "(.*)(?:/[^/]*)"},
        "config": {},
        "types": types,
        "provider": {"inputProperties": _properties(provider.name, "index", configuration, types)},
        "resources": resources,
        "language": {"python": {"readme": ""}},
    }
    return json.dumps(schema, sort_keys=True)


def _properties(package: str, module: str, kind: PropertyType, types: dict[str, Any]) -> dict[str, Any]:
    return {name: _type(package, module, field, types) for name, field in sorted(kind.fields.items())}


def _type(package: str, module: str, kind: PropertyType, types: dict[str, Any]) -> dict[str, Any]:
    match kind.kind:
        case "list" if kind.element:
            return {"type": "array", "items": _type(package, module, kind.element, types)}
        case "map" if kind.element:
            return {"type": "object", "additionalProperties": _type(package, module, kind.element, types)}
        case "object":
            file = kind.name[:1].lower() + kind.name[1:]
            token = f"{package}:{module.split('/')[0]}/{file}:{kind.name}"
            if token not in types:
                types[token] = {}
                types[token] = {
                    "type": "object",
                    "properties": _properties(package, module, kind, types),
                    "required": sorted(kind.required),
                }
            return {"$ref": f"#/types/{token}"}
        case "any":
            return {"$ref": "pulumi.json#/Any"}
        case _:
            return {"type": kind.kind}
