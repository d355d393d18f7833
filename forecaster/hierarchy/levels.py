"""A joint forecast read at one level of the hierarchy: series, node, application, user, label or total.

The rule: every level is a sum of the same paths. Where a row is one modelled series its calibrated quantiles are kept;
a sum takes them from its paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecaster.demand import LEVELS, DemandForecast, RequestCost
from forecaster.errors import ForecastError
from forecaster.hierarchy.joint import Joint, path_quantiles
from forecaster.history.history import Floats, History, Ints

NAMES = ("series", "node", "application", "user", "label", "total")


def at_level(joint: Joint, history: History, level: str, costs: Mapping[str, RequestCost]) -> DemandForecast:
    """The forecast of all rows of a level. Raises `ForecastError` for a level that is not one of `NAMES`."""
    structure = joint.structure
    if level == "series":
        return _of_series(joint, history, costs)
    if level == "node" or (level == "application" and structure.nodes == history.applications):
        return _of_nodes(joint, history, costs)
    if level == "total":
        return _of_sums(joint, history, ("total",), joint.paths.sum(axis=1, keepdims=True), "sum of all", costs)
    if level == "label":
        labels = tuple(sorted(set(structure.labels)))
        key = np.array([labels.index(label) for label in structure.labels], dtype=np.int64)
        return _of_sums(joint, history, labels, _summed_nodes(joint, key, len(labels)), "sum of its nodes", costs)
    if level in ("user", "application"):
        names = history.users if level == "user" else history.applications
        place = {name: k for k, name in enumerate(names)}
        side = 0 if level == "user" else 1
        key = np.array([place[pair[side]] for pair in history.pairs], dtype=np.int64)
        return _of_sums(joint, history, names, joint.summed(key, len(names)), "sum of its pairs", costs)
    raise ForecastError(f"unknown level {level!r}; choose one of {', '.join(NAMES)}.")


def _summed_nodes(joint: Joint, key: Ints, count: int) -> Floats:
    nodes = joint.all_nodes()
    out = np.zeros((nodes.shape[0], count, nodes.shape[2]))
    for node, label in enumerate(key):
        out[:, label] += nodes[:, node]
    return out


def _of_series(joint: Joint, history: History, costs: Mapping[str, RequestCost]) -> DemandForecast:
    made = joint.series
    rows = _LevelRows(
        names=joint.structure.series,
        quantiles=np.stack([one.quantiles for one in made]),
        paths=np.array(joint.paths, order="C"),
        models=tuple(one.model for one in made),
        reasons=tuple(one.reason for one in made),
        calibrated=tuple(one.calibrated for one in made),
    )
    return _forecast(joint, history, rows, costs)


def _of_nodes(joint: Joint, history: History, costs: Mapping[str, RequestCost]) -> DemandForecast:
    structure = joint.structure
    paths = joint.all_nodes()
    quantiles, models, reasons, calibrated = [], [], [], []
    for node in range(len(structure.nodes)):
        holder = joint.series[int(structure.holder[node])]
        alone = len(structure.members(int(structure.holder[node]))) == 1
        quantiles.append(holder.quantiles if alone else path_quantiles(paths[:, node]))
        models.append(holder.model)
        reasons.append(holder.reason if alone else f"its share of {holder.name}: {holder.reason}")
        calibrated.append(holder.calibrated)
    rows = _LevelRows(
        names=structure.nodes,
        quantiles=np.stack(quantiles),
        paths=paths,
        models=tuple(models),
        reasons=tuple(reasons),
        calibrated=tuple(calibrated),
    )
    return _forecast(joint, history, rows, costs)


def _of_sums(
    joint: Joint, history: History, names: tuple[str, ...], paths: Floats, why: str, costs: Mapping[str, RequestCost]
) -> DemandForecast:
    quantiles = np.stack([path_quantiles(paths[:, k]) for k in range(len(names))])
    ready = all(one.calibrated for one in joint.series)
    count = len(names)
    rows = _LevelRows(
        names=names,
        quantiles=quantiles,
        paths=paths,
        models=("sum",) * count,
        reasons=(why,) * count,
        calibrated=(ready,) * count,
    )
    return _forecast(joint, history, rows, costs)


@dataclass(frozen=True, kw_only=True)
class _LevelRows:
    """The rows of a level: `names`, `quantiles` (rows, horizon, levels), `paths` (paths, rows, horizon), and their words."""

    names: tuple[str, ...]
    quantiles: Floats
    paths: Floats
    models: tuple[str, ...]
    reasons: tuple[str, ...]
    calibrated: tuple[bool, ...]


def _forecast(joint: Joint, history: History, rows: _LevelRows, costs: Mapping[str, RequestCost]) -> DemandForecast:
    return DemandForecast(
        cutoff=joint.cutoff,
        step=history.step,
        applications=rows.names,
        levels=LEVELS,
        quantiles=rows.quantiles,
        paths=rows.paths,
        models=rows.models,
        reasons=rows.reasons,
        costs={name: costs[name] for name in rows.names if name in costs},
        calibrated=rows.calibrated,
    )
