"""`tiercast status`: compares what runs with what was planned."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters.pins import read_pins
from reconciler.apply import read_plan
from reconciler.cli import options
from reconciler.observe.stack_state import observe
from reconciler.plan.pins import plain
from reconciler.report.status import drift, notes, status_json
from reconciler.report.text import plan_tables


@click.command("status")
@options.project
@options.as_json
def command(stack: str | None, fleet: Path | None, as_json: bool) -> int:
    """Show the newest plan and the running instances, as the engine's state records them.

    Exit code: 0 as planned, 2 something differs.
    """
    project = options.open_project(stack, fleet)
    plan = read_plan(project.plan_file)
    seen = observe(project.engine().state(), project.read_fleet().metal_flavours)
    found = drift(plan, seen)
    pins = read_pins(project).active(options.now())
    pinned = pins.describe()
    if as_json:
        click.echo(
            json.dumps({**status_json(plan, seen), "pins": plain(pins)}, indent=2, sort_keys=True, ensure_ascii=False)
        )
    else:
        Console().print(plan_tables(plan))
        for line in (*found, *notes(plan, seen), *pinned):
            options.say(line)
        if not found:
            click.echo("every tier runs the planned count, or a count within the bounds of its scaling policy")
    return 2 if found else 0
