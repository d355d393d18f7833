"""From forecasts of single series to one joint forecast, and from that to every level of the hierarchy.

The rule: series move together as their past errors did (forecaster.series.paths) and are scaled to the modelled whole of their
label; parts are drawn from the paths of what holds them. So user × application, application, user, label and total agree
path by path.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import LEVELS
from forecaster.hierarchy.nodes import NodeForecast
from forecaster.hierarchy.shares import Shares, bucket_of, lumped, parts, reconciled, scaled_to
from forecaster.hierarchy.structure import Structure
from forecaster.history.history import Floats, History, Ints
from forecaster.series.paths import draw_ranks, paths_from_ranks

#: Numbers in the joint paths at most; more series or steps get fewer paths, never fewer than 200.
MOST_NUMBERS = 40_000_000
#: Numbers of one piece of the pairs' paths; paths that pairs' quantiles are read off.
PIECE, PAIR_PATHS = 20_000_000, 200


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Joint paths of a structure.

    Attributes:
        structure, node_share, pair_share: what holds what, and in which proportion.
        series: forecasts of the modelled series, as reconciled to their whole; `big`: of the big pairs, by pair.
        paths: (paths, series, horizon); `big_paths` (paths, big pairs, horizon), before reconciliation.
        bucket: (horizon,) share bucket of each step.
        seed, cutoff: what the draws depend on besides.
    """

    structure: Structure
    node_share: Shares
    pair_share: Shares
    series: tuple[NodeForecast, ...]
    big: dict[int, NodeForecast]
    paths: Floats
    big_paths: Floats
    bucket: Ints
    seed: int
    cutoff: datetime

    def _rng(self, *name: object) -> np.random.Generator:
        """Random numbers that depend on what is drawn and on nothing else: order and company don't matter."""
        word = zlib.crc32("\x1f".join(map(str, name)).encode())
        return np.random.default_rng([self.seed, word, int(self.cutoff.timestamp())])

    def node_paths(self, node: int) -> Floats:
        """(paths, horizon) of a node."""
        series = int(self.structure.holder[node])
        mine, whole = self.node_share.members[series], self.paths[:, series]
        if len(mine) == 1:
            return whole
        return np.asarray(self._nodes_of(series)[int(np.searchsorted(mine, node))])

    def _nodes_of(self, series: int) -> Floats:
        rng = self._rng("series", self.structure.series[series])
        spread = float(self.node_share.concentration[series])
        return parts(self.paths[:, series], self.node_share.shares[series], self.bucket, spread, rng)

    def all_nodes(self) -> Floats:
        """(paths, nodes, horizon) of all nodes."""
        out = np.empty((len(self.paths), len(self.structure.nodes), self.paths.shape[2]))
        for series, mine in enumerate(self.node_share.members):
            if len(mine) == 1:
                out[:, mine[0]] = self.paths[:, series]
            elif len(mine):
                out[:, mine] = np.moveaxis(self._nodes_of(series), 0, 1)
        return out

    def pair_paths(self, node: int, chosen: Sequence[int]) -> Floats:
        """(chosen, paths, horizon) of some pairs of a node, each as it is distributed among all pairs of the node."""
        whole, mine, share = self.node_paths(node), self.pair_share.members[node], self.pair_share.shares[node]
        place = np.searchsorted(mine, np.array(chosen, dtype=np.int64))
        big = self._big_places(mine)
        rng = self._rng("pairs", self.structure.nodes[node], *chosen)
        spread = float(self.pair_share.concentration[node])
        if not len(big):
            return parts(whole, lumped(share, place.tolist()), self.bucket, spread, rng)[:-1]
        own, rest = self._reconciled(whole, mine, share, big, slice(None))
        small, others = np.setdiff1d(place, big), np.setdiff1d(np.arange(len(mine)), big)
        among = lumped(_renormalised(share, others), np.searchsorted(others, small).tolist())
        drawn = parts(rest, among, self.bucket, spread, rng) if len(small) else rest[None]
        found = dict(zip(big.tolist(), own, strict=True)) | dict(zip(small.tolist(), drawn, strict=False))
        return np.stack([found[int(k)] for k in place])

    def pieces(self, node: int, count: int | None = None) -> Iterator[tuple[slice, Floats]]:
        """Paths of all pairs of a node, some steps at a time: (steps, (pairs, paths, steps)), in the order of members.

        They sum to the node's paths. `count` uses only the first paths; memory is bounded by `PIECE` numbers.
        """
        whole = self.node_paths(node)[:count]
        mine, share = self.pair_share.members[node], self.pair_share.shares[node]
        big, spread = self._big_places(mine), float(self.pair_share.concentration[node])
        small = np.setdiff1d(np.arange(len(mine)), big)
        among = _renormalised(share, small)
        rng = self._rng("node", self.structure.nodes[node])
        width = int(np.clip(PIECE // max(len(mine) * len(whole), 1), 1, max(whole.shape[1], 1)))
        for begin in range(0, whole.shape[1], width):
            steps = slice(begin, begin + width)
            here = whole[:, steps]
            if not len(big):
                yield steps, parts(here, share, self.bucket[steps], spread, rng)
                continue
            own, rest = self._reconciled(here, mine, share, big, steps)
            out = np.empty((len(mine), *here.shape))
            out[big] = own
            if len(small):
                out[small] = parts(rest, among, self.bucket[steps], spread, rng)
            else:
                out[big[0]] += rest
            yield steps, out

    def _big_places(self, mine: Ints) -> Ints:
        return np.flatnonzero(np.isin(mine, self.structure.big))

    def _reconciled(self, whole: Floats, mine: Ints, share: Floats, big: Ints, steps: slice) -> tuple[Floats, Floats]:
        left = np.maximum(1.0 - share[big].sum(axis=0), 0.0)[self.bucket[steps]]
        place = [self.structure.big.index(int(mine[k])) for k in big]
        raw = np.moveaxis(self.big_paths[: len(whole), place][:, :, steps], 1, 0)
        return reconciled(whole, raw, whole * left)

    def pair_quantiles(self, node: int, count: int = PAIR_PATHS) -> tuple[Ints, NDArray[np.float32]]:
        """Pairs of a node and their quantiles (pairs, horizon, levels) from `count` paths."""
        mine = self.pair_share.members[node]
        out = np.empty((len(mine), self.paths.shape[2], len(LEVELS)), dtype=np.float32)
        for steps, drawn in self.pieces(node, count):
            out[:, steps] = np.moveaxis(np.quantile(drawn, LEVELS, axis=1), 0, 2)
        return mine, np.maximum.accumulate(out, axis=2)

    def summed(self, key_of_pair: Ints, keys: int) -> Floats:
        """(paths, keys, horizon) sums over all pairs by their key (user, class, …); `key_of_pair` (P,)."""
        out = np.zeros((keys, len(self.paths), self.paths.shape[2]))
        for node, mine in enumerate(self.pair_share.members):
            order = np.argsort(key_of_pair[mine], kind="stable")
            rows, first = np.unique(key_of_pair[mine][order], return_index=True)
            for steps, drawn in self.pieces(node):
                out[rows, :, steps] += np.add.reduceat(drawn[order], first, axis=0)
        return np.moveaxis(out, 0, 1)


def _renormalised(share: Floats, rows: Ints) -> Floats:
    chosen = share[rows]
    return np.asarray(chosen / np.maximum(chosen.sum(axis=0, keepdims=True), 1e-300))


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """Forecasts of all that is modelled: `series`, `big` pairs and `wholes` of labels, in the structure's order."""

    series: tuple[NodeForecast, ...]
    big: tuple[NodeForecast, ...]
    wholes: tuple[NodeForecast, ...]


def joint(
    forecasts: Forecasts,
    *,
    structure: Structure,
    node_share: Shares,
    pair_share: Shares,
    history: History,
    paths: int,
    seed: int,
) -> Joint:
    """Joint paths of all modelled series and big pairs, the series scaled to the wholes of their labels."""
    series, big, wholes = forecasts.series, forecasts.big, forecasts.wholes
    made = [*series, *big, *wholes]
    horizon = made[0].quantiles.shape[0] if made else 0
    count = int(np.clip(MOST_NUMBERS // max(len(made) * horizon, 1), 200, paths)) if made else paths
    word = int(history.end.timestamp())
    drawn = _ranks([m.errors for m in made], count, horizon, np.random.default_rng([seed, word]))
    grid = np.asarray(LEVELS)
    both = np.empty((count, len(made), horizon))
    for k, one in enumerate(made):
        both[:, k] = paths_from_ranks(drawn[:, k], one.quantiles, grid)
    said = list(series)
    for k, (label, whole) in enumerate(zip(structure.wholes, wholes, strict=True)):
        mine = structure.parts_of(label)
        both[:, mine] = scaled_to(both[:, len(series) + len(big) + k], both[:, mine])
        for part in mine:
            reason = f"{said[part].reason}; reconciled to {whole.name}"
            said[part] = replace(said[part], quantiles=path_quantiles(both[:, part]), reason=reason)
    return Joint(
        structure=structure,
        node_share=node_share,
        pair_share=pair_share,
        series=tuple(said),
        big=dict(zip(structure.big, big, strict=True)),
        paths=both[:, : len(series)],
        big_paths=both[:, len(series) : len(series) + len(big)],
        bucket=bucket_of(history, history.length, horizon),
        seed=seed,
        cutoff=history.cutoff,
    )


def _ranks(errors: Sequence[NDArray[np.float32]], count: int, horizon: int, rng: np.random.Generator) -> Floats:
    """(paths, series, horizon) joint levels; series with little history are drawn apart, not to shorten the others'."""
    out = np.empty((count, len(errors), horizon))
    if not errors:
        return out
    size = np.array([int(np.isfinite(e).all(axis=1).sum()) for e in errors])
    long = size >= 0.5 * size.max()
    for chosen in (np.flatnonzero(long), np.flatnonzero(~long)):
        if len(chosen):
            out[:, chosen] = draw_ranks([errors[int(k)].astype(np.float64) for k in chosen], count, horizon, rng)
    return out


def path_quantiles(paths: Floats) -> Floats:
    """(horizon, levels) empirical quantiles of `paths` (paths, horizon)."""
    return np.asarray(np.maximum.accumulate(np.quantile(paths, LEVELS, axis=0).T, axis=1))
