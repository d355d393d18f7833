"""The figures of one contender on one trace, all against the cheapest peer of that trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmarks.sizing.frontier import TRACKING, Frontier, charged, cheapest, frontier, outcome
from benchmarks.sizing.peers.knobs import Floats, Peer

#: Shares at which frontiers are compared, and those of them that are also promised in advance.
SHARES: Mapping[float, str] = {0.001: "0_1pct", 0.003: "0_3pct", 0.01: "1pct", 0.03: "3pct"}
PROMISED: Mapping[float, str] = {0.01: "1pct", 0.001: "0_1pct"}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A contender's results: `frontier` with its knob in hindsight, `promised` (share, cost) per promised share without."""

    frontier: Frontier | None = None
    promised: Mapping[float, tuple[float, float]] = field(default_factory=dict)


def point(demand: Floats, counts: Floats) -> tuple[float, float]:
    """Share and cost of one row of counts (n,) for `demand` (n,) in instances, NaN where unknown."""
    shares, costs = outcome(demand, counts[None, :])
    return float(shares[0]), float(costs[0])


def hindsight(demand: Floats, counts: Floats, *, coarse: bool = False) -> Frontier:
    """The frontier of `counts` (settings, n)."""
    return frontier(*outcome(demand, counts), coarse=coarse)


def calibrated(demand: Floats, peer: Peer, cut: int, promised_share: float) -> tuple[float, float]:
    """Share and cost on the test of the setting that was cheapest within the promised share before `cut`.

    `demand` (n,) in instances, NaN where unknown. Where none was within it, of the cheapest that missed least.
    """
    trained = cut - peer.first
    shares, costs = outcome(demand[peer.first : cut], peer.counts[:, :trained])
    best = int(np.lexsort((costs, np.maximum(shares, promised_share)))[0])
    return point(demand[cut:], peer.counts[best, trained:])


def judged(one: Judgement, peers: Mapping[str, Frontier]) -> dict[str, float]:
    """Ratios of cost to the cheapest peer's and of violations to target tracking's; NaN where there is none.

    `frontier_ratio`: at exactly that share. `promise_ratio`: at max(promised, obtained). `violations_vs_tracking`: share at the
    cost that target tracking has at that share, over that share.
    """
    out: dict[str, float] = {}
    if one.frontier is not None:
        for share, label in SHARES.items():
            reaches = not one.frontier.coarse or one.frontier.shares[-1] >= share
            cost = one.frontier.cost_at(share) if reaches else float("nan")
            out[f"frontier_ratio_{label}"] = cost / cheapest(peers, share)[1]
            at = one.frontier.share_at(charged(peers, TRACKING, share))
            out[f"violations_vs_tracking_{label}"] = at / share
    for promised_share, (share, cost) in one.promised.items():
        label = PROMISED[promised_share]
        out[f"promise_ratio_{label}"] = cost / cheapest(peers, max(share, promised_share))[1]
        out[f"obtained_over_promised_{label}"] = share / promised_share
        out[f"kept_{label}"] = float(share <= promised_share)
    return out


def judged_peer(name: str, one: Judgement, peers: Mapping[str, Frontier]) -> dict[str, float]:
    """As `judged`, but charged static peak's cost where the peer's knob does not reach it or costs more."""
    out = judged(one, peers)
    for share, label in SHARES.items():
        out[f"cost_{label}"] = charged(peers, name, share)
        out[f"frontier_ratio_{label}"] = out[f"cost_{label}"] / cheapest(peers, share)[1]
    return out
