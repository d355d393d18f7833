"""`tiercast doctor`: the parts that a run needs, whether they are installed, and how to install them."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from lab import checks, paths


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def doctor(as_json: bool) -> None:
    """List what is missing on this machine and how to install it.

    Exit code: 0 nothing is missing, 1 something is.
    """
    parts = checks.check(paths.repository_root())
    missing = [part for part in parts if not part.found]
    if as_json:
        click.echo(json.dumps({"complete": not missing, "parts": [asdict(part) for part in parts]}, indent=2))
    else:
        width = max(len(part.name) for part in parts)
        for part in parts:
            state = "found  " if part.found else "MISSING"
            click.echo(f"{part.name:<{width}}  {state}  {part.version or '-':<28}  {part.why}".rstrip())
            if not part.found:
                click.echo(f"{'':<{width}}           how to get it: {part.remedy}")
        click.echo(f"\n{len(parts) - len(missing)} of {len(parts)} parts are installed.")
    raise SystemExit(1 if missing else 0)
