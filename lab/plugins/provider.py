"""One provider: its configuration type, resource types and functions, and what the engine asks of them, without gRPC.

The servicer decodes, calls these and encodes. Everything here works on plain values, so tests need no server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lab.plugins.check import DEFAULTS_KEY, Failure, Naming, check_inputs, check_object, without_defaults
from lab.plugins.diff import Difference, compare, requires_delete_first
from lab.plugins.errors import PluginError
from lab.plugins.project import inputs_from_outputs
from lab.plugins.resource import Change, Created, Lifecycle, ResourceSpec
from lab.plugins.schema import PropertyType, types_of
from lab.plugins.wire import UNKNOWN, Properties

Function = Callable[[Properties], Properties]
Prepare = Callable[[ResourceSpec, Properties], Properties]


@dataclass(frozen=True, kw_only=True)
class ResourceDiff:
    """What a change of one resource comes to."""

    differences: list[Difference]
    delete_first: bool

    @property
    def replaces(self) -> list[str]:
        """Top-level properties that replace the resource."""
        return sorted({one.property for one in self.differences if one.replaces})


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider after ``configure`` is one of these with ``lifecycles`` bound to the configured endpoints."""

    name: str
    version: str
    sdk: str
    """Import path of the SDK's ``Provider`` class."""
    connect: Callable[[Properties], Mapping[str, Lifecycle]]
    """Configuration → resource types by token. Opens nothing: connections are made when first used."""
    specs: Mapping[str, ResourceSpec]
    functions: Callable[[Properties], Mapping[str, Function]] = field(default=lambda _config: {})
    check: Callable[[Properties], list[Failure]] = field(default=lambda _config: [])
    """Further checks of the configuration, beyond types."""
    prepare: Callable[[Properties], Prepare] = field(default=lambda _config: lambda _spec, news: news)
    """Configuration → what it adds to a resource's inputs before they are checked."""
    replaces: frozenset[str] = frozenset()
    """Configuration whose change replaces the provider, and with it its resources."""


CONFIGURATION: Final = "provider"


def check_configuration(provider: Provider, news: Properties) -> list[Failure]:
    """Returns what is wrong with a provider's configuration."""
    values, failures = decoded_configuration(provider, news)
    checked, more = check_object(types_of(provider.sdk).inputs, values, CONFIGURATION)
    return [*failures, *more, *provider.check(checked)]


def decoded_configuration(provider: Provider, news: Mapping[str, Any]) -> tuple[Properties, list[Failure]]:
    """Returns the configuration with its JSON-encoded values decoded (the SDKs send all but strings that way)."""
    fields = types_of(provider.sdk).inputs.fields
    values: Properties = {}
    failures: list[Failure] = []
    for name, value in news.items():
        if name in ("version", "pluginDownloadURL", DEFAULTS_KEY, "__internal"):
            continue
        values[name] = value
        if isinstance(value, str) and name in fields and fields[name].kind != "string":
            try:
                values[name] = json.loads(value)
            except ValueError:
                reason = f"expected a JSON-encoded {fields[name].kind}, got {value!r}"
                failures.append(Failure(property=name, reason=reason))
                del values[name]
    return values, failures


def checked_configuration(provider: Provider, news: Properties) -> Properties:
    """Returns the configuration in plain types. Raises PluginError where it is wrong."""
    values, failures = decoded_configuration(provider, news)
    checked, more = check_object(types_of(provider.sdk).inputs, values, CONFIGURATION)
    if failures or more:
        reasons = "; ".join(f"{one.property}: {one.reason}" for one in (*failures, *more))
        raise PluginError(f"the configuration of provider {provider.name} is not valid: {reasons}")
    return checked


def check(
    spec: ResourceSpec, old_inputs: Properties, news: Properties, naming: Naming
) -> tuple[Properties, list[Failure]]:
    """Returns checked inputs and failures of one resource."""
    return check_inputs(spec, old_inputs, news, naming)


def plan(spec: ResourceSpec, state: Properties, news: Properties, ignore: list[str]) -> ResourceDiff:
    """Returns what an update to ``news`` would change."""
    differences = compare(spec, state, news, ignore)
    replacing = any(one.replaces for one in differences)
    return ResourceDiff(differences=differences, delete_first=replacing and requires_delete_first(spec, state, news))


def preview_create(spec: ResourceSpec, news: Properties) -> Properties:
    """Returns the outputs that a create would have, with what only the service knows as unknown."""
    outputs: Properties = without_defaults(news)
    outputs |= dict.fromkeys(spec.outputs, UNKNOWN)
    _unknown_computed(spec, spec.inputs, outputs, "")
    return outputs


def preview_update(spec: ResourceSpec, state: Properties, news: Properties, ignore: list[str]) -> Properties:
    """Returns the outputs that an update would have: the state, the wanted inputs, and unknowns where they follow
    from them."""
    changed = frozenset(one.property for one in compare(spec, state, news, ignore))
    outputs = {**state, **{name: value for name, value in without_defaults(news).items() if name in changed}}
    for name in changed:
        if name not in news:
            outputs.pop(name, None)
    if spec.unknown_after:
        outputs |= dict.fromkeys(spec.unknown_after(changed), UNKNOWN)
    return outputs


def create(lifecycle: Lifecycle, news: Properties) -> Created:
    """Creates the resource."""
    return lifecycle.create(without_defaults(news))


def update(lifecycle: Lifecycle, id: str, state: Properties, news: Properties, ignore: list[str]) -> Properties:
    """Updates the resource; what is ignored keeps its state."""
    wanted = without_defaults(news)
    changed = frozenset(one.property for one in compare(lifecycle.spec, state, news, ignore))
    for name in set(wanted) & set(state) - changed:
        wanted[name] = state[name]
    return lifecycle.update(id, Change(state=state, inputs=wanted, changed=changed))


def read(
    lifecycle: Lifecycle, id: str, state: Properties, old_inputs: Properties
) -> tuple[Properties, Properties] | None:
    """Returns (inputs, outputs) as the resource is now, or None where it is gone."""
    outputs = lifecycle.read(id, state)
    if outputs is None:
        return None
    return inputs_from_outputs(lifecycle.spec, old_inputs, outputs), outputs


def _unknown_computed(spec: ResourceSpec, kind: PropertyType, value: Properties, path: str) -> None:
    for name, field_type in kind.fields.items():
        at = f"{path}.{name}" if path else name
        if name not in value and at in spec.computed:
            value[name] = UNKNOWN
        inner = field_type.element if field_type.kind == "list" else field_type
        children = value.get(name) if isinstance(value.get(name), list) else [value.get(name)]
        for child in children or []:
            if inner is not None and inner.kind == "object" and isinstance(child, dict):
                _unknown_computed(spec, inner, child, at)
