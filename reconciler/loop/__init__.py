"""The pipeline on a page: history → forecast → sizes → guards → stack file → preview → up.

The rule: everything here is a sequence of calls; each decision is pure and elsewhere, each contact with the world is an
adapter.

- `gather`: everything that a run reads before it decides
- `look`: what runs, as a run sees it before it decides
- `written`: what a run writes
- `propose`: a plan as a branch or a patch
- `shadow`: scores earlier shadow plans
- `schedule`: when the next run of a service starts
- `service`: repeated runs
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from reconciler.adapters import ledger
from reconciler.adapters.files import os_errors_as_unavailable
from reconciler.adapters.lock import brief_lock
from reconciler.adapters.new_stack import ensure_stack
from reconciler.adapters.project import Project
from reconciler.adapters.settle.run import settle_stack
from reconciler.apply import apply_plan, go_on, preview_plan
from reconciler.apply.bounds import held_by
from reconciler.approval.envelope import Envelope
from reconciler.loop.gather import take_snapshot
from reconciler.loop.propose import ProposalTarget, propose
from reconciler.loop.shadow import score_shadows
from reconciler.loop.written import note_decision, remember, rendered, write_plan
from reconciler.plan import noted
from reconciler.plan.decide import Decision, decide
from reconciler.plan.file import PlanFile
from reconciler.report.summary import Summary


class Mode(StrEnum):
    """How far a scheduled run goes."""

    SHADOW = "shadow"
    PROPOSE = "propose"
    WITHIN = "apply-within-bounds"
    APPLY = "apply"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How one scheduled run is made.

    Attributes:
        mode: shadow: only decide, and note what would be planned; propose: write the stack file and preview it;
            apply-within-bounds: apply what lies in the envelope; apply: apply what no policy refuses.
        envelope: what was approved beforehand.
        as_of, now, seed: as `make_plan`.
        no_policies: run without the policy pack, which ledger and reports then state.
        allow_dip: apply a change that lowers ready capacity too; otherwise such a change is held.
        target: where a proposal goes; None: into the work tree.
    """

    mode: Mode
    now: datetime
    target: ProposalTarget | None = None
    envelope: Envelope | None = None
    as_of: datetime | None = None
    seed: int = 0
    no_policies: bool = False
    allow_dip: bool = False


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Outcome of a run: its plan and decision, the preview (None in shadow and in maintenance), whether it was applied, and
    what held it back. proposed: where the proposal is."""

    plan: PlanFile
    proposed: str = ""
    decision: Decision | None = None
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
    with brief_lock(project.stack_file_lock):
        text = rendered(project, decision.plan, force_replay=force_replay)
        note_decision(project, decision, event="plan", seed=seed)  # before the plan: what can't be noted isn't written
        write_plan(project, decision.plan, text)
    remember(project, decision)
    return decision.plan


def _go_on(_: str) -> None:
    """Nothing stops a run between its steps."""


@os_errors_as_unavailable()
def reconcile_once(
    project: Project,
    options: RunOptions,
    *,
    progress: Callable[[str], None],
    before: Callable[[str], None] = _go_on,
) -> RunResult:
    """One scheduled run: plan, preview, and apply as far as the mode allows. Starts from what is observed.

    Args:
        project: fleet and stack.
        options: how far the run goes, and what it starts from.
        progress: called with one line per resource that changes.
        before: called with the name of each step before it begins (`read`, `plan`, `preview`, `apply`). It ends the run
            there by raising an error.

    Raises:
        As `make_plan`, `preview_plan` and `apply_plan`.
    """
    before("read")
    decision = decide(take_snapshot(project, as_of=options.as_of, now=options.now, seed=options.seed))
    plan = decision.plan
    before("plan")
    if options.mode is Mode.SHADOW:
        note_decision(project, decision, event="shadow", seed=options.seed)
        remember(project, decision)
        score_shadows(project, decision, now=options.now)
        return RunResult(plan=plan, decision=decision)
    if window := decision.snapshot.fleet.guards.in_maintenance(options.now):
        note_decision(project, decision, event="shadow", seed=options.seed)
        remember(project, decision)
        held = (f"maintenance: {window}",)
        ledger.append(project.ledger_file, noted.not_applied(plan, held, at=options.now))
        return RunResult(plan=plan, decision=decision, held=held)
    project.judging_engine(no_policies=options.no_policies)  # without a policy pack nothing is written
    if options.target is not None:
        note_decision(project, decision, event="plan", seed=options.seed)
        remember(project, decision)
        before("preview")
        summary, where = propose(project, plan, options.target, now=options.now, no_policies=options.no_policies)
        return RunResult(plan=plan, decision=decision, summary=summary, proposed=where)
    with brief_lock(project.stack_file_lock):
        text = rendered(project, plan)
        note_decision(project, decision, event="plan", seed=options.seed)
        remember(project, decision)
        write_plan(project, plan, text)
    return _carry_out(project, decision, options, progress=progress, before=before)


def _carry_out(
    project: Project,
    decision: Decision,
    options: RunOptions,
    *,
    progress: Callable[[str], None],
    before: Callable[[str], None],
) -> RunResult:
    """Preview a written plan and apply it as far as the mode allows."""
    plan, now, no_policies = decision.plan, options.now, options.no_policies
    if options.mode in (Mode.WITHIN, Mode.APPLY):
        ensure_stack(project.engine(), project.stack_file)
        settle_stack(project, plan, now=now, progress=progress)
    before("preview")
    summary = preview_plan(project, plan, path=project.plan_file, refresh=True, now=now, no_policies=no_policies)
    done = RunResult(plan=plan, decision=decision, summary=summary)
    if summary.verdict == "no change" and options.mode in (Mode.WITHIN, Mode.APPLY):
        go_on(project, summary.plan, progress=progress)
    if summary.verdict != "changes" or options.mode is Mode.PROPOSE:
        return done
    approval, held = "unsigned", list[str]()
    if options.mode is Mode.WITHIN:
        approval = f"within the envelope of {options.envelope.approved_by}" if options.envelope is not None else ""
        held = held_by(project, summary.plan, options.envelope, now=now, no_policies=no_policies)
    if summary.dips and not options.allow_dip:
        held += [f"{dip}; give --allow-dip to approve it" for dip in summary.dips]
    if held:
        ledger.append(project.ledger_file, noted.not_applied(plan, held, at=now))
        return replace(done, held=tuple(held))
    before("apply")
    # What was previewed is what is applied: the bound plan is not read again.
    apply_plan(
        project,
        summary.plan,
        now=now,
        progress=progress,
        approval=approval,
        no_policies=no_policies,
        allow_dip=options.allow_dip,
    )
    return replace(done, applied=True)
