"""Pulumi's property values on the wire: protobuf structs to plain Python and back, with unknowns and secrets kept
apart.

Decoding takes secrets off and remembers where they were, so that a handler works on plain values and can't leak by
forgetting to unwrap; encoding puts them back at the same paths. Unknown values become the one object ``UNKNOWN``.
The signatures are Pulumi's (``sdk/go/common/resource/properties.go``), as the SDK publishes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

Properties = dict[str, Any]
Path = tuple[str | int, ...]

_SIGNATURE: Final = rpc._special_sig_key
_SECRET: Final = rpc._special_secret_sig
_OUTPUT: Final = rpc._special_output_value_sig


class _Unknown:
    """The value that is not known before the update has run. There is one instance, ``UNKNOWN``."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __copy__(self) -> _Unknown:
        return self

    def __deepcopy__(self, _memo: Any) -> _Unknown:
        return self


UNKNOWN: Final = _Unknown()


class Decoded:
    """A decoded struct: ``values`` without secrets, ``secrets`` the paths where a secret was."""

    __slots__ = ("secrets", "values")

    def __init__(self, values: Properties, secrets: frozenset[Path]) -> None:
        self.values = values
        self.secrets = secrets


def decode(struct: struct_pb2.Struct) -> Decoded:
    """Returns the plain values of a struct. Whole numbers come as ``int``, nulls in objects are dropped."""
    secrets: set[Path] = set()
    values = {key: _from_value(value, (key,), secrets) for key, value in struct.fields.items() if not _is_null(value)}
    return Decoded(values, frozenset(secrets))


def encode(values: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Returns the struct of plain values, with a secret around every path of ``secrets`` that exists in
    ``values``."""
    wanted = frozenset(secrets)
    struct = struct_pb2.Struct()
    for key in sorted(values):
        if values[key] is not None:
            struct.fields[key].CopyFrom(_to_value(values[key], (key,), wanted))
    return struct


def contains_unknown(value: Any) -> bool:
    """Whether a value or any part of it is unknown."""
    if value is UNKNOWN:
        return True
    if isinstance(value, Mapping):
        return any(contains_unknown(part) for part in value.values())
    if isinstance(value, list):
        return any(contains_unknown(part) for part in value)
    return False


def _is_null(value: struct_pb2.Value) -> bool:
    return value.WhichOneof("kind") in (None, "null_value")


def _from_value(value: struct_pb2.Value, path: Path, secrets: set[Path]) -> Any:
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
        case "list_value":
            return [_from_value(item, (*path, index), secrets) for index, item in enumerate(value.list_value.values)]
        case "struct_value":
            return _from_object(value.struct_value, path, secrets)
        case _:
            return None


def _from_object(struct: struct_pb2.Struct, path: Path, secrets: set[Path]) -> Any:
    signature = struct.fields[_SIGNATURE].string_value if _SIGNATURE in struct.fields else ""
    if signature == _SECRET:
        secrets.add(path)
        return _from_value(struct.fields["value"], path, secrets)
    if signature == _OUTPUT:
        if "secret" in struct.fields and struct.fields["secret"].bool_value:
            secrets.add(path)
        return _from_value(struct.fields["value"], path, secrets) if "value" in struct.fields else UNKNOWN
    return {key: _from_value(item, (*path, key), secrets) for key, item in struct.fields.items() if not _is_null(item)}


def _to_value(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    plain = _to_plain(value, path, secrets)
    if path not in secrets:
        return plain
    wrapped = struct_pb2.Value()
    wrapped.struct_value.fields[_SIGNATURE].string_value = _SECRET
    wrapped.struct_value.fields["value"].CopyFrom(plain)
    return wrapped


def _to_plain(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=rpc.UNKNOWN)
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    result = struct_pb2.Value()
    if isinstance(value, Mapping):
        result.struct_value.SetInParent()
        for key in sorted(value):
            if value[key] is not None:
                result.struct_value.fields[key].CopyFrom(_to_value(value[key], (*path, key), secrets))
        return result
    if isinstance(value, list | tuple):
        result.list_value.SetInParent()
        for index, item in enumerate(value):
            result.list_value.values.append(_to_value(item, (*path, index), secrets))
        return result
    raise TypeError(f"a property value of type {type(value).__name__} can't be sent to the engine")
