"""Which requests belong to which QoS class, and which series are forecast one by one.

Each user × application pair gets its class by the fleet's first rule that fits. Pairs of one application and class make
a group; the busiest groups are forecast each, the long tail of a class together, so that thousands of sparse pairs cost
as much as one series and every class's groups still sum to the class.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.history.history import History
from reconciler.errors import InputError
from reconciler.fleet.file import Application, Fleet

#: Before a class's name: the group of its applications that are not forecast one by one.
REST = "rest of "


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Groups in order of name.

    Attributes:
        names: group names: the application, `application@class` where its users are of several classes, or
            `rest of <class>`.
        qos: QoS class of each group.
        codes: (pairs,) group of each pair of the history.
        rules: weight (mean requests per step) of each fleet rule in each group.
    """

    names: tuple[str, ...]
    qos: tuple[str, ...]
    codes: NDArray[np.int64]
    rules: tuple[Mapping[Application, float], ...]


def group(history: History, fleet: Fleet, *, keep: int = 30) -> Grouping:
    """Group the pairs of a history by the fleet's rules; at most `keep` groups besides one rest per class.

    Raises:
        InputError: no rule fits a pair; the message names it and how to add one.
    """
    means = _means(history)
    rule_of: list[Application] = []
    for user, application in history.pairs:
        rule = fleet.rule(user, application)
        if rule is None:
            raise InputError(
                "fleet.yaml, applications",
                f"no rule fits user '{user}' and application '{application}'.",
                'Add one, or end the list with `{match: "*", qos: …}`.',
            )
        rule_of.append(rule)
    classes: dict[str, set[str]] = defaultdict(set)
    for (_, application), rule in zip(history.pairs, rule_of, strict=True):
        classes[application].add(rule.qos)
    labels = [
        (application if len(classes[application]) == 1 else f"{application}@{rule.qos}", rule.qos)
        for (_, application), rule in zip(history.pairs, rule_of, strict=True)
    ]
    volume: dict[tuple[str, str], float] = defaultdict(float)
    for label, mean in zip(labels, means, strict=True):
        volume[label] += mean
    busiest = set(sorted(volume, key=lambda label: (-volume[label], label))[:keep])
    final = [label if label in busiest else (f"{REST}{label[1]}", label[1]) for label in labels]
    order = sorted(set(final))
    place = {label: index for index, label in enumerate(order)}
    weights: list[dict[Application, float]] = [defaultdict(float) for _ in order]
    for label, rule, mean in zip(final, rule_of, means, strict=True):
        weights[place[label]][rule] += max(float(mean), 1e-9)
    return Grouping(
        names=tuple(name for name, _ in order),
        qos=tuple(qos for _, qos in order),
        codes=np.array([place[label] for label in final], dtype=np.int64),
        rules=tuple(dict(w) for w in weights),
    )


def _means(history: History) -> NDArray[np.float64]:
    """(pairs,) mean requests per step over the whole history; missing steps count as nothing."""
    owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
    sums = np.bincount(owner, weights=np.nan_to_num(history.requests), minlength=len(history.pairs))
    return np.asarray(sums / max(history.length, 1), dtype=np.float64)
