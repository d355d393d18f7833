"""The result of a preview (steps and policy violations), and the resources of a stack's state. Pure data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stacks.contract import canonical

#: Operations that leave a resource as it is.
QUIET = frozenset({"same", "read", "refresh", "discard", "read-discard"})

#: Resource types without infrastructure behind them: the stack itself, components, providers.
_LOGICAL = ("pulumi:", "tiercast:")


@dataclass(frozen=True, kw_only=True, order=True)
class PreviewStep:
    """One operation of the engine on one resource.

    Attributes:
        keys: the inputs that differ.
        values: digest of the old and new values of those inputs.
    """

    urn: str
    op: str
    type: str
    keys: tuple[str, ...] = ()
    values: str = ""

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def changes(self) -> bool:
        """Whether the step creates, updates, replaces or deletes infrastructure."""
        return self.op not in QUIET and not self.type.startswith(_LOGICAL)


@dataclass(frozen=True, kw_only=True, order=True)
class PolicyViolation:
    """A policy's refusal or warning."""

    policy: str
    level: str
    message: str
    resource: str = ""

    @property
    def refuses(self) -> bool:
        """Whether the violation stops the update."""
        return self.level == "mandatory"


@dataclass(frozen=True, kw_only=True, order=True)
class RefreshStep:
    """A resource that a refresh found otherwise than the state holds it. Values are not kept, because they may be secret.

    Attributes:
        keys: inputs whose values mean something else now.
        noise: properties that differ in form only, or that nobody declares.
        gone: the resource does not exist.
    """

    urn: str
    type: str
    keys: tuple[str, ...] = ()
    noise: tuple[str, ...] = ()
    gone: bool = False

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an update would do: steps in the engine's order, policy violations, and other warnings and errors.

    judged: whether a policy pack ran. refreshed: what the providers hold otherwise than the state.
    """

    steps: tuple[PreviewStep, ...]
    violations: tuple[PolicyViolation, ...]
    messages: tuple[str, ...] = ()
    failed: bool = False
    judged: bool = True
    refreshed: tuple[RefreshStep, ...] = ()

    @property
    def changed(self) -> tuple[PreviewStep, ...]:
        """The steps that change infrastructure."""
        return tuple(s for s in self.steps if s.changes)

    @property
    def refusals(self) -> tuple[PolicyViolation, ...]:
        """The mandatory violations."""
        return tuple(v for v in self.violations if v.refuses)


@dataclass(frozen=True, kw_only=True)
class StateResource:
    """One resource of the stack's state. Secrets are never shown, only digested."""

    urn: str
    type: str
    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.urn.rsplit("::", 1)[-1]

    def digest(self) -> str:
        """SHA-256 over id, inputs and outputs."""
        return hashlib.sha256(canonical([self.id, self.inputs, self.outputs]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state of a stack. `at`: when an update or refresh last wrote it; None if none did."""

    resources: tuple[StateResource, ...] = ()
    at: datetime | None = None
