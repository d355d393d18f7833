"""Whether a previewed plan lies within an approved envelope, and what an envelope is bound to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from reconciler.adapters import ledger
from reconciler.adapters.engine import config_digest
from reconciler.adapters.files import read_placed, read_text, write_text
from reconciler.adapters.pack_digest import pack_digest
from reconciler.adapters.project import Project
from reconciler.apply import stack_text
from reconciler.approval.bound_values import bound_values
from reconciler.approval.check import binding_of, require_previewed
from reconciler.approval.envelope import Envelope, bound_text, outside, parse_envelope
from reconciler.errors import StaleApproval
from reconciler.plan.file import Binding, PlanFile
from reconciler.plan.render import read_config
from stacks.contract import Tier

_WHAT = "an envelope (YAML or JSON)"


def read_envelope(path: Path) -> Envelope:
    """The envelope in a file; InputError names file, line and key."""
    raw, places = read_placed(path, _WHAT)
    return parse_envelope(raw, str(path), places)


def bind_envelope(
    project: Project, plan: PlanFile, *, path: Path, now: datetime, no_policies: bool = False
) -> Envelope:
    """Bind an envelope file to the configuration of a previewed plan; returns it as it is now.

    Raises:
        StaleApproval: the plan was never previewed, has expired, or the stack file was changed after the preview.
        InputError: the file is no envelope, or cannot be written.
    """
    envelope = read_envelope(path)
    bound = _bound(project, plan, require_previewed(plan, now=now), envelope.tiers, no_policies=no_policies)
    text = bound_text(read_text(path, _WHAT), bound)
    write_text(path, text, through_link=True)
    return read_envelope(path)


def held_by(
    project: Project, plan: PlanFile, envelope: Envelope | None, *, now: datetime, no_policies: bool = False
) -> list[str]:
    """Sentences that say why a previewed plan may not be applied without a person; empty where it may.

    The envelope's end is judged by `now` and by the newest entry of the ledger: a clock that jumps back revives none.

    Raises:
        StaleApproval: the plan was never previewed, or the stack file was changed after the preview.
    """
    time = max((now, *(entry.at for entry in ledger.read(project.ledger_file, since=now).entries)))
    freed = envelope.tiers if envelope is not None else ()
    bound = _bound(project, plan, binding_of(plan), freed, no_policies=no_policies)
    return outside(plan, envelope, time, bound=bound)


def require_within(
    project: Project, plan: PlanFile, envelope: Envelope, *, now: datetime, no_policies: bool = False
) -> None:
    """Raise StaleApproval where a previewed plan does not lie within an envelope."""
    if held := held_by(project, plan, envelope, now=now, no_policies=no_policies):
        raise StaleApproval(
            f"Plan {plan.id} is not within the envelope of {envelope.approved_by}: {'; '.join(held)}.",
            remedy="Approve the plan itself, or the envelope again.",
        )


def _bound(
    project: Project, plan: PlanFile, approved: Binding, freed: Collection[Tier], *, no_policies: bool
) -> dict[str, str]:
    """What runs besides sizes, as it was previewed."""
    text = stack_text(project, plan)
    if config_digest(text) != approved.config:
        raise StaleApproval(f"{project.stack_file.name} was changed after plan {plan.id} was previewed.")
    engine = project.judging_engine(no_policies=no_policies)
    stack = project.stack.rpartition("/")[2]
    pack = pack_digest(engine.policy_pack, engine.policy_config, project=project.name, stack=stack, named=False)
    grounds = {"the program": approved.program, "the policy pack": pack}
    grounds |= {f"the {name}": value for name, value in approved.place.items()}
    return bound_values(read_config(text, str(project.stack_file)), freed=freed, grounds=grounds)
