"""`tiercast up`: applies exactly what was approved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters.settle.run import settle_stack
from reconciler.apply import apply_plan, read_plan
from reconciler.apply.approve import approval_of
from reconciler.apply.bounds import read_envelope, require_within
from reconciler.cli import options


@dataclass(frozen=True, kw_only=True)
class UpOptions:
    """The command's options."""

    stack: str | None
    fleet: Path | None
    approved: Path | None
    allowed_signers: Path | None
    require_signature: bool
    bounds: Path | None
    yes: bool
    allow_dip: bool
    no_policies: bool
    as_json: bool


@click.command("up")
@options.project
@click.option(
    "--approved",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Plan file that was previewed and approved. Default: the newest plan, after a confirmation.",
)
@click.option(
    "--allowed-signers",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="TIERCAST_ALLOWED_SIGNERS",
    help="File of SSH keys that may approve, as git has it (man ssh-keygen). A signed plan is refused unless one of them "
    "signed it. Default: TIERCAST_ALLOWED_SIGNERS.",
)
@click.option("--require-signature", is_flag=True, help="Refuse an unsigned plan. Needs --allowed-signers.")
@click.option(
    "--bounds",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the approved envelope (tiercast envelope): apply the newest previewed plan if it lies within.",
)
@click.option("--yes", is_flag=True, help="Skip the confirmation when neither --approved nor --bounds is given.")
@options.allow_dip
@options.no_policies
@options.as_json
@options.bundled(UpOptions)
def command(chosen: UpOptions) -> int:
    """Apply the approved plan. Refuses if anything changed since the approval, or if its signature is not valid.

    New capacity is created first. What it replaces goes only when all of it is ready.

    Exit code: 0 applied or nothing to do, 1 refused as stale or failed, 3 refused by policy.
    """
    project = options.open_project(chosen.stack, chosen.fleet)
    plan = read_plan(chosen.approved or project.plan_file)
    approval = approval_of(plan, allowed=chosen.allowed_signers, required=chosen.require_signature)
    envelope = read_envelope(chosen.bounds) if chosen.bounds is not None else None
    if chosen.approved is None and envelope is None and not chosen.yes:
        click.confirm(f"Apply plan {plan.id} ({approval}) to {project.name}/{project.stack}?", abort=True, err=True)
    progress = Console(stderr=True, highlight=False)
    with options.locked(project, "up"):
        settle_stack(project, plan, now=options.now(), progress=lambda line: progress.print(line))
        if envelope is not None:
            approval = f"within the envelope of {envelope.approved_by}, {approval}"
            require_within(project, plan, envelope, now=options.now(), no_policies=chosen.no_policies)
        done = apply_plan(
            project,
            plan,
            now=options.now(),
            progress=lambda line: progress.print(line),
            approval=approval,
            no_policies=chosen.no_policies,
            allow_dip=chosen.allow_dip,
        )
    if chosen.as_json:
        steps = [{"op": s.op, "name": s.name, "type": s.type} for s in done.changed]
        document = {"plan": plan.id, "approval": approval, "steps": steps, "no_policies": not done.judged}
        click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        changed = len(done.changed)
        unjudged = "" if done.judged else " (no policies ran)"
        did = f"plan {plan.id} was applied: {changed} resources changed" if changed else f"plan {plan.id}: no change"
        options.say(f"{did}{unjudged}, {approval}")
    return 0
