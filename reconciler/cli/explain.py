"""`tiercast explain`: the reasons for the sizes, computed by the functions that decide them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from reconciler.adapters import ledger
from reconciler.adapters.files import read_json
from reconciler.adapters.project import Project
from reconciler.cli import options
from reconciler.errors import InputError
from reconciler.explain.changes import Basis
from reconciler.explain.explain import explain_plan
from reconciler.loop.gather import take_snapshot
from reconciler.plan.decide import sized
from reconciler.plan.file import parse_plan
from reconciler.plan.problem import problem_of
from reconciler.report.answers import story
from reconciler.report.explanation import Table, tables
from reconciler.report.history import headline, story_json, story_tables
from reconciler.report.text import table
from stacks.contract import ContractError, parse


@click.command("explain")
@click.argument("plan", metavar="[ID]", required=False)
@options.project
@options.as_of
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample paths.")
@options.as_json
def command(
    plan: str | None, stack: str | None, fleet: Path | None, as_of: datetime | None, seed: int, as_json: bool
) -> int:
    """Explain the sizes: the binding constraint per tier, the effect of one instance more or less, the share of late
    requests of each QoS class, the forecast in use, and what changed since the last plan. Writes nothing.

    With the ID of a past plan (its first digits are enough), the answer comes from the ledger only: the observed,
    wanted and planned counts, the binding constraints, the changes by guards, the verdicts of the policies, and the
    changes that were applied."""
    project = options.open_project(stack, fleet)
    if plan is not None:
        return _explain_past(project, plan, as_json=as_json)
    progress = Console(stderr=True)
    previous = _last_basis(project)
    with progress.status("reading history, forecasting, sizing …"):
        snapshot = take_snapshot(project, as_of=as_of, now=options.now(), seed=seed)
        problem = problem_of(snapshot)
        told = explain_plan(snapshot, problem, sized(snapshot, problem), previous)
    if as_json:
        click.echo(json.dumps(told.to_json(), indent=2, sort_keys=True, ensure_ascii=False))
        return 0
    _print(tables(told))
    if told.forecast_note:
        click.echo(told.forecast_note)
    click.echo(f"{told.status}; the cost is within {100 * told.gap:.2g} % of the proven lower bound")
    return 0


def _explain_past(project: Project, plan: str, *, as_json: bool) -> int:
    told = story(ledger.read(project.ledger_file).entries, plan, location=str(project.ledger_file))
    if as_json:
        click.echo(json.dumps(story_json(told), indent=2, sort_keys=True, ensure_ascii=False))
    else:
        options.say(headline(told))
        _print(story_tables(told))
    return 0


def _print(found: list[Table]) -> None:
    console = Console()
    for title, heading, rows in found:
        if rows:
            console.print(Text(title, style="bold"))
            console.print(table(heading, rows))


def _last_basis(project: Project) -> Basis | None:
    """What the plan on disk was made from; None if there is no plan yet."""
    if not project.plan_file.exists():
        return None
    plan = parse_plan(read_json(project.plan_file, "a plan file"), str(project.plan_file))
    try:
        config = parse({k.removeprefix("tiercast:"): v for k, v in plan.config.items() if k.startswith("tiercast:")})
    except ContractError as error:
        reason = "; ".join(str(error).splitlines())
        raise InputError(
            str(project.plan_file), f"its configuration is not valid: {reason}.", "Run `tiercast plan`."
        ) from None
    counts = {f"{line.tier}/{kind}": count for line in plan.tiers for kind, count in line.kinds.items()}
    return Basis(demand=config.demand, counts=counts, prices=plan.prices)
