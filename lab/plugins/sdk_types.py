"""Reads property names, types and required arguments from the installed SDK's classes.

The SDKs are generated from the providers' schemas, so the ``Args`` classes carry all that a check needs: wire names
(the ``pulumi.getter`` names), types (the getters' annotations) and required arguments (``__init__`` parameters
without default).
"""

from __future__ import annotations

import collections.abc
import enum
import importlib
import inspect
import types
import typing
from functools import cache
from typing import Any

from pulumi._types import (
    input_type_py_to_pulumi_names,
    input_type_types,
    is_input_type,
    is_output_type,
    output_type_types,
    resource_types,
)

from lab.plugins.schema import KindName, PropertyType, Types

_SCALARS: dict[Any, KindName] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def derive(path: str) -> Types:
    """Returns the types of an SDK resource by its import path (``pulumi_aws.ec2.LaunchTemplate``)."""
    module, _, name = path.rpartition(".")
    sdk = importlib.import_module(module)
    resource: type = getattr(sdk, name)
    arguments: type = getattr(sdk, f"{name}Args")
    return Types(inputs=object_type(arguments), outputs=dict(_outputs(resource)))


@cache
def object_type(cls: type) -> PropertyType:
    """Returns the type of an SDK ``Args`` or output class: its wire names, their types and which are required."""
    annotations = input_type_types(cls) if is_input_type(cls) else output_type_types(cls)
    return PropertyType(
        kind="object",
        fields={name: property_type(annotation) for name, annotation in annotations.items()},
        required=_required(cls),
        name=cls.__name__.removesuffix("Args"),
    )


@cache
def _outputs(resource: type) -> typing.Mapping[str, PropertyType]:
    """Returns every output of an SDK resource class by wire name; inputs are among them."""
    return {name: property_type(annotation) for name, annotation in resource_types(resource).items()}


def property_type(annotation: Any) -> PropertyType:
    """Returns the type of an SDK annotation, seen through ``Input``, ``Output``, ``Optional`` and string enums."""
    annotation = _unwrap(annotation)
    if annotation in _SCALARS:
        return PropertyType(kind=_SCALARS[annotation])
    if isinstance(annotation, type):
        if is_input_type(annotation) or is_output_type(annotation):
            return object_type(annotation)
        if issubclass(annotation, enum.Enum):
            return PropertyType(kind="integer" if issubclass(annotation, int) else "string")
        return PropertyType(kind="any")
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, collections.abc.Sequence) and arguments:
        return PropertyType(kind="list", element=property_type(arguments[0]))
    if origin in (dict, collections.abc.Mapping) and len(arguments) == 2:
        return PropertyType(kind="map", element=property_type(arguments[1]))
    return PropertyType(kind="any")


def _unwrap(annotation: Any) -> Any:
    """Takes the first concrete alternative of a union: SDK unions are a type, its awaitable, its output, its enum
    and None."""
    while typing.get_origin(annotation) in (typing.Union, types.UnionType):
        alternatives = [
            part
            for part in typing.get_args(annotation)
            if part is not type(None)
            and typing.get_origin(part) not in (collections.abc.Awaitable, typing.Awaitable)
            and getattr(typing.get_origin(part) or part, "__name__", "") != "Output"
        ]
        annotation = alternatives[0] if alternatives else None
    return annotation


def _required(cls: type) -> frozenset[str]:
    if not is_input_type(cls):
        return frozenset()
    names = input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(cls).parameters
    return frozenset(
        names[name]
        for name, parameter in parameters.items()
        if name in names and parameter.default is inspect.Parameter.empty
    )
