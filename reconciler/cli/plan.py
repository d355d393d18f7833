"""`tiercast plan`: forecast → sizes → `Pulumi.<stack>.yaml` and a plan file."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from reconciler.change import Preview
from reconciler.cli import options
from reconciler.loop import make_plan
from reconciler.report.summary import Summary
from reconciler.report.text import plan_tables


@click.command("plan")
@options.project
@options.as_of
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample paths.")
@options.as_json
def command(stack: str | None, fleet: Path | None, as_of: datetime | None, seed: int, as_json: bool) -> int:
    """Forecast demand, size the tiers, and write the stack file (only its own keys) and a plan file that says why."""
    project = options.open_project(stack, fleet)
    progress = Console(stderr=True)
    with progress.status("reading history, forecasting, sizing …"):
        plan = make_plan(project, as_of=as_of, now=options.now(), seed=seed)
    if as_json:
        body = Summary(plan=plan, preview=Preview(steps=(), violations=())).to_json()["plan"]
        click.echo(json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        Console().print(plan_tables(plan))
        click.echo(
            f"wrote {project.stack_file.name} and {project.plan_file.relative_to(project.root)}; next: tiercast preview"
        )
    return 0
