"""What a preview found: steps, policy violations and the fingerprint that an approval is bound to. Pure data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.contract import canonical

#: Operations that leave a resource as it is.
QUIET = frozenset({"same", "read", "refresh", "discard", "read-discard"})

#: Resource types that stand for nothing in the world: the stack itself, components, providers.
_LOGICAL = ("pulumi:", "tiercast:")


@dataclass(frozen=True, kw_only=True, order=True)
class PreviewStep:
    """One operation of the engine on one resource; `keys` are the inputs that differ."""

    urn: str
    op: str
    type: str
    keys: tuple[str, ...] = ()

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
    """What would happen: steps in the engine's order, violations, and other messages of warning or error."""

    steps: tuple[PreviewStep, ...]
    violations: tuple[PolicyViolation, ...]
    messages: tuple[str, ...] = ()
    failed: bool = False

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


def binding(
    *, config_digest: str, policy_digest: str, preview: Preview, state: Iterable[StateResource]
) -> dict[str, Any]:
    """What an approval is bound to: configuration, policies, step list, and the state of the resources it touches.

    Neither the checkpoint's version nor untouched resources count: an unrelated change does not void an approval.
    """
    digests = {r.urn: r.digest() for r in state}
    touched = {s.urn: digests.get(s.urn, "") for s in preview.changed}
    return {
        "config": config_digest,
        "policies": policy_digest,
        "steps": [[s.op, s.urn, list(s.keys)] for s in sorted(preview.changed)],
        "state": touched,
    }


def differences(approved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Sentences that say in what the present differs from what was approved; empty where it does not."""
    found = []
    if approved["config"] != now["config"]:
        found.append("the stack configuration was edited after the approval")
    if approved["policies"] != now["policies"]:
        found.append("the policy pack or its configuration changed after the approval")
    old = {tuple(s[:2]) for s in approved["steps"]}
    new = {tuple(s[:2]) for s in now["steps"]}
    for op, urn in sorted(new - old):
        found.append(f"{urn.rsplit('::', 1)[-1]} would now also be hit by '{op}'")
    for op, urn in sorted(old - new):
        found.append(f"'{op}' of {urn.rsplit('::', 1)[-1]} is no longer what would happen")
    if not found and approved["steps"] != now["steps"]:
        found.append("the same resources would change in other properties")
    for urn, digest in sorted(approved["state"].items()):
        if now["state"].get(urn, digest) != digest:
            found.append(f"{urn.rsplit('::', 1)[-1]} itself changed after the approval")
    return found
