"""`tiercast envelope`: binds an envelope to the configuration that it is approved with."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.apply import read_plan
from reconciler.apply.bounds import bind_envelope
from reconciler.cli import options


@click.command("envelope")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@options.project
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Plan file that was previewed. Default: the newest plan.",
)
@options.no_policies
@options.as_json
def command(
    file: Path, stack: str | None, fleet: Path | None, plan_path: Path | None, no_policies: bool, as_json: bool
) -> int:
    """Bind the envelope in FILE to the configuration of a previewed plan.

    FILE has approved_by, until, tiers ({warm: {min: 1, max: 8}}) and, if wanted, usd_per_hour. The command adds bound_to:
    a digest of every value that scheduled runs may not change. What they may change are slots, desired sizes, minimums and
    maximums of these tiers, within these limits.
    """
    project = options.open_project(stack, fleet)
    with options.locked(project, "envelope"):
        plan = read_plan(plan_path or project.plan_file)
        bound = bind_envelope(project, plan, path=file, now=options.now(), no_policies=no_policies)
    values = bound.bound_to or {}
    if as_json:
        click.echo(json.dumps({"plan": plan.id, "bound_to": values}, indent=2, sort_keys=True))
        return 0
    limits = ", ".join(f"{tier.value} {limit.min} to {limit.max}" for tier, limit in bound.tiers.items())
    options.say(
        f"{file} is bound to {len(values)} values of plan {plan.id}; until {bound.until.isoformat()} scheduled runs may set "
        f"{limits or 'nothing'}"
    )
    return 0
