"""`tiercast approve`: signs what was previewed."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from reconciler.apply import read_plan
from reconciler.apply.approve import approve_plan
from reconciler.cli import options
from reconciler.report.text import plan_tables


@click.command("approve")
@options.project
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Plan file that was previewed. Default: the newest plan.",
)
@click.option(
    "--sign",
    "key",
    required=True,
    metavar="KEY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the SSH key to sign with, as in git: a private key, or the public half of a key that the agent holds.",
)
@options.as_json
def command(stack: str | None, fleet: Path | None, plan_path: Path | None, key: Path, as_json: bool) -> int:
    """Approve a previewed plan by signing it. `tiercast up --allowed-signers FILE` shows and checks who did.

    The signature covers the plan and all that it is bound to. It is kept in the plan file. A new preview that finds a
    difference removes it.
    """
    project = options.open_project(stack, fleet)
    path = plan_path or project.plan_file
    with options.locked(project, "approve"):
        plan = read_plan(path)
        made_by = approve_plan(project, plan, path=path, key=key, now=options.now())
    if as_json:
        click.echo(json.dumps({"plan": plan.id, "key": made_by}, indent=2, sort_keys=True))
    else:
        Console().print(plan_tables(plan))
        click.echo(f"plan {plan.id} was approved with key {made_by}")
    return 0
