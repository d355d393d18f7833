"""`tiercast up`: applies exactly what was approved."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from reconciler.apply import apply_plan, read_plan
from reconciler.cli import options


@click.command("up")
@options.project
@click.option(
    "--approved",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Plan file that was previewed and approved. Default: the newest plan, after a confirmation.",
)
@click.option("--yes", is_flag=True, help="Skip the confirmation when --approved is not given.")
@options.allow_dip
@options.no_policies
@options.as_json
def command(
    stack: str | None,
    fleet: Path | None,
    approved: Path | None,
    yes: bool,
    allow_dip: bool,
    no_policies: bool,
    as_json: bool,
) -> int:
    """Apply the approved plan. Refuses if anything changed since the approval.

    New capacity is created first. What it replaces goes only when all of it is ready.

    Exit code: 0 applied or nothing to do, 1 refused as stale or failed, 3 refused by policy.
    """
    project = options.open_project(stack, fleet)
    path = approved or project.plan_file
    plan = read_plan(path)
    if approved is None and not yes:
        click.confirm(f"Apply plan {plan.id} to {project.name}/{project.stack}?", abort=True, err=True)
    progress = Console(stderr=True, highlight=False)
    with options.locked(project, "up"):
        done = apply_plan(
            project,
            plan,
            now=options.now(),
            progress=lambda line: progress.print(line),
            no_policies=no_policies,
            allow_dip=allow_dip,
        )
    if as_json:
        steps = [{"op": s.op, "name": s.name, "type": s.type} for s in done.changed]
        click.echo(
            json.dumps({"plan": plan.id, "steps": steps, "no_policies": not done.judged}, indent=2, sort_keys=True)
        )
    else:
        changed = len(done.changed)
        unjudged = "" if done.judged else " (no policies ran)"
        did = f"plan {plan.id} was applied: {changed} resources changed" if changed else f"plan {plan.id}: no change"
        click.echo(f"{did}{unjudged}")
    return 0
