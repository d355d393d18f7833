"""`tiercast init`: the files of a new project."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import click

from reconciler.adapters.files import write_text
from reconciler.cli import options


@click.command("init")
@click.option("--force", is_flag=True, help="Overwrite an existing fleet.yaml.")
@options.as_json
def command(force: bool, as_json: bool) -> int:
    """Write a commented fleet.yaml into this folder. An existing file is kept unless --force is given."""
    path = Path.cwd() / "fleet.yaml"
    kept = path.exists() and not force
    if not kept:
        write_text(
            path, files("reconciler").joinpath("templates/fleet.yaml").read_text(encoding="utf-8"), through_link=True
        )
    if as_json:
        click.echo(json.dumps({"written": [] if kept else ["fleet.yaml"], "kept": ["fleet.yaml"] if kept else []}))
    elif kept:
        click.echo("fleet.yaml exists and was kept; --force overwrites it")
    else:
        click.echo(
            "wrote fleet.yaml; next: edit history, qos, applications and tiers, then run `tiercast plan --stack NAME`"
        )
    return 0
