"""`tiercast train`: fit the forecaster on the fleet's history and keep it."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from reconciler.adapters.kept_forecaster import runner, train
from reconciler.cli import options
from reconciler.report.forecast import iso
from reconciler.report.text import shown


@click.command("train")
@options.project
@options.as_of
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random numbers.")
@options.fits
@options.as_json
def command(
    stack: str | None,
    fleet: Path | None,
    as_of: datetime | None,
    seed: int,
    jobs: int,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Read the history, fit every series, learn what requests cost, and keep the result for `forecast` and `plan`."""
    project = options.open_project(stack, fleet)
    begin = time.perf_counter()
    with Console(stderr=True).status("reading history, fitting …"), runner(jobs, cluster) as run:
        kept = train(
            project.read_fleet(),
            base=project.fleet_path.parent,
            models=project.models,
            as_of=as_of,
            run=run,
            seed=seed,
            now=options.now(),
        )
    state = kept.plbm.state
    document: dict[str, Any] = {
        "version": kept.version,
        "trained_until": iso(state.history.end),
        "seconds": round(time.perf_counter() - begin, 3),
        "quality": state.history.described().as_json(),
        "series": [
            {
                "name": name,
                "model": state.fresh[name].model,
                "reason": state.fresh[name].reason,
                "calibrated": state.fresh[name].calibrated,
                "weights": {expert: round(weight, 4) for expert, weight in fitted.weights},
            }
            for name, fitted in sorted(state.fitted.items())
        ],
        "lstm": state.net.said,
        "costs": {name: cost.source for name, cost in sorted(kept.plbm.costs().items())},
    }
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    options.say(state.history.described().text())
    table = Table("series", "model", "calibrated")
    for row in document["series"][:20]:
        table.add_row(shown(row["name"]), row["model"], "yes" if row["calibrated"] else "no")
    Console().print(table)
    count = len(document["series"])
    click.echo(f"{count} series fitted in {document['seconds']:.1f} s, kept as version {kept.version}")
    click.echo(f"LSTM: {document['lstm']}")
    click.echo("why a series is forecast as it is: tiercast explain-forecast [NAME]")
    return 0
