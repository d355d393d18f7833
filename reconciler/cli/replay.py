"""`tiercast replay`: decides a past plan again from its kept inputs only."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.adapters.runs import read_run
from reconciler.cli import options
from reconciler.plan.kept_inputs import precision_of, replayed


@click.command("replay")
@click.argument("plan", metavar="ID")
@options.project
@options.as_json
def command(plan: str, stack: str | None, fleet: Path | None, as_json: bool) -> int:
    """Decide a past plan again from its kept inputs, and compare the bytes of the plan and of the values in the stack
    file. Reads no history, prices, engine or fleet file, and writes nothing.

    Exit code: 0 the bytes are the same, 1 they differ or there is nothing to replay.
    """
    project = options.open_project(stack, fleet)
    inputs, file = read_run(project.runs, plan)
    found = replayed(inputs, location=str(file))
    precision = precision_of(inputs.paths)
    if as_json:
        body = {"plan": found.plan, "same": not found.differs, "differs": list(found.differs), "paths": precision}
        click.echo(json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False))
        return 1 if found.differs else 0
    if precision != "exact":
        click.echo(
            "the sample paths of this run were too large to keep in full: they were rounded to float32", err=True
        )
    for line in found.differs:
        click.echo(line)
    if found.differs:
        click.echo(f"plan {found.plan}: {len(found.differs)} values differ", err=True)
        return 1
    click.echo(f"plan {found.plan}: same bytes")
    return 0
