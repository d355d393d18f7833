"""`tiercast train`: fits the forecaster on the fleet's history and keeps it."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from reconciler.adapters.kept_forecaster import Kept, runner, train
from reconciler.cli import options
from reconciler.report.forecast import iso
from reconciler.report.text import shown


@click.command("train")
@options.project
@options.as_of
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random numbers.")
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
    """Read the history, fit every series, learn the cost of requests, and keep the result for `forecast` and `plan`."""
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
    seconds = time.perf_counter() - begin
    if as_json:
        click.echo(json.dumps(_json(kept, seconds), indent=2, ensure_ascii=False))
        return 0
    state = kept.plbm.state
    options.say(state.history.described().text())
    table = Table("series", "model", "calibrated")
    for name in sorted(state.fitted)[:20]:
        table.add_row(shown(name), state.fresh[name].model, "yes" if state.fresh[name].calibrated else "no")
    Console().print(table)
    click.echo(f"{len(state.fitted)} series fitted in {seconds:.1f} s, kept as version {kept.version}")
    click.echo(f"LSTM: {state.net.said}")
    click.echo("to see how a series is forecast: tiercast explain-forecast [NAME]")
    return 0


def _json(kept: Kept, seconds: float) -> dict[str, object]:
    state = kept.plbm.state
    return {
        "version": kept.version,
        "trained_until": iso(state.history.end),
        "seconds": round(seconds, 3),
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
