"""`tiercast explain`: why the sizes are what they are, computed by what decides them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from reconciler.adapters.files import read_json
from reconciler.adapters.project import Project
from reconciler.cli import options
from reconciler.explain.explain import Basis, explain_plan
from reconciler.loop import take_snapshot
from reconciler.plan.decide import sized
from reconciler.plan.file import parse_plan
from reconciler.plan.problem import problem_of
from reconciler.report.explanation import tables
from reconciler.report.text import table
from reconciler.trust.demotion import Rung
from stacks.contract import parse


@click.command("explain")
@options.project
@options.as_of
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample paths.")
@options.as_json
def command(stack: str | None, fleet: Path | None, as_of: datetime | None, seed: int, as_json: bool) -> int:
    """Say per tier which constraint binds, what one instance more or less would do, the risk of violating each QoS
    class, which forecast is trusted, and what changed since the last plan. Writes nothing."""
    project = options.open_project(stack, fleet)
    progress = Console(stderr=True)
    previous = _last_basis(project)
    with progress.status("reading history, forecasting, sizing …"):
        snapshot = take_snapshot(project, as_of=as_of, now=options.now(), seed=seed)
        problem = problem_of(snapshot)
        told = explain_plan(snapshot, problem, sized(snapshot, problem), previous)
    if as_json:
        body = {**_plain(asdict(told)), "forecast_note": snapshot.forecast_note}
        click.echo(json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False))
        return 0
    console = Console()
    for title, heading, rows in tables(told):
        if rows:
            console.print(Text(title, style="bold"))
            console.print(table(heading, rows))
    if snapshot.forecast_note:
        click.echo(snapshot.forecast_note)
    click.echo(f"{told.status}; cost within {100 * told.gap:.2g} % of the proven bound")
    return 0


def _last_basis(project: Project) -> Basis | None:
    """What the plan on disk was made from; None where there is none yet."""
    if not project.plan_file.exists():
        return None
    plan = parse_plan(read_json(project.plan_file, "a plan file"), str(project.plan_file))
    config = parse({k.removeprefix("tiercast:"): v for k, v in plan.config.items() if k.startswith("tiercast:")})
    counts = {f"{line.tier}/{kind}": count for line in plan.tiers for kind, count in line.kinds.items()}
    return Basis(demand=config.demand, counts=counts, prices=plan.prices)


def _plain(value: Any) -> Any:
    """JSON has no infinity: an endless latency is null; a rung is its name."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Rung):
        return value.label
    return None if isinstance(value, float) and not math.isfinite(value) else value
