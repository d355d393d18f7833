"""The pipeline on a page: history → forecast → sizes → guards → stack file → preview → up.

The rule: everything here is a sequence of calls; each decision is pure and elsewhere, each contact with the world is an
adapter.

- `gather`: everything that a run reads before it decides
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from reconciler.adapters import ledger
from reconciler.adapters.files import os_errors_as_unavailable, read_text, write_json, write_text
from reconciler.adapters.hypervisors import unreachable
from reconciler.adapters.lock import brief_lock
from reconciler.adapters.memory import write_memory
from reconciler.adapters.project import Project
from reconciler.adapters.runs import write_run
from reconciler.apply import apply_plan, preview_plan
from reconciler.approval.envelope import Envelope, outside
from reconciler.errors import EngineError, InputError, Unavailable
from reconciler.loop.gather import take_snapshot
from reconciler.plan import noted
from reconciler.plan.carried import with_carried
from reconciler.plan.decide import Decision, decide
from reconciler.plan.file import OWN_KEYS, PlanFile
from reconciler.plan.kept_inputs import inputs_of
from reconciler.plan.render import read_config, render
from reconciler.report.summary import Summary


class Mode(StrEnum):
    """How far a scheduled run goes."""

    SHADOW = "shadow"
    PROPOSE = "propose"
    WITHIN = "apply-within-bounds"
    APPLY = "apply"


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Outcome of a run: its plan, the preview (None in shadow), whether it was applied, and what held it back."""

    plan: PlanFile
    summary: Summary | None = None
    applied: bool = False
    held: tuple[str, ...] = ()


@os_errors_as_unavailable()
def make_plan(
    project: Project, *, as_of: datetime | None, now: datetime, seed: int = 0, force_replay: bool = False
) -> PlanFile:
    """Forecast, size, and write demand, plan and stack file; the stack file last, because it is what others read.

    Args:
        project: fleet and stack.
        as_of: replay: use only history before this time.
        now: the wall clock, from which the plan's expiry counts.
        seed: of the sample paths.
        force_replay: a replay may replace the stack file of a live plan.

    Raises:
        InputError, HistoryError: the fleet file, the history or the stack file are not usable.
        SourceSilent: the history cannot be reached, and no earlier forecast may take its place.
        Unavailable: a hypervisor does not answer and the fleet says to stop then, or a disk or mount does not answer.
    """
    decision = decide(take_snapshot(project, as_of=as_of, now=now, seed=seed))
    write_plan(project, decision.plan, force_replay=force_replay)
    note_decision(project, decision, event="plan", seed=seed)
    remember(project, decision)
    return decision.plan


def note_decision(project: Project, decision: Decision, *, event: Literal["plan", "shadow"], seed: int) -> None:
    """Keep a decision's inputs, and put it into the ledger with its grounds."""
    inputs = write_run(project.runs, inputs_of(decision, seed=seed), now=decision.snapshot.now)
    ledger.append(project.ledger_file, noted.decided(decision, event=event, seed=seed, inputs=inputs))


def remember(project: Project, decision: Decision) -> None:
    """Keep this run's forecasts and scores for the next; a replay of an earlier time leaves them alone."""
    memory = decision.snapshot.memory
    if memory is not None:
        planned = {f"{line.tier}/{kind}": count for line in decision.plan.tiers for kind, count in line.kinds.items()}
        write_memory(project.memory_file, with_carried(memory, decision.problem, planned))


@os_errors_as_unavailable()
def reconcile_once(
    project: Project,
    *,
    mode: Mode,
    envelope: Envelope | None,
    as_of: datetime | None,
    now: datetime,
    seed: int = 0,
    no_policies: bool = False,
    progress: Callable[[str], None],
) -> RunResult:
    """One scheduled run: plan, preview, and apply as far as the mode allows. Starts from what is observed.

    Args:
        mode: shadow: only say and note what would be planned; propose: write the stack file and preview it;
            apply-within-bounds: apply what lies in the envelope; apply: apply what no policy refuses.
        envelope: what was approved beforehand.
        as_of, now, seed: as `make_plan`.
        no_policies: run without the policy pack, which ledger and reports then state.
        progress: called with one line per resource that changes.

    Raises:
        As `make_plan`, `preview_plan` and `apply_plan`; where the engine failed and a hypervisor no longer answers,
        Unavailable.
    """
    decision = decide(take_snapshot(project, as_of=as_of, now=now, seed=seed))
    plan = decision.plan
    remember(project, decision)
    if mode is Mode.SHADOW:
        note_decision(project, decision, event="shadow", seed=seed)
        return RunResult(plan=plan)
    project.judging_engine(no_policies=no_policies)  # without a policy pack nothing is written
    write_plan(project, plan)
    note_decision(project, decision, event="plan", seed=seed)
    try:
        return _carry_out(
            project, decision, mode=mode, envelope=envelope, now=now, no_policies=no_policies, progress=progress
        )
    except EngineError as error:
        skipped = decision.snapshot.unreachable.keys()
        if lost := unreachable(decision.snapshot.fleet.tiers.own_hosts).keys() - skipped:
            raise Unavailable(f"{error} Hypervisors no longer answer: {', '.join(sorted(lost))}.") from error
        raise


def _carry_out(
    project: Project,
    decision: Decision,
    *,
    mode: Mode,
    envelope: Envelope | None,
    now: datetime,
    no_policies: bool,
    progress: Callable[[str], None],
) -> RunResult:
    """Preview a written plan and apply it as far as the mode allows."""
    plan = decision.plan
    summary = preview_plan(project, plan, path=project.plan_file, refresh=True, now=now, no_policies=no_policies)
    if summary.verdict != "changes" or mode is Mode.PROPOSE:
        return RunResult(plan=plan, summary=summary)
    clock = decision.snapshot.clock
    held = outside(plan, envelope, clock.expiry if clock else now) if mode is Mode.WITHIN else []
    if held:
        ledger.append(project.ledger_file, noted.not_applied(plan, held, at=now))
        return RunResult(plan=plan, summary=summary, held=tuple(held))
    # What was previewed is what is applied: the bound plan is not read again.
    apply_plan(project, summary.plan, now=now, progress=progress, no_policies=no_policies)
    return RunResult(plan=plan, summary=summary, applied=True)


def write_plan(project: Project, plan: PlanFile, *, force_replay: bool = False) -> None:
    """Write demand, plan and stack file; a file that already holds these bytes is not touched."""
    path = project.stack_file
    with brief_lock(project.stack_file_lock):
        before = read_text(path, "a stack file") if path.exists() else ""
        if plan.replay and not force_replay and _is_live(before, str(path)):
            raise InputError(
                str(path),
                "it holds a live plan, and a plan made with --as-of would replace it with sizes of an earlier time.",
                "Leave out --as-of, name another stack, or give --force-replay.",
            )
        text = render(before, plan.config, own=OWN_KEYS | set(plan.config), location=str(path))
        write_json(project.demand_file, plan.config["tiercast:demand"])
        write_json(project.plan_file, plan.model_dump(mode="json"))
        write_text(path, text, through_link=True)


def _is_live(text: str, location: str) -> bool:
    """Whether a stack file's text holds a plan that is no replay."""
    found = read_config(text, location).get("tiercast:plan") if text else None
    return isinstance(found, dict) and bool(found.get("id")) and not found.get("replay", False)
