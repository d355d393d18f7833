"""`tiercast explain-forecast`: how a forecast was made: models, weights, calendar, shares, costs and data quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from forecaster.calendar.effects import Effect
from forecaster.demand import RequestCost
from forecaster.hierarchy.modelled import names_of
from forecaster.hierarchy.nodes import NodeForecast
from forecaster.plbm import PLBM
from forecaster.plbm.state import Fitted, RunningScore
from reconciler.adapters.model_store import load_state
from reconciler.cli import options
from reconciler.demand.grouping import nodes_of
from reconciler.errors import InputError
from reconciler.report.forecast import iso
from reconciler.report.text import shown


@dataclass(frozen=True, kw_only=True)
class SeriesStory:
    """A series, the nodes it stands for, its fit and its newest forecast where there are any, and what requests cost."""

    series: str
    holds: tuple[str, ...]
    fitted: Fitted | None
    fresh: NodeForecast | None
    costs: Mapping[str, RequestCost]

    @property
    def model(self) -> str:
        """Name of the model, or that there is no forecast yet."""
        return self.fresh.model if self.fresh is not None else "not forecast since the last update"

    @property
    def reason(self) -> str:
        """Why the series is forecast as it is."""
        return self.fresh.reason if self.fresh is not None else ""

    @property
    def weights(self) -> tuple[tuple[str, float], ...]:
        """Models and their weights."""
        return () if self.fitted is None else tuple(self.fitted.weights)

    @property
    def settings(self) -> dict[str, str]:
        """Part of the horizon → name of the settings in force."""
        return {} if self.fitted is None else {part: one.settings.name for part, one in self.fitted.choices}

    @property
    def effects(self) -> tuple[tuple[str, Effect], ...]:
        """Learned effects of the calendar by name."""
        return () if self.fitted is None else tuple(self.fitted.effects)

    @property
    def score(self) -> RunningScore | None:
        """How the forecasts since the fit did; None where none was compared yet."""
        return self.fitted.score if self.fitted is not None and self.fitted.score.seen else None


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
    stories = _stories(plbm, _series_of(plbm, name))
    document = {
        "trained_until": iso(state.history.end),
        "series": [_json(story) for story in stories],
        "quality": state.history.described().as_json(),
    }
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    for story in stories if name is not None else stories[:20]:
        Console().print(_table(story))
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


def _stories(plbm: PLBM, wanted: Mapping[str, tuple[str, ...]]) -> list[SeriesStory]:
    state, costs = plbm.state, plbm.costs()
    return [
        SeriesStory(
            series=series,
            holds=holds,
            fitted=state.fitted.get(series),
            fresh=state.fresh.get(series),
            costs={name: costs[name] for name in holds if name in costs},
        )
        for series, holds in wanted.items()
    ]


def _json(it: SeriesStory) -> dict[str, object]:
    fitted, fresh, score = it.fitted, it.fresh, it.score
    return {
        "series": it.series,
        "holds": list(it.holds),
        "model": it.model,
        "reason": it.reason,
        "calibrated": None if fresh is None else fresh.calibrated,
        "weights": {expert: round(weight, 4) for expert, weight in it.weights},
        "settings": it.settings,
        "fitted_until": None if fitted is None else iso(fitted.fitted),
        "score": None
        if score is None
        else {"steps": score.seen, "inside_90": round(score.inside, 4), "mean_level": round(score.level, 4)},
        "effects": {
            name: {"factor": round(e.factor, 4), "spread": round(e.spread, 4), "occasions": e.occasions}
            for name, e in it.effects
        },
        "costs": {
            name: {"vcpu_seconds": cost.vcpu_seconds, "memory_mib": cost.memory_mib, "from": cost.source}
            for name, cost in it.costs.items()
        },
    }


def _table(it: SeriesStory) -> Table:
    holds = "" if it.holds == (it.series,) else f" (contains {len(it.holds)} applications)"
    table = Table(title=shown(it.series + holds), title_justify="left", show_header=False)
    mix = ", ".join(f"{name} {weight:.0%}" for name, weight in it.weights if weight >= 0.01)
    table.add_row("model", it.model)
    table.add_row("reason", shown(it.reason))
    table.add_row("mix", mix or "none")
    chosen = ", ".join(f"{name} ({part})" for part, name in it.settings.items()) or "default"
    until = None if it.fitted is None else iso(it.fitted.fitted)
    table.add_row("settings", f"{chosen}, fitted on the history up to {until}")
    if it.score is not None:
        table.add_row(
            "since the fit",
            f"the 90 % interval contained {it.score.inside:.0%} of the values; demand was at the {it.score.level:.2f} "
            "quantile on average",
        )
    for name, effect in it.effects:
        learned = f"× {round(effect.factor, 4)}, learned from {effect.occasions} occurrences"
        table.add_row(shown(f"effect of {name}"), learned)
    for name, cost in it.costs.items():
        said = f"{cost.vcpu_seconds:.4g} vCPU-s, {cost.memory_mib:.4g} MiB, from {cost.source}"
        table.add_row(shown(f"cost of {name}"), said)
    return table
