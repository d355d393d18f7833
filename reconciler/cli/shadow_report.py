"""`tiercast shadow-report`: shadow plans compared with what ran, from the ledger only."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters import ledger
from reconciler.cli import options
from reconciler.record.entries import Scored
from reconciler.report.shadow import shadow_report, shadow_tables, verdict
from reconciler.report.text import table


@click.command("shadow-report")
@options.project
@click.option(
    "--since",
    "start",
    type=options.Since(),
    default="30d",
    show_default=True,
    help="Use only windows scored since this time, or since this long ago.",
)
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    default=7.0,
    show_default=True,
    help="Days that the scored windows must cover before promotion is justified.",
)
@options.as_json
def command(stack: str | None, fleet: Path | None, start: datetime, days: float, as_json: bool) -> int:
    """Compare shadow plans with what ran, in cost and late requests, and say whether promotion is justified.

    `tiercast reconcile --mode shadow` scores a plan once the demand of its window is in the history. Reads only the ledger.
    """
    project = options.open_project(stack, fleet)
    found = ledger.read(project.ledger_file, since=start)
    for note in found.notes:
        options.say(note, err=True)
    entries = [entry for entry in found.entries if isinstance(entry, Scored) and entry.at >= start]
    report = shadow_report(entries, least=timedelta(days=days))
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
        return 0
    if entries:
        console = Console()
        for title, head, rows in shadow_tables(report):
            console.print(title)
            console.print(table(list(head), rows))
    options.say(verdict(report))
    return 0
