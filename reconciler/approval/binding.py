"""What an approval is bound to, and in what the present differs from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reconciler.observe.preview import Preview, StateResource
from reconciler.plan.file import Binding

#: Operation → what will have happened to the resource.
_DONE = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


def binding(
    *, config_digest: str, policy_digest: str, preview: Preview, state: Iterable[StateResource], at: datetime
) -> Binding:
    """What an approval is bound to: configuration, policies, step list, and the state of the resources it touches.

    Neither the checkpoint's version nor untouched resources count: an unrelated change does not void an approval.
    `at` is the time of the preview.
    """
    digests = {r.urn: r.digest() for r in state}
    return Binding(
        config=config_digest,
        policies=policy_digest,
        steps=tuple((s.op, s.urn, s.keys) for s in sorted(preview.changed)),
        state={s.urn: digests.get(s.urn, "") for s in preview.changed},
        previewed_at=at,
    )


def differences(approved: Binding, now: Binding) -> list[str]:
    """Sentences that say in what the present differs from what was approved; empty where it does not."""
    found = []
    if approved.config != now.config:
        found.append("the stack configuration was edited after the approval")
    if approved.policies != now.policies:
        found.append("the policy pack or its configuration changed after the approval")
    old, new = {(op, urn) for op, urn, _ in approved.steps}, {(op, urn) for op, urn, _ in now.steps}
    found += [f"{_name(urn)} would now also be {_done(op)}" for op, urn in sorted(new - old)]
    found += [f"{_name(urn)} would no longer be {_done(op)}" for op, urn in sorted(old - new)]
    if not found and approved.steps != now.steps:
        found.append("the same resources would change in other properties")
    found += [
        f"{_name(urn)} itself changed after the approval"
        for urn, digest in sorted(approved.state.items())
        if now.state.get(urn, digest) != digest
    ]
    return found


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _done(op: str) -> str:
    return _DONE.get(op, f"changed by '{op}'")
