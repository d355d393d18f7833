"""`tiercast explain-forecast`: how a forecast was made: models, weights, calendar, shares, costs and data quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from forecaster.hierarchy.modelled import names_of
from forecaster.plbm import PLBM
from reconciler.adapters.model_store import load_state
from reconciler.cli import options
from reconciler.demand.grouping import nodes_of
from reconciler.errors import InputError
from reconciler.report.forecast import iso
from reconciler.report.text import shown


@click.command("explain-forecast")
@options.project
@click.argument("name", required=False)
@options.as_json
def command(stack: str | None, fleet: Path | None, name: str | None, as_json: bool) -> int:
    """Explain every forecast series, or only NAME (an application, a user, a class or a series).

    Shows the models and why they were chosen, the effect of the calendar, the coverage of the intervals, the cost of a
    request and its source, and the quality of the data."""
    project = options.open_project(stack, fleet)
    state = load_state(project.models)
    plbm = PLBM.resumed(state, node_of=nodes_of(project.read_fleet(), state.history.pairs))
    rows = _rows(plbm, _series_of(plbm, name))
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
    options.say(state.history.described().text())
    return 0


def _series_of(plbm: PLBM, name: str | None) -> dict[str, tuple[str, ...]]:
    """Name of each modelled series that `name` refers to → the nodes in that series. No name: all series.

    A name is any name that a forecast shows: a series ("rest of CLASS" too), a node, an application, a user, a class or
    "total".

    Raises:
        InputError: nothing has this name.
    """
    structure, pairs = plbm.structure, plbm.state.history.pairs
    nodes = structure.nodes
    series = [tuple(nodes[int(node)] for node in structure.members(k)) for k in range(len(structure.series))]
    big = [(nodes[int(structure.codes[pair])],) for pair in structure.big]
    wholes = [tuple(n for n, own in zip(nodes, structure.labels, strict=True) if own == w) for w in structure.wholes]
    holds = dict(zip(names_of(plbm.state.history, structure), (*series, *big, *wholes), strict=True))
    if name is None or name == "total":
        return holds
    if name in holds:
        return {known: inside for known, inside in holds.items() if name == known or name in inside}
    named = {nodes[int(code)] for pair, code in zip(pairs, structure.codes, strict=True) if name in pair}
    named |= {node for node, label in zip(nodes, structure.labels, strict=True) if name in (node, label)}
    found = {known: inside for known, inside in holds.items() if named.intersection(inside)}
    if not found:
        some = ", ".join(dict.fromkeys((*structure.labels[:3], *list(holds)[:10])))
        raise InputError(
            "explain-forecast",
            f"nothing has the name {name!r}.",
            f"Name an application, a user, a class or a series; known are {some} …",
        )
    return found


def _rows(plbm: PLBM, wanted: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    state, costs = plbm.state, plbm.costs()
    out = []
    for series, holds in wanted.items():
        fitted, fresh = state.fitted.get(series), state.fresh.get(series)
        score = fitted.score if fitted is not None else None
        out.append(
            {
                "series": series,
                "holds": list(holds),
                "model": fresh.model if fresh is not None else "no forecast since the last update",
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
    holds = "" if row["holds"] == [row["series"]] else f" (contains {len(row['holds'])} applications)"
    table = Table(title=shown(row["series"] + holds), title_justify="left", show_header=False)
    mix = ", ".join(f"{name} {weight:.0%}" for name, weight in row["weights"].items() if weight >= 0.01)
    table.add_row("model", row["model"])
    table.add_row("reason", shown(row["reason"]))
    table.add_row("mix", mix or "none")
    chosen = ", ".join(f"{name} ({part})" for part, name in row["settings"].items()) or "default"
    table.add_row("settings", f"{chosen}, fitted on the history up to {row['fitted_until']}")
    if row["score"]:
        score = row["score"]
        table.add_row(
            "since the fit",
            f"the 90 % interval contained {score['inside_90']:.0%} of the values; demand was at the "
            f"{score['mean_level']:.2f} quantile on average",
        )
    for name, effect in row["effects"].items():
        learned = f"× {effect['factor']}, learned from {effect['occasions']} occurrences"
        table.add_row(shown(f"effect of {name}"), learned)
    for name, cost in row["costs"].items():
        said = f"{cost['vcpu_seconds']:.4g} vCPU-s, {cost['memory_mib']:.4g} MiB, from {cost['from']}"
        table.add_row(shown(f"cost of {name}"), said)
    return table
