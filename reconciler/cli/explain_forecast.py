"""`tiercast explain-forecast`: where a forecast comes from: models and weights, calendar, shares, costs, data quality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from forecaster.plbm import PLBM
from reconciler.adapters.model_store import load_state
from reconciler.cli import options
from reconciler.errors import InputError
from reconciler.forecast_setup import nodes_of
from reconciler.report.forecast import iso


@click.command("explain-forecast")
@options.project
@click.argument("name", required=False)
@options.as_json
def command(stack: str | None, fleet: Path | None, name: str | None, as_json: bool) -> int:
    """Say for every series, or for the application or series NAME, which models are mixed and why, what the calendar
    does, how its intervals did lately, what a request costs and where that was learned, and what the data lacked."""
    project = options.open_project(stack, fleet)
    state = load_state(project.models)
    plbm = PLBM.resumed(state, node_of=nodes_of(project.read_fleet(), state.history.pairs))
    rows = _rows(plbm)
    if name is not None:
        rows = [row for row in rows if name in (row["series"], *row["holds"])]
        if not rows:
            known = ", ".join(plbm.structure.nodes[:10])
            raise InputError("explain-forecast", f"nothing is called {name!r}.", f"Known are {known} …")
    document = {
        "trained_until": iso(state.history.end),
        "series": rows,
        "quality": state.history.described().as_json(),
    }
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    for row in rows if name is not None else rows[:20]:
        Console().print(_table(row))
    click.echo(state.history.described().text())
    return 0


def _rows(plbm: PLBM) -> list[dict[str, Any]]:
    state, structure, costs = plbm.state, plbm.structure, plbm.costs()
    out = []
    for k, series in enumerate(structure.series):
        fitted, fresh = state.fitted.get(series), state.fresh.get(series)
        holds = [structure.nodes[int(node)] for node in structure.members(k)]
        score = fitted.score if fitted is not None else None
        out.append(
            {
                "series": series,
                "holds": holds,
                "model": fresh.model if fresh is not None else "not forecast since the last update",
                "reason": fresh.reason if fresh is not None else "",
                "calibrated": None if fresh is None else fresh.calibrated,
                "weights": {} if fitted is None else {expert: round(w, 4) for expert, w in fitted.weights},
                "settings": {} if fitted is None else {part: one.settings.name for part, one in fitted.choices},
                "fitted_until": None if fitted is None else iso(fitted.fitted),
                "score": None
                if score is None or not score.seen
                else {"steps": score.seen, "inside_90": round(score.inside, 4), "mean_level": round(score.level, 4)},
                "effects": {}
                if fitted is None
                else {
                    n: {"factor": round(e.factor, 4), "spread": round(e.spread, 4), "occasions": e.occasions}
                    for n, e in fitted.effects
                },
                "costs": {
                    n: {
                        "vcpu_seconds": costs[n].vcpu_seconds,
                        "memory_mib": costs[n].memory_mib,
                        "from": costs[n].source,
                    }
                    for n in holds
                    if n in costs
                },
            }
        )
    return out


def _table(row: dict[str, Any]) -> Table:
    holds = "" if row["holds"] == [row["series"]] else f" (stands for {len(row['holds'])} applications)"
    table = Table(title=row["series"] + holds, title_justify="left", show_header=False)
    mix = ", ".join(f"{name} {weight:.0%}" for name, weight in row["weights"].items() if weight >= 0.01)
    table.add_row("model", row["model"])
    table.add_row("why", row["reason"])
    table.add_row("mix", mix or "none")
    chosen = ", ".join(f"{name} ({part})" for part, name in row["settings"].items()) or "default"
    table.add_row("settings", f"{chosen}, fitted on the history up to {row['fitted_until']}")
    if row["score"]:
        score = row["score"]
        table.add_row(
            "since then", f"90 % interval held {score['inside_90']:.0%}, mean level {score['mean_level']:.2f}"
        )
    for name, effect in row["effects"].items():
        table.add_row(f"effect of {name}", f"× {effect['factor']} from {effect['occasions']} occasions")
    for name, cost in row["costs"].items():
        said = f"{cost['vcpu_seconds']:.4g} vCPU-s, {cost['memory_mib']:.4g} MiB, from {cost['from']}"
        table.add_row(f"cost of {name}", said)
    return table
