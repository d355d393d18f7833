"""What a run writes: the ledger with the inputs of the decision, the memory, demand, plan and stack file."""

from __future__ import annotations

from typing import Literal

from reconciler.adapters import ledger
from reconciler.adapters.files import read_text, write_json, write_text
from reconciler.adapters.memory import write_memory
from reconciler.adapters.project import Project
from reconciler.adapters.runs import write_run
from reconciler.errors import InputError
from reconciler.plan import noted
from reconciler.plan.carried import with_carried
from reconciler.plan.decide import Decision
from reconciler.plan.file import OWN_KEYS, PlanFile
from reconciler.plan.kept_inputs import inputs_of
from reconciler.plan.render import read_config, render


def note_decision(project: Project, decision: Decision, *, event: Literal["plan", "shadow"], seed: int) -> None:
    """Keep a decision's inputs, and put it into the ledger with its grounds.

    Raises:
        InputError, Unavailable: the ledger cannot be written; nothing was.
    """
    ledger.require_writable(project.ledger_file)
    inputs = write_run(project.runs, inputs_of(decision, seed=seed), now=decision.snapshot.now)
    ledger.append(project.ledger_file, noted.decided(decision, event=event, seed=seed, inputs=inputs))


def remember(project: Project, decision: Decision) -> None:
    """Keep this run's forecasts and scores for the next; a replay of an earlier time leaves them alone."""
    memory = decision.snapshot.memory
    if memory is not None:
        planned = {f"{line.tier}/{kind}": count for line in decision.plan.tiers for kind, count in line.kinds.items()}
        write_memory(project.memory_file, with_carried(memory, decision.problem, planned))


def rendered(project: Project, plan: PlanFile, *, force_replay: bool = False) -> str:
    """The stack file's text with this plan. InputError where a replay would replace a live plan."""
    path = project.stack_file
    before = read_text(path, "a stack file") if path.exists() else ""
    if plan.replay and not force_replay and _is_live(before, str(path)):
        raise InputError(
            str(path),
            "it holds a live plan, and a plan made with --as-of would replace it with sizes of an earlier time.",
            "Leave out --as-of, name another stack, or give --force-replay.",
        )
    return render(before, plan.config, own=OWN_KEYS | set(plan.config), location=str(path))


def write_plan(project: Project, plan: PlanFile, text: str) -> None:
    """Write demand, plan and the stack file's `text`; a file that already holds these bytes is not touched.

    Its caller holds the stack file's lock since it read the file, so that no pin is lost.
    """
    write_json(project.demand_file, plan.config["tiercast:demand"])
    write_json(project.plan_file, plan.model_dump(mode="json"))
    write_text(project.stack_file, text, through_link=True)


def _is_live(text: str, location: str) -> bool:
    """Whether a stack file's text holds a plan that is no replay."""
    found = read_config(text, location).get("tiercast:plan") if text else None
    return isinstance(found, dict) and bool(found.get("id")) and not found.get("replay", False)
