"""What an approval is bound to, and in what the present differs from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.observe.preview import Preview, StateResource
from reconciler.plan.file import Binding

#: Operation → what will have happened to the resource.
_DONE = {"import": "imported", "create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What is checked besides the steps: digests of the stack file, the policy pack and the program.

    place: stack, backend, account, region, and the versions of engine and plugins. refresh: whether the preview read the
    providers; the update then does so as well. phases, dips: the order in which the change is carried out, and how far it
    lowers ready capacity.
    """

    config: str
    policies: str
    program: str = ""
    place: Mapping[str, str] = field(default_factory=dict)
    refresh: bool = False
    phases: tuple[str, ...] = ()
    dips: tuple[str, ...] = ()


def binding(
    grounds: Grounds, *, preview: Preview, state: Iterable[StateResource], at: datetime, not_before: datetime
) -> Binding:
    """What an approval is bound to: its grounds, the steps with their values, and the state of the resources they touch.

    Neither the checkpoint's version nor untouched resources count: an unrelated change does not void an approval.
    `at` is the time of the preview, `not_before` that of the plan.
    """
    digests = {r.urn: r.digest() for r in state}
    return Binding(
        config=grounds.config,
        policies=grounds.policies,
        program=grounds.program,
        place=dict(grounds.place),
        refresh=grounds.refresh,
        steps=tuple((s.op, s.urn, s.keys) for s in sorted(preview.changed)),
        values={f"{s.op} {s.urn}": s.values for s in preview.changed if s.values},
        state={s.urn: digests.get(s.urn, "") for s in preview.changed},
        phases=grounds.phases,
        dips=grounds.dips,
        previewed_at=at,
        not_before=not_before,
    )


def differences(approved: Binding, now: Binding) -> list[str]:
    """Sentences that say in what the present differs from what was approved; empty where it does not."""
    found = []
    if approved.config != now.config:
        found.append("the stack configuration was edited after the approval")
    if approved.policies != now.policies:
        found.append("the policy pack or its configuration changed after the approval")
    if approved.program != now.program:
        found.append("the program (Pulumi.yaml, stacks/) changed after the approval")
    found += [
        f"the {name} was {approved.place.get(name) or 'unknown'}, and is {now.place.get(name) or 'unknown'}"
        for name in sorted({*approved.place, *now.place})
        if approved.place.get(name) != now.place.get(name)
    ]
    old, new = {(op, urn) for op, urn, _ in approved.steps}, {(op, urn) for op, urn, _ in now.steps}
    found += [f"{_name(urn)} would now also be {_done(op)}" for op, urn in sorted(new - old)]
    found += [f"{_name(urn)} would no longer be {_done(op)}" for op, urn in sorted(old - new)]
    if not found and (approved.phases, approved.dips) != (now.phases, now.dips):
        found.append("the same resources would change in another order, or with another loss of ready capacity")
    if not found and approved.steps != now.steps:
        found.append("the same resources would change in other properties")
    found += [
        f"{_name(step)} would be {_done(step.partition(' ')[0])} with other values"
        for step, digest in sorted(approved.values.items())
        if now.values.get(step, digest) != digest
    ]
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
