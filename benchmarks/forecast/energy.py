"""Energy score over a few joint steps: whether paths, not only marginals, are right.

Our paths copy the joint ranks of our own past errors (Schaake shuffle); peers offer marginals only, so theirs copy the ranks of
the training's seasonal differences, which is more than a user of theirs gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Trace
from benchmarks.forecast.measures import GRID, energy_score
from benchmarks.forecast.ours import PLAIN, SHIPPED, mixed, parts_of, spoken, stretch_from
from benchmarks.forecast.peers import Rolled, Targets
from forecaster.demand import LEVELS
from forecaster.models.base import QuantileModel
from forecaster.series.paths import draw_ranks, levels_of, paths_from_ranks

Floats = NDArray[np.float64]
PATHS = 200


def _score(trace: Trace, origin: int, marginals: Floats, errors: Floats) -> float:
    """Energy score of paths from `marginals` (steps, GRID) and past joint error levels (origins, steps)."""
    steps = len(marginals)
    truth = trace.values[origin + 1 : origin + 1 + steps]
    if not np.isfinite(truth).all():
        return float("nan")
    ranks = draw_ranks([errors], PATHS, steps, np.random.default_rng(origin))[:, 0]
    return energy_score(truth, paths_from_ranks(ranks, marginals, np.asarray(GRID)))


def _mean(scores: Sequence[float]) -> float:
    known = [s for s in scores if np.isfinite(s)]
    return float(np.mean(known)) if known else float("nan")


def peer_scores(trace: Trace, targets: Targets, peers: Mapping[str, Rolled]) -> dict[str, float]:
    """Mean energy score of each peer over the joint origins."""
    y = trace.filled[: trace.cut]
    apart = y[trace.season :] - y[: -trace.season] if len(y) > trace.season else np.empty(0)
    errors = np.array([apart[i : i + targets.steps] for i in range(len(apart) - targets.steps + 1)])
    errors = errors.reshape(-1, targets.steps)
    return {
        name: _mean([_score(trace, int(o), m, errors) for o, m in zip(targets.joint, made.joint, strict=True)])
        for name, made in peers.items()
    }


def our_scores(trace: Trace, targets: Targets, net: QuantileModel | None) -> dict[str, float]:
    """Mean energy score of our mixes over the joint origins; past errors end at each origin."""
    if not len(targets.joint):
        return {}
    stretch, steps = stretch_from(trace), targets.steps
    truth = np.where(stretch.observed, stretch.values, np.nan)
    n = len(truth)
    marginals: dict[str, list[Floats]] = {}
    errors: dict[str, Floats] = {}
    for h in range(1, steps + 1):
        parts = parts_of(stretch, h, net)
        plain = {name: q for name, q in parts.items() if net is None or name != net.name}
        for name, chosen in {PLAIN: plain, **({SHIPPED: parts} if net is not None else {})}.items():
            made = mixed(stretch, h, chosen)
            marginals.setdefault(name, []).append(spoken(stretch, made, targets.joint + h, h))
            hit = levels_of(truth, made[:n], np.asarray(LEVELS))
            table = errors.setdefault(name, np.full((n, steps), np.nan))
            table[: n - h, h - 1] = hit[h:]  # row o: the step o + h as forecast from o
    return {
        name: _mean(
            [
                _score(trace, int(o), np.stack([m[i] for m in marginals[name]]), errors[name][: int(o) + 1 - steps])
                for i, o in enumerate(targets.joint)
            ]
        )
        for name in marginals
    }
