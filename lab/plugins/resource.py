"""What a resource type is: a declaration (``ResourceSpec``) and the four calls that touch the world (``Lifecycle``).

A path in a spec is a dotted list of wire names without indices: ``networkInterfaces.mac`` is the ``mac`` of every
interface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from lab.plugins.schema import PropertyType, types_of
from lab.plugins.wire import Properties


@dataclass(frozen=True, kw_only=True)
class AutoName:
    """How the real provider names a resource that the program leaves unnamed: the resource's name, ``-`` and random
    hex."""

    max_length: int = 255
    property: str = "name"


@dataclass(frozen=True, kw_only=True)
class ResourceSpec:
    """One resource type, declaratively. What the SDK knows is read from it; what it doesn't is stated here."""

    token: str
    sdk: str
    """Import path of the SDK's resource class: names and types of inputs and outputs are its, and its ``Args``
    class's."""
    replaces: frozenset[str] = frozenset()
    """Paths whose change replaces the resource (``ForceNew`` upstream)."""
    computed: frozenset[str] = frozenset()
    """Optional inputs that the service fills when the program leaves them out: leaving them out is no change."""
    sets: frozenset[str] = frozenset()
    """Lists whose order means nothing."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Path → default that the real provider fills in before it creates anything."""
    autoname: AutoName | None = None
    conflicts: tuple[frozenset[str], ...] = ()
    """Groups of which at most one may be set."""
    exactly_one: tuple[frozenset[str], ...] = ()
    """Groups of which exactly one must be set."""
    ignore_case: frozenset[str] = frozenset()
    """Paths whose values are compared without case."""
    unknown_after: Callable[[frozenset[str]], frozenset[str]] | None = None
    """Top-level changed properties → outputs that a preview of the update can't know."""

    @cached_property
    def inputs(self) -> PropertyType:
        """The type of the inputs as one object."""
        return types_of(self.sdk).inputs

    @cached_property
    def outputs(self) -> frozenset[str]:
        """Names of the outputs that are no inputs."""
        return frozenset(types_of(self.sdk).outputs) - frozenset(self.inputs.fields)

    def replaces_at(self, path: str) -> bool:
        """Whether a change at ``path`` or within it replaces the resource: the path or one of its parents is in
        ``replaces``."""
        parts = path.split(".")
        return any(".".join(parts[: end + 1]) in self.replaces for end in range(len(parts)))


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an update is asked for: the state before, the inputs wanted, and the top-level properties that differ."""

    state: Properties
    inputs: Properties
    changed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Created:
    """A resource that exists now: its id and all its outputs."""

    id: str
    outputs: Properties


class Lifecycle(Protocol):
    """The calls that touch the world. All raise ``PluginError``; inputs and state hold plain, known values only."""

    @property
    def spec(self) -> ResourceSpec:
        """The declaration of the type."""
        ...

    def create(self, inputs: Properties) -> Created:
        """Creates the resource. Raises ``PartialFailureError`` where it exists but isn't ready."""
        ...

    def read(self, id: str, state: Properties) -> Properties | None:
        """Returns the outputs as they are now, or None where the resource is gone. ``state`` is empty on import."""
        ...

    def update(self, id: str, change: Change) -> Properties:
        """Brings the resource to the wanted inputs and returns its outputs."""
        ...

    def delete(self, id: str, state: Properties) -> None:
        """Removes the resource; one that is gone already is a success."""
        ...
