"""`tiercast plan`: forecast → sizes → `Pulumi.<stack>.yaml` and a plan file."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from reconciler.cli import options
from reconciler.explain.whatif import parse, what_if
from reconciler.explain.whatif import table as whatif_table
from reconciler.loop import make_plan
from reconciler.loop.gather import take_snapshot
from reconciler.observe.preview import Preview
from reconciler.plan.decide import sized
from reconciler.plan.problem import problem_of
from reconciler.report.summary import Summary, blocked_line
from reconciler.report.text import plan_tables, table


@click.command("plan")
@options.project
@options.as_of
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample paths.")
@click.option(
    "--what-if",
    "scenarios",
    multiple=True,
    metavar="CHANGE",
    help="Write nothing; compare the plan with the plan under CHANGE: demand=1.5, price=1.2, price.spot=2, lost=HOST, "
    "no-spot. Join changes by + to combine them; repeatable.",
)
@click.option(
    "--force-replay", is_flag=True, help="Allow a plan made with --as-of to replace the stack file of a live plan."
)
@options.as_json
def command(
    stack: str | None,
    fleet: Path | None,
    as_of: datetime | None,
    seed: int,
    scenarios: tuple[str, ...],
    force_replay: bool,
    as_json: bool,
) -> int:
    """Forecast demand, size the tiers, and write the stack file (only the keys of tiercast) and a plan file with the reasons."""
    project = options.open_project(stack, fleet)
    progress = Console(stderr=True)
    if scenarios:
        for text in scenarios:
            parse(text)  # report a typo before the slow forecast
        with progress.status("reading history, forecasting, sizing …"):
            snapshot = take_snapshot(project, as_of=as_of, now=options.now(), seed=seed)
            outcomes = what_if(problem_of(snapshot), scenarios, lambda problem, warm: sized(snapshot, problem, warm))
        if as_json:
            body = [{**asdict(o), "counts": dict(o.counts)} for o in outcomes]
            click.echo(json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False))
        else:
            _, heading, rows = whatif_table(outcomes)
            Console().print(table(heading, rows))
        return 0
    with options.locked(project, "plan"), progress.status("reading history, forecasting, sizing …"):
        plan = make_plan(project, as_of=as_of, now=options.now(), seed=seed, force_replay=force_replay)
    if as_json:
        body = Summary(plan=plan, preview=Preview(steps=(), violations=())).to_json()["plan"]
        click.echo(json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        Console().print(plan_tables(plan))
        click.echo(
            f"wrote {project.stack_file.name} and {project.plan_file.relative_to(project.root)}; next: tiercast preview"
        )
        if blocked := blocked_line(plan):
            options.say(blocked)
    return 0
