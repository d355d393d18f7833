"""`tiercast status`: compares what runs and is ready with what was planned."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters.pins import read_pins
from reconciler.adapters.world.read import read_configured
from reconciler.apply import read_plan
from reconciler.cli import options
from reconciler.observe.drift import Evidence, drift_of, ownership_in
from reconciler.plan.pins import plain
from reconciler.report.status import HEAD, ages, differences, drift_lines, notes, rows, status_json
from reconciler.report.text import plan_tables, table


@click.command("status")
@options.project
@click.option("--offline", is_flag=True, help="Ask no hypervisor and no cloud: show what the state holds.")
@options.as_json
def command(stack: str | None, fleet: Path | None, offline: bool, as_json: bool) -> int:
    """Show the newest plan, and per tier how many instances are declared, recorded in the state, running and ready.

    Running and ready instances are read from the hypervisors and the cloud. --offline shows the state of the last update
    or refresh only. Exit code: 0 as planned, 2 something differs or did not answer.
    """
    project = options.open_project(stack, fleet)
    plan, now = read_plan(project.plan_file), options.now()
    known = project.engine().checkpoint()
    world = read_configured(
        plan.config,
        known.resources,
        project=project.name,
        stack=project.stack_name,
        clock=options.now,
        offline=offline,
    )
    found = differences(plan, world)
    drift = () if offline else drift_of(world, Evidence(state=known.resources, ownership=ownership_in(plan.config)))
    pins = read_pins(project).active(now)
    if as_json:
        shown = {**status_json(plan, world, recorded_at=known.at, offline=offline, drift=drift), "pins": plain(pins)}
        click.echo(json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False))
        return 2 if found else 0
    console = Console()
    console.print(plan_tables(plan))
    console.print(table(HEAD, rows(plan, world)))
    if offline:
        click.echo("offline: these are the figures of the state. Nothing was asked, so what runs now is not known")
    for line in (
        *ages(plan, world, recorded_at=known.at, now=options.now()),
        *found,
        *drift_lines(drift),
        *notes(plan, world),
    ):
        options.say(line)
    for line in pins.describe():
        options.say(line)
    if not found:
        ready = "has" if offline else "runs and is ready with"
        click.echo(f"every tier {ready} the planned count, or a count within the bounds of its scaling policy")
    return 2 if found else 0
