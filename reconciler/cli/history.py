"""`tiercast history`: decisions and changes, from the ledger only."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from reconciler.adapters import ledger
from reconciler.cli import options
from reconciler.report.answers import changes_of, since
from reconciler.report.history import HEAD, resource_json, resource_rows, row
from reconciler.report.text import table


@click.command("history")
@options.project
@click.option(
    "--resource", metavar="NAME", help="Show only the changes of this resource (name or URN), with their reasons."
)
@click.option(
    "--since",
    "start",
    type=options.Since(),
    help="Show only entries since this time, or since this long ago (2d, 12h).",
)
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Show this many of the newest entries."
)
@options.as_json
def command(
    stack: str | None, fleet: Path | None, resource: str | None, start: datetime | None, limit: int, as_json: bool
) -> int:
    """List decisions, previews and changes, oldest first. Reads only the ledger."""
    project = options.open_project(stack, fleet)
    # The plan behind a resource's change may be older than `start`.
    found = ledger.read(project.ledger_file, since=start if resource is None else None)
    for note in found.notes:
        options.say(note, err=True)
    if resource is not None:
        changes = changes_of(found.entries, resource, location=str(project.ledger_file))
        changes = [change for change in changes if start is None or change.at >= start][-limit:]
        document, rows = [resource_json(change) for change in changes], resource_rows(changes)
    else:
        entries = since(found.entries, start)[-limit:]
        document, rows = [entry.model_dump(mode="json") for entry in entries], [row(entry) for entry in entries]
    if as_json:
        click.echo(json.dumps({"entries": document}, indent=2, sort_keys=True, ensure_ascii=False))
    elif rows:
        Console().print(table(HEAD, rows))
    else:
        click.echo("the ledger has no matching entry")
    return 0
