"""Whether an approved plan may be applied now: pure, with the present passed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from reconciler.approval.binding import Grounds, binding, differences
from reconciler.errors import StaleApproval
from reconciler.observe.preview import Preview, StateResource
from reconciler.plan.file import Binding, PlanFile
from stacks.contract import Ownership, Tier

AGAIN = "Preview and approve again."

#: Clocks of the machine that previewed and of the one that applies may differ by so much.
_SKEW = timedelta(minutes=2)


def bind(
    plan: PlanFile,
    *,
    grounds: Grounds,
    preview: Preview,
    state: Iterable[StateResource],
    at: datetime,
) -> PlanFile:
    """The plan with what its approval will be bound to, as previewed at `at`.

    A signed plan of which nothing differs stays as it is, so that another preview does not void the signature.
    """
    bound = binding(grounds, preview=preview, state=state, at=at, not_before=plan.created_at)
    if plan.signature and plan.binding is not None and not differences(plan.binding, bound):
        return plan
    return plan.model_copy(update={"binding": bound, "signature": ""})


def binding_of(plan: PlanFile) -> Binding:
    """What a plan was bound to; raises StaleApproval where it was never previewed."""
    if plan.binding is None:
        raise StaleApproval(
            f"Plan {plan.id} was never previewed, so it can't be approved.", remedy="Run `tiercast preview`."
        )
    return plan.binding


def require_previewed(plan: PlanFile, *, now: datetime) -> Binding:
    """What a plan was bound to; raises StaleApproval where it was never previewed, or has expired."""
    approved = binding_of(plan)
    if now > plan.valid_until:
        raise StaleApproval(
            f"Plan {plan.id} was valid until {plan.valid_until.isoformat()}; it is {now.isoformat()}.", remedy=AGAIN
        )
    return approved


def check(
    plan: PlanFile,
    *,
    grounds: Grounds,
    preview: Preview,
    state: Sequence[StateResource],
    newest: PlanFile | None,
    now: datetime,
) -> None:
    """Refuse an approval that no longer describes what would run.

    `newest` is the latest plan of the same stack. A newer forecast alone voids nothing: refused is what would lower a tier, or
    a group's minimum, below what the newest plan needs.

    Raises:
        StaleApproval: not previewed, expired, different, or unsafe; the message says which and what to do.
    """
    approved = require_previewed(plan, now=now)
    if approved.not_before is not None and now < approved.not_before - _SKEW:
        raise StaleApproval(
            f"Plan {plan.id} may not be applied before {approved.not_before.isoformat()}; it is {now.isoformat()}. Set the "
            "clock of this machine."
        )
    present = binding(grounds, preview=preview, state=state, at=now, not_before=plan.created_at)
    if found := differences(approved, present):
        raise StaleApproval(f"Plan {plan.id} is not what would run now: {'; '.join(found)}.", remedy=AGAIN)
    if newest is not None and newest.cutoff > plan.cutoff and (short := _short(plan, newest, state)):
        raise StaleApproval(f"Plan {plan.id} is unsafe by the newest forecast: {'; '.join(short)}.", remedy=AGAIN)


def _short(plan: PlanFile, newest: PlanFile, state: Iterable[StateResource]) -> list[str]:
    """Tiers, and minimums of groups, that the plan would lower below what the newest plan wants: old → new, and wanted."""
    wanted = {line.tier: line.after for line in newest.tiers}
    found = [
        f"{line.tier} would shrink {line.before} → {line.after}, plan {newest.id} needs {wanted[line.tier]}"
        for line in plan.tiers
        if line.after < line.before and line.after < wanted.get(line.tier, 0)
    ]
    now = {r.name: r.inputs["minSize"] for r in state if isinstance(r.inputs.get("minSize"), int | float)}
    needed = _minimums(newest)
    return found + [
        f"the minimum of {name} would fall {now[name]:g} → {least}, plan {newest.id} needs {needed[name]}"
        for name, least in _minimums(plan).items()
        if name in now and least < now[name] and least < needed.get(name, 0)
    ]


def _minimums(plan: PlanFile) -> dict[str, int]:
    """Resource name of each group → its minimum. That of an external group is not the plan's."""
    sections = {tier.value: plan.config.get(f"tiercast:{tier.value}", {}) for tier in (Tier.WARM, Tier.COLD)}
    return {
        f"{tier}-{group['name']}": group["size"]["min"]
        for tier, section in sections.items()
        if section.get("ownership") != Ownership.EXTERNAL.value
        for group in section.get("groups", ())
    }
