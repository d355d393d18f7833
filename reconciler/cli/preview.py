"""`tiercast preview`: the changes, cost and risk of a plan. Changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from reconciler.apply import preview_plan, read_plan
from reconciler.cli import options
from reconciler.report.html import html
from reconciler.report.markdown import markdown
from reconciler.report.text import terminal


@click.command("preview")
@options.project
@click.option(
    "--plan", "plan_path", type=click.Path(path_type=Path, dir_okay=False), help="Plan file. Default: the newest plan."
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "markdown", "html"]),
    default="text",
    show_default=True,
    help="Format of the output.",
)
@options.no_policies
@options.as_json
def command(
    stack: str | None,
    fleet: Path | None,
    plan_path: Path | None,
    shape: str,
    no_policies: bool,
    as_json: bool,
) -> int:
    """Run the engine's preview with the policy pack and show sizes, USD/hour, risk and reasons.

    The preview reads the hypervisors and the cloud, so that it also shows the repair of what was changed outside of tiercast.

    Exit code: 0 nothing to do, 2 changes, 3 refused by policy, 1 error. Copies of the preview in text, Markdown, HTML
    and JSON are written to the folder of the plan.
    """
    project = options.open_project(stack, fleet)
    path = plan_path or project.plan_file
    plan = read_plan(path)
    progress = Console(stderr=True)
    with options.locked(project, "preview"), progress.status("running the engine's preview …"):
        summary = preview_plan(project, plan, path=path, refresh=True, now=options.now(), no_policies=no_policies)
    if as_json:
        click.echo(json.dumps(summary.to_json(), indent=2, sort_keys=True, ensure_ascii=False))
    elif shape == "markdown":
        click.echo(markdown(summary, project=project.name, artefact="preview.html"), nl=False)
    elif shape == "html":
        click.echo(html(summary, project=project.name), nl=False)
    else:
        Console(soft_wrap=False).print(terminal(summary))
    return summary.exit_code
