"""The pipeline on a page: history → forecast → sizes → guards → stack file → preview → up.

The rule: everything here is a sequence of calls; each decision is pure and elsewhere, each contact with the world is an
adapter.

- `gather`: everything that a run reads before it decides
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
class RunOptions:
    """How one scheduled run is made.

    Attributes:
        mode: shadow: only decide, and note what would be planned; propose: write the stack file and preview it;
            apply-within-bounds: apply what lies in the envelope; apply: apply what no policy refuses.
        envelope: what was approved beforehand.
        as_of, now, seed: as `make_plan`.
        no_policies: run without the policy pack, which ledger and reports then state.
        allow_dip: apply a change that lowers ready capacity too; otherwise such a change is held.
    """

    mode: Mode
    now: datetime
    envelope: Envelope | None = None
    as_of: datetime | None = None
    seed: int = 0
    no_policies: bool = False
    allow_dip: bool = False


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Outcome of a run: its plan and decision, the preview (None in shadow), whether it was applied, and what held it back."""

    plan: PlanFile
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
        As `make_plan`, `preview_plan` and `apply_plan`; where the engine failed and a hypervisor no longer answers,
        Unavailable.
    """
    before("read")
    decision = decide(take_snapshot(project, as_of=options.as_of, now=options.now, seed=options.seed))
    plan = decision.plan
    before("plan")
    if options.mode is Mode.SHADOW:
        note_decision(project, decision, event="shadow", seed=options.seed)
        remember(project, decision)
        return RunResult(plan=plan, decision=decision)
    project.judging_engine(no_policies=options.no_policies)  # without a policy pack nothing is written
    with brief_lock(project.stack_file_lock):
        text = rendered(project, plan)
        note_decision(project, decision, event="plan", seed=options.seed)
        remember(project, decision)
        write_plan(project, plan, text)
    try:
        return _carry_out(project, decision, options, progress=progress, before=before)
    except EngineError as error:
        skipped = decision.snapshot.unreachable.keys()
        if lost := unreachable(decision.snapshot.fleet.tiers.own_hosts).keys() - skipped:
            raise Unavailable(f"{error} Hypervisors no longer answer: {', '.join(sorted(lost))}.") from error
        raise


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
    before("preview")
    summary = preview_plan(project, plan, path=project.plan_file, refresh=True, now=now, no_policies=no_policies)
    done = RunResult(plan=plan, decision=decision, summary=summary)
    if summary.verdict != "changes" or options.mode is Mode.PROPOSE:
        return done
    clock = decision.snapshot.clock
    held = outside(plan, options.envelope, clock.expiry if clock else now) if options.mode is Mode.WITHIN else []
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
        no_policies=no_policies,
        allow_dip=options.allow_dip,
    )
    return replace(done, applied=True)


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
