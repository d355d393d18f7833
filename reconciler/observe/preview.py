"""What a preview found: steps and policy violations; and the resources of a stack's state. Pure data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.contract import canonical

#: Operations that leave a resource as it is.
QUIET = frozenset({"same", "read", "refresh", "discard", "read-discard"})

#: Resource types that stand for nothing in the world: the stack itself, components, providers.
_LOGICAL = ("pulumi:", "tiercast:")


@dataclass(frozen=True, kw_only=True, order=True)
class PreviewStep:
    """One operation of the engine on one resource; `keys` are the inputs that differ, `values` a digest of theirs, old and new."""

    urn: str
    op: str
    type: str
    keys: tuple[str, ...] = ()
    values: str = ""

    @property
    def name(self) -> str:
        """The resource's own name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def changes(self) -> bool:
        """Whether something in the world is created, updated, replaced or deleted."""
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
        """Whether it stops the update."""
        return self.level == "mandatory"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would happen: steps in the engine's order, violations, and other messages of warning or error.

    judged: whether a policy pack ran.
    """

    steps: tuple[PreviewStep, ...]
    violations: tuple[PolicyViolation, ...]
    messages: tuple[str, ...] = ()
    failed: bool = False
    judged: bool = True

    @property
    def changed(self) -> tuple[PreviewStep, ...]:
        """The steps that change something."""
        return tuple(s for s in self.steps if s.changes)

    @property
    def refusals(self) -> tuple[PolicyViolation, ...]:
        """The mandatory violations."""
        return tuple(v for v in self.violations if v.refuses)


@dataclass(frozen=True, kw_only=True)
class StateResource:
    """One resource of the stack's state; secrets are never shown, only digested."""

    urn: str
    type: str
    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The resource's own name."""
        return self.urn.rsplit("::", 1)[-1]

    def digest(self) -> str:
        """SHA-256 over id, inputs and outputs."""
        return hashlib.sha256(canonical([self.id, self.inputs, self.outputs]).encode()).hexdigest()
