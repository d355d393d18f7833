"""Which requests are forecast together, and which QoS class they belong to. Every command uses this module.

- A node is an application, or `application@class` if its users belong to several classes. The first rule of the fleet file
  that matches a user × application pair gives the class.
- The nodes with the largest mean demand, at most `history.series`, are forecast one by one. The other nodes of a class are
  forecast together as `rest of <class>` (`forecaster.hierarchy.structure`).
- Thousands of sparse pairs thus cost as much as one series, and the groups of a class still sum to the class.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.hierarchy.settings import NodeOf
from forecaster.hierarchy.structure import Structure, structure_of
from forecaster.history.history import History, Pair
from reconciler.demand.forecaster_settings import settings_of
from reconciler.errors import InputError
from reconciler.fleet.file import Application, Fleet

#: Label of requests that no rule of the fleet file matches.
UNRULED = "no rule"


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Groups in order of name.

    Attributes:
        names: group names: the application, `application@class` if its users belong to several classes, or
            `rest of <class>`.
        qos: QoS class of each group.
        codes: (pairs,) group of each pair of the history.
        rules: weight (mean requests per step) of each fleet rule in each group.
    """

    names: tuple[str, ...]
    qos: tuple[str, ...]
    codes: NDArray[np.int64]
    rules: tuple[Mapping[Application, float], ...]


def nodes_of(fleet: Fleet, pairs: Iterable[Pair]) -> NodeOf:
    """(user, application) → (node, QoS class).

    `pairs` are the pairs of the history. A pair that came later, or that is only predicted, belongs to the node of its
    application and class.
    """
    known = {pair: _qos(fleet, *pair) for pair in pairs}
    classes: dict[str, set[str]] = {}
    for (_, application), qos in known.items():
        classes.setdefault(application, set()).add(qos)

    def node_of(user: str, application: str) -> tuple[str, str]:
        qos = known.get((user, application)) or _qos(fleet, user, application)
        several = len(classes.get(application, {qos}) | {qos}) > 1
        return (f"{application}@{qos}" if several else application), qos

    return node_of


def _qos(fleet: Fleet, user: str, application: str) -> str:
    rule = fleet.rule(user, application)
    return rule.qos if rule is not None else UNRULED


def group(history: History, fleet: Fleet) -> Grouping:
    """The groups of a history: the nodes that are forecast one by one, and the rest of each class.

    Raises:
        InputError: no rule matches a pair. The message names the pair and how to add a rule.
    """
    node_of = nodes_of(fleet, history.pairs)
    return grouped_as(structure_of(history, node_of, settings_of(fleet)), node_of, history, fleet)


def grouped_as(structure: Structure, node_of: NodeOf, history: History, fleet: Fleet) -> Grouping:
    """The groups of `history` by the series of a structure, which may hold more pairs. Raises as `group` does.

    `node_of` must be the one that the structure was built with.
    """
    series_of = dict(zip(structure.nodes, structure.holder.tolist(), strict=True))
    codes = [series_of[node_of(user, application)[0]] for user, application in history.pairs]
    labels = tuple(structure.label_of(k) for k in range(len(structure.series)))
    return _grouping(history, fleet, structure.series, labels, codes)


def nodes_apart(history: History, fleet: Fleet) -> Grouping:
    """The groups of a history with one group per node, even for nodes that share a forecast. Raises as `group` does."""
    node_of = nodes_of(fleet, history.pairs)
    named = [node_of(user, application) for user, application in history.pairs]
    label_of = dict(named)
    names = tuple(sorted(label_of))
    place = {name: k for k, name in enumerate(names)}
    return _grouping(history, fleet, names, tuple(label_of[n] for n in names), [place[name] for name, _ in named])


def _grouping(
    history: History, fleet: Fleet, names: tuple[str, ...], labels: tuple[str, ...], codes: Sequence[int]
) -> Grouping:
    weights: list[dict[Application, float]] = [defaultdict(float) for _ in names]
    for (user, application), code, mean in zip(history.pairs, codes, _means(history), strict=True):
        rule = fleet.rule(user, application)
        if rule is None:
            raise InputError(
                "fleet.yaml, applications",
                f"no rule matches user '{user}' and application '{application}'.",
                'Add a rule, or end the list with `{match: "*", qos: …}`.',
            )
        weights[code][rule] += max(float(mean), 1e-9)
    return Grouping(
        names=names,
        qos=labels,
        codes=np.array(codes, dtype=np.int64),
        rules=tuple(dict(w) for w in weights),
    )


def _means(history: History) -> NDArray[np.float64]:
    """(pairs,) mean requests per step over the whole history. Missing steps count as zero."""
    owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
    sums = np.bincount(owner, weights=np.nan_to_num(history.requests), minlength=len(history.pairs))
    return np.asarray(sums / max(history.length, 1), dtype=np.float64)
