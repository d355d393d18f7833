"""Preview a plan and apply it: the second half of the pipeline, without the forecaster's imports.

The stack file is what the engine reads; the plan is what explains it. Both must be of the same plan.

- `approve`: sign a plan, and check who signed one
- `bounds`: whether a plan lies within an approved envelope
- `phases`: carries out an approved change phase by phase
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.adapters import ledger
from reconciler.adapters.engine import Engine, config_digest
from reconciler.adapters.files import read_json, read_text, write_json, write_text
from reconciler.adapters.hypervisors import watch_hosts
from reconciler.adapters.identity import place_of, program_digest
from reconciler.adapters.new_stack import ensure_stack
from reconciler.adapters.private_copy import private_copy
from reconciler.adapters.project import Project
from reconciler.apply.phases import ApprovedChange, Patience, carry_out, finish_rolls
from reconciler.approval.binding import Grounds
from reconciler.approval.check import bind, check
from reconciler.errors import CapacityDip, InputError, PolicyRefused, StaleApproval
from reconciler.observe.exclusions import exclusions
from reconciler.observe.preview import Preview, PreviewStep, StateResource
from reconciler.plan import noted
from reconciler.plan.edited import Edit, as_edited, edits, without_figures
from reconciler.plan.file import OWN_KEYS, PlanFile, parse_plan
from reconciler.plan.phases import ChangeOrder, schedule
from reconciler.plan.pins import check_followed, pins_in
from reconciler.plan.render import read_config, render
from reconciler.report.html import html
from reconciler.report.markdown import markdown
from reconciler.report.summary import Summary
from reconciler.report.text import plain, terminal

_STACK_FILE = "the stack file (`tiercast plan` writes it)"


def read_plan(path: Path) -> PlanFile:
    """The plan in a file; InputError where it is none, or was edited."""
    return parse_plan(read_json(path, "a plan file (`tiercast plan` writes one)"), str(path))


def preview_plan(
    project: Project, plan: PlanFile, *, path: Path, refresh: bool, now: datetime, no_policies: bool = False
) -> Summary:
    """Ask the engine what the stack file would change, keep the reports, and bind the plan to what was seen.

    A stack file that was edited after the plan is shown with figures of its own, and is not bound: it can't be approved.

    `no_policies` previews without the policy pack, which ledger and reports then state.

    Raises:
        InputError: the policy pack or its configuration is missing.
        EngineError, Unavailable: as the engine's preview; nothing was written then.
    """
    text = stack_text(project, plan)
    config = read_config(text, str(project.stack_file))
    check_followed(plan, pins_in(config, str(project.stack_file)), now)
    changed = edits(plan, config)
    if changed:
        plan = _edited(project, plan, config, changed, now)
    engine = project.judging_engine(no_policies=no_policies, watch=watch_hosts(plan.config, plan.skipped))
    ensure_stack(engine, project.stack_file)
    text = stack_text(project, plan)
    with ThreadPoolExecutor(max_workers=1) as pool:
        reading = pool.submit(engine.state)  # a preview writes no state: it can be read meanwhile
        left_out = exclusions(plan.skipped, plan.config, reading.result(), plan.left_alone) if _partial(plan) else ()
        found = engine.preview(refresh=refresh, exclude=left_out)
        state = reading.result()
    approvable = not (found.refusals or changed)
    phases = None if changed else _schedule(plan, state, found)
    if approvable and phases is not None:
        plan = bind(
            plan,
            grounds=_grounds(project, plan, engine, text, refresh=refresh, phases=phases),
            preview=found,
            state=state,
            at=now,
        )
    summary = Summary(plan=plan, preview=found, schedule=phases)
    ledger.append(project.ledger_file, noted.previewed(plan, found, summary.verdict, at=now))
    if approvable:
        write_json(path, plan.model_dump(mode="json"))
    write_text(project.work / "preview.txt", plain(terminal(summary)))
    write_text(project.work / "preview.md", markdown(summary, project=project.name, artefact="preview.html"))
    write_text(project.work / "preview.html", html(summary, project=project.name))
    write_json(project.work / "preview.json", summary.to_json())
    return summary


def _partial(plan: PlanFile) -> bool:
    """Whether the update leaves something out."""
    return bool(plan.skipped or plan.left_alone)


def _edited(
    project: Project, plan: PlanFile, config: Mapping[str, Any], changed: tuple[Edit, ...], now: datetime
) -> PlanFile:
    """The plan with the figures of the edited stack file; a job that has no fleet file shows none."""
    try:
        fleet = project.read_fleet()
        catalogue = project.read_catalogue(fleet, now=now).catalogue
    except InputError as missing:
        return without_figures(plan, changed, str(missing))
    return as_edited(plan, config, changed, fleet, catalogue)


def apply_plan(
    project: Project,
    plan: PlanFile,
    *,
    now: datetime,
    progress: Callable[[str], None],
    approval: str = "unsigned",
    no_policies: bool = False,
    allow_dip: bool = False,
    patience: Patience | None = None,
) -> Preview:
    """Preview again, refuse on any difference from what was approved, then apply phase by phase.

    All of it reads a private copy of the files that decide: an edit made meanwhile changes nothing.

    Args:
        now: the wall clock. progress: called with one line per step.
        approval: who approved the plan, for the ledger.
        no_policies: as `preview_plan`.
        allow_dip: the change may lower ready capacity as the preview says.
        patience: how long a phase waits for the one before it to be ready.

    Returns:
        The steps that were done.

    Raises:
        InputError: the policy pack or its configuration is missing.
        StaleApproval: the plan is not what would run now, or the stack file was edited.
        PolicyRefused: a mandatory policy refuses it now.
        CapacityDip: it lowers ready capacity, and that was not allowed.
        EngineError, Unavailable: the engine failed, or what was made is not ready; what was done stays, nothing that it should
            have replaced is removed, and a later run starts from there.
    """
    with private_copy(project) as copy:
        change = _checked(copy, plan, now=now, no_policies=no_policies)
        found, dips = change.approved, [dip.describe() for dip in change.schedule.dips]
        if not found.changed:
            finish_rolls(change, say=progress, patience=patience or Patience())
            return found
        if dips and not allow_dip:
            raise CapacityDip(f"{'; '.join(dips)}.")
        ledger.append(project.ledger_file, noted.started(plan, found, approval=approval, dips=dips, at=now))
        steps: list[PreviewStep] = []

        def seen(step: PreviewStep) -> None:
            steps.append(step)
            progress(f"{step.op:<8} {step.type.rsplit(':', 1)[-1]} {step.name}")

        try:
            carry_out(change, seen=seen, say=progress, patience=patience or Patience())
        except BaseException as error:
            ledger.append(project.ledger_file, noted.failed(plan, steps, error, at=now))
            raise
        done = replace(found, steps=tuple(steps))
        ledger.append(project.ledger_file, noted.applied(plan, done.changed, at=now))
        return done


def go_on(project: Project, plan: PlanFile, *, progress: Callable[[str], None]) -> None:
    """Finish what a run that was cut short has left where the engine has nothing to do: rolls of groups.

    Raises:
        EngineError, Unavailable: as `apply_plan`.
    """
    nothing = Preview(steps=(), violations=())
    change = ApprovedChange(
        project=project,
        plan=plan,
        engine=project.engine(),
        config=plan.stack_config(),
        text="",
        approved=nothing,
        schedule=ChangeOrder(phases=()),
        left_alone=(),
        refresh=False,
    )
    finish_rolls(change, say=progress, patience=Patience())


def _checked(project: Project, plan: PlanFile, *, now: datetime, no_policies: bool) -> ApprovedChange:
    """The change that was approved, if it is what would run now; `project` is the private copy."""
    text = _approved_text(project, plan)
    config = read_config(text, str(project.stack_file))
    check_followed(plan, pins_in(config, str(project.stack_file)), now)
    if changed := edits(plan, config):
        names = "; ".join(edit.describe() for edit in changed[:3])
        raise StaleApproval(
            f"{project.stack_file.name} was edited by hand after plan {plan.id} ({names}). Revert it, or run `tiercast plan`."
        )
    engine = project.judging_engine(no_policies=no_policies, watch=watch_hosts(plan.config, plan.skipped))
    state = engine.state()
    left_alone = exclusions(plan.skipped, plan.config, state, plan.left_alone)
    refresh = plan.binding is not None and plan.binding.refresh
    found = engine.preview(refresh=refresh, exclude=left_alone)
    if found.refusals:
        raise PolicyRefused([f"{v.policy}: {v.message}" for v in found.refusals])
    newest = project.plan_file
    phases = _schedule(plan, state, found)
    check(
        plan,
        grounds=_grounds(project, plan, engine, text, refresh=refresh, phases=phases),
        preview=found,
        state=state,
        newest=read_plan(newest) if newest.exists() else None,
        now=max((now, *(entry.at for entry in ledger.read(project.ledger_file, since=now).entries))),
    )
    return ApprovedChange(
        project=project,
        plan=plan,
        engine=engine,
        config=plan.stack_config(),
        text=text,
        approved=found,
        schedule=phases,
        left_alone=left_alone,
        refresh=refresh,
    )


def _schedule(plan: PlanFile, state: Sequence[StateResource], found: Preview) -> ChangeOrder:
    return schedule(plan.stack_config(), state, found.changed, boot_seconds=plan.boot_seconds)


def _grounds(
    project: Project, plan: PlanFile, engine: Engine, text: str, *, refresh: bool, phases: ChangeOrder
) -> Grounds:
    return Grounds(
        config=config_digest(text),
        policies=engine.policy_digest(),
        program=program_digest(project),
        place=place_of(project, plan.config),
        refresh=refresh,
        phases=tuple(phase.describe() for phase in phases.phases),
        dips=tuple(dip.describe() for dip in phases.dips),
    )


def _approved_text(project: Project, plan: PlanFile) -> str:
    """The stack file's text as it was approved. Where a private copy's file holds another plan, the approved one replaces it.

    Raises:
        InputError: the file holds another plan, and differs from the approved one in other keys too.
    """
    path = project.stack_file
    text = read_text(path, _STACK_FILE)
    if plan.binding is None or _plan_in(text, str(path)) == plan.id:
        return stack_text(project, plan)
    again = render(text, plan.config, own=OWN_KEYS | set(plan.config), location=str(path))
    if config_digest(again) != plan.binding.config:
        return stack_text(project, plan)
    write_text(path, again)
    return again


def stack_text(project: Project, plan: PlanFile) -> str:
    """The stack file's text.

    Raises:
        InputError: it holds another plan than this one (a run was cut short, or a file of another branch is there).
    """
    path = project.stack_file
    text = read_text(path, _STACK_FILE)
    held = _plan_in(text, str(path))
    if held != plan.id:
        raise InputError(
            str(path), f"it holds plan {held}, not {plan.id}.", "Run `tiercast plan`, or name the plan file."
        )
    return text


def _plan_in(text: str, location: str) -> str | None:
    """The id of the plan that a stack file's text holds."""
    found = read_config(text, location).get("tiercast:plan")
    return found.get("id") if isinstance(found, dict) else None
