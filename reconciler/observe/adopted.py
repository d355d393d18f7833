"""What was adopted, as resources of the state, until an update has imported it. Pure.

A plan starts from what the state holds. A group that was adopted a moment ago runs, but no state holds it yet: without this
it would count as absent, and a plan could shrink it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import DOMAIN, GROUP
from stacks.contract import Adopted


def with_adopted(state: Iterable[StateResource], adopted: Adopted) -> tuple[StateResource, ...]:
    """The state's resources, and those adopted ones that it does not hold yet."""
    held = tuple(state)
    names = {(r.type, r.name) for r in held}
    groups = {
        name: _resource(GROUP, name, kept.group, _types(kept.instance_types), {"desiredCapacity": kept.desired})
        for name, kept in adopted.groups.items()
    }
    machines = {
        name: _resource(DOMAIN, name, kept.uuid, {"vcpu": kept.vcpu, "memory": kept.memory_mib}, {})
        for name, kept in adopted.machines.items()
    }
    return (*held, *(r for r in (*groups.values(), *machines.values()) if (r.type, r.name) not in names))


def _resource(kind: str, name: str, id: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> StateResource:
    return StateResource(urn=f"urn:pulumi:::::{kind}::{name}", type=kind, id=id, inputs=inputs, outputs=outputs)


def _types(names: tuple[str, ...]) -> dict[str, Any]:
    overrides = [{"instanceType": name} for name in names]
    return {"mixedInstancesPolicy": {"launchTemplate": {"overrides": overrides}}} if overrides else {}
