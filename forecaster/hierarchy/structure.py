"""Which series are modelled: nodes one by one, sparse nodes through their label, big pairs on top.

- The nodes with the largest mean demand are modelled alone. The others of a label share one series, from which each takes
  its part.
- The biggest pairs get a model of their own, which is then reconciled to their node.
- The whole of each label with several series is modelled too, and they are reconciled to it: sizes are chosen on sums, and
  small biases of many parts add up while their noise does not (docs/forecaster.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from forecaster.calendar.clock import DemandCalendar, excluded_steps
from forecaster.hierarchy.settings import NodeOf, PlbmSettings
from forecaster.hierarchy.shares import Shares, estimate_shares
from forecaster.history.assemble import cells_history
from forecaster.history.censoring import uncensored
from forecaster.history.history import Bools, Floats, History, Ints
from forecaster.history.rows import Cells
from forecaster.models.features import seasons_of

#: Up to this many series, sparse nodes are modelled alone too.
FEW = 64


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Nodes, and the series that stand for them.

    Attributes:
        nodes: names, sorted.
        labels: (N) each node's label.
        codes: (P,) node of each pair of the history.
        series: names of the modelled series, sorted: nodes that are alone, and "rest of LABEL" for the others of a label.
        holder: (N,) series that each node is in.
        big: pairs (indices) that are modelled as well.
        wholes: labels with several series, whose sum is modelled as well.
    """

    nodes: tuple[str, ...]
    labels: tuple[str, ...]
    codes: Ints
    series: tuple[str, ...]
    holder: Ints
    big: tuple[int, ...]
    wholes: tuple[str, ...]

    def label_of(self, series: int) -> str:
        """The label of a modelled series."""
        return self.labels[int(self.members(series)[0])]

    def parts_of(self, label: str) -> Ints:
        """The modelled series of a label, ascending."""
        return np.unique(self.holder[[k for k, own in enumerate(self.labels) if own == label]])

    def members(self, series: int) -> Ints:
        """Nodes of a series, ascending."""
        return np.flatnonzero(self.holder == series)

    def pairs(self, node: int) -> Ints:
        """Pairs of a node, ascending."""
        return np.flatnonzero(self.codes == node)


def structure_of(history: History, node_of: NodeOf, settings: PlbmSettings) -> Structure:
    """Nodes, modelled series and big pairs of a history."""
    named = [node_of(user, application) for user, application in history.pairs]
    label_of = dict(named)
    nodes = tuple(sorted(label_of))
    place = {name: k for k, name in enumerate(nodes)}
    codes = np.array([place[name] for name, _ in named], dtype=np.int64)
    alone = _alone(history, codes, nodes, settings)
    labels = tuple(label_of[name] for name in nodes)
    held = [nodes[k] if alone[k] else rest_of(labels[k]) for k in range(len(nodes))]
    series = tuple(sorted(set(held)))
    rank = {name: k for k, name in enumerate(series)}
    holder = [rank[name] for name in held]
    several = Counter(label for label, _ in {(labels[k], series) for k, series in enumerate(holder)})
    return Structure(
        nodes=nodes,
        labels=labels,
        codes=codes,
        series=series,
        holder=np.array(holder, dtype=np.int64),
        big=_big_pairs(history, codes, _mean_by(history, codes, len(nodes)), settings),
        wholes=tuple(sorted(label for label, count in several.items() if count > 1)),
    )


def rest_of(label: str) -> str:
    """Name of the series that nodes of a label share when they are not modelled alone."""
    return f"rest of {label}"


def _alone(history: History, codes: Ints, nodes: Sequence[str], settings: PlbmSettings) -> Bools:
    """(N,) which nodes are modelled alone: the largest by mean demand, at most `settings.most`, ties by name; where that
    is more than `FEW`, only those that are not sparse."""
    means = _mean_by(history, np.arange(len(codes), dtype=np.int64), len(codes))
    volume = np.bincount(codes, weights=means, minlength=len(nodes))
    alone = np.zeros(len(nodes), dtype=bool)
    alone[np.argsort(-volume, kind="stable")[: settings.most]] = True
    if alone.sum() > FEW:
        alone &= _mean_since_begun(history, codes, len(nodes)) >= settings.alone
    return alone


def _mean_by(history: History, codes: Ints, count: int) -> Floats:
    owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
    total = np.bincount(codes[owner], weights=np.nan_to_num(history.requests), minlength=count)
    return np.asarray(total / max(history.length, 1), dtype=np.float64)


def _mean_since_begun(history: History, codes: Ints, count: int) -> Floats:
    """(count,) mean demand since a node's first row, or over a day where that is longer: a large one that is new must not
    look sparse for weeks, and one that had a single request is not large."""
    sizes = np.diff(history.offsets)
    begun = np.full(count, history.length, dtype=np.int64)
    np.minimum.at(begun, codes[sizes > 0], history.position[history.offsets[:-1][sizes > 0]])
    day = min(max(1, round(timedelta(days=1) / history.step)), history.length)
    known = np.maximum(history.length - begun, day)
    return _mean_by(history, codes, count) * max(history.length, 1) / np.maximum(known, 1)


def _big_pairs(history: History, codes: Ints, volume: Floats, settings: PlbmSettings) -> tuple[int, ...]:
    """The largest pairs that are neither sparse nor (nearly) all of their node."""
    if not len(codes):
        return ()
    mean = _mean_by(history, np.arange(len(codes), dtype=np.int64), len(codes))
    fit = np.flatnonzero((mean >= 5 * settings.alone) & (mean < 0.95 * volume[codes]))
    return tuple(sorted(int(k) for k in fit[np.argsort(-mean[fit], kind="stable")][: settings.big_pairs]))


def series_values(history: History, structure: Structure, calendar: DemandCalendar) -> Floats:
    """(series, n) offered requests of the modelled series: excluded steps missing, censored ones at their expectation."""
    return _usable(history, _through(structure.codes, structure.holder), len(structure.series), calendar)


def whole_values(history: History, structure: Structure, calendar: DemandCalendar) -> Floats:
    """(wholes, n) the same for the labels that are modelled as a whole."""
    place = {label: k for k, label in enumerate(structure.wholes)}
    of_node = np.array([place.get(label, -1) for label in structure.labels], dtype=np.int64)
    return _usable(history, _through(structure.codes, of_node), len(structure.wholes), calendar)


def _through(codes: Ints, of_node: Ints) -> Ints:
    """(P,) what the node of each pair is in; -1 for pairs of no node."""
    return np.where(codes >= 0, of_node[np.maximum(codes, 0)], -1) if len(of_node) else codes


def pair_values(history: History, pairs: Sequence[int], calendar: DemandCalendar) -> Floats:
    """(pairs, n) the same for single pairs."""
    codes = np.full(len(history.pairs), -1, dtype=np.int64)
    codes[list(pairs)] = np.arange(len(pairs))
    return _usable(history, codes, len(pairs), calendar)


def _usable(history: History, codes: Ints, count: int, calendar: DemandCalendar) -> Floats:
    values = history.grouped(codes, count)
    if count and history.censored.any():
        owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
        marks = np.zeros((count, history.length), dtype=bool)
        hit = history.censored & (codes[owner] >= 0)
        marks[codes[owner[hit]], history.position[hit]] = True
        seasons = seasons_of(history.step.total_seconds())
        values = np.stack([uncensored(v, m, seasons) for v, m in zip(values, marks, strict=True)])
    values[:, excluded_steps(calendar, history.index)] = np.nan
    return values


def node_shares(history: History, structure: Structure) -> Shares:
    """Shares of nodes in the series that hold them; a node that is alone has share 1."""
    owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
    known = np.isfinite(history.requests)
    key = structure.codes[owner[known]] * max(history.length, 1) + history.position[known]
    cells, inverse = np.unique(key, return_inverse=True)
    merged = Cells(
        step=history.step,
        length=history.length,
        pair=cells // max(history.length, 1),
        position=cells % max(history.length, 1),
        requests=np.bincount(inverse, weights=history.requests[known], minlength=len(cells)).astype(np.float64),
    )
    nodes = cells_history(merged, start=history.start, pairs=[("", name) for name in structure.nodes])
    return estimate_shares(nodes, structure.holder, len(structure.series))


def pair_shares(history: History, structure: Structure) -> Shares:
    """Shares of pairs in their nodes."""
    return estimate_shares(history, structure.codes, len(structure.nodes))
