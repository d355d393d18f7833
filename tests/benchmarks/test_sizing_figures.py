"""The figures of the comparison: frontiers, the cheapest peer, knobs chosen before the test, intervals by source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.sizing.frontier import STATIC, TRACKING, charged, cheapest, frontier, outcome
from benchmarks.sizing.judged import Judgement, calibrated, judged, judged_peer
from benchmarks.sizing.peers.knobs import Peer
from benchmarks.sizing.summary import as_cheap, best_peer, figures, resampled, summary_of


def test_a_frontier_keeps_what_nothing_beats() -> None:
    made = frontier(np.array([0.02, 0.0, 0.01, 0.01]), np.array([5.0, 10.0, 12.0, 8.0]))
    assert made.shares.tolist() == [0.0, 0.01, 0.02]
    assert made.costs.tolist() == [10.0, 8.0, 5.0]
    assert made.cost_at(0.005) == pytest.approx(9.0)
    assert made.cost_at(0.5) == 5.0
    assert made.share_at(9.0) == pytest.approx(0.005)
    assert made.share_at(50.0) == 0.0
    assert math.isnan(made.share_at(4.0))


def test_a_share_that_no_setting_reaches_has_no_cost() -> None:
    assert math.isnan(frontier(np.array([0.01]), np.array([5.0])).cost_at(0.001))


def test_few_settings_are_joined_over_the_logarithm_of_the_share() -> None:
    made = frontier(np.array([0.001, 0.1]), np.array([10.0, 6.0]), coarse=True)
    assert made.cost_at(0.01) == pytest.approx(8.0)
    assert made.share_at(8.0) == pytest.approx(0.01)


def test_outcomes_leave_out_what_is_unknown() -> None:
    shares, costs = outcome(np.array([4.0, np.nan, 6.0]), np.array([[4.0, 9.0, 5.0], [4.0, 9.0, 6.0]]))
    assert shares.tolist() == [0.1, 0.0]
    assert costs.tolist() == [9.0, 10.0]


STATIC_ONE = frontier(np.array([0.0005, 0.05]), np.array([20.0, 18.0]))
TRACKING_ONE = frontier(np.array([0.005, 0.05]), np.array([12.0, 10.0]))


def test_a_peer_that_cannot_reach_a_share_costs_what_static_peak_costs() -> None:
    peers = {STATIC: STATIC_ONE, TRACKING: TRACKING_ONE}
    assert charged(peers, TRACKING, 0.001) == pytest.approx(STATIC_ONE.cost_at(0.001))
    assert cheapest(peers, 0.05) == (TRACKING, 10.0)
    assert judged_peer(TRACKING, Judgement(frontier=TRACKING_ONE), peers)["frontier_ratio_1pct"] == 1.0


def test_a_promise_is_charged_at_the_larger_of_promised_and_obtained() -> None:
    peers = {STATIC: STATIC_ONE, TRACKING: TRACKING_ONE}
    broken = judged(Judgement(promised={0.01: (0.05, 11.0)}), peers)
    assert broken["promise_ratio_1pct"] == pytest.approx(1.1)
    assert broken["kept_1pct"] == 0.0
    assert broken["obtained_over_promised_1pct"] == pytest.approx(5.0)
    kept = judged(Judgement(promised={0.01: (0.001, 11.0)}), peers)
    assert kept["promise_ratio_1pct"] == pytest.approx(11.0 / TRACKING_ONE.cost_at(0.01))


def test_a_knob_is_chosen_on_the_rows_before_the_cut() -> None:
    counts = np.array([[3.0] * 6, [2.0] * 6, [1.0] * 6])
    demand = np.array([9.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0])
    share, cost = calibrated(demand, Peer(first=1, counts=counts), 3, 0.01)
    assert cost == 8.0
    assert share == pytest.approx(4 / 12)


def test_a_knob_that_never_kept_the_share_is_set_to_what_missed_least() -> None:
    counts = np.array([[5.0] * 4, [4.0] * 4, [4.0] * 4])
    demand = np.array([9.0, 9.0, 1.0, 1.0])
    assert calibrated(demand, Peer(first=0, counts=counts), 2, 0.001)[1] == 10.0


def test_intervals_draw_whole_sources() -> None:
    values = np.array([1.0, 1.0, 3.0, 3.0])
    low, high = resampled(values, ["a", "a", "b", "b"], lambda v: float(v.mean()))
    assert (low, high) == (1.0, 3.0)
    assert all(math.isnan(x) for x in resampled(values, ["a"] * 4, lambda v: float(v.mean())))


def test_figures_over_traces() -> None:
    rows = [
        {"promise_ratio_1pct": 0.5, "kept_1pct": 1.0, "obtained_over_promised_1pct": 0.2},
        {"promise_ratio_1pct": 2.0, "kept_1pct": 0.0, "obtained_over_promised_1pct": 3.4},
    ]
    made = figures(rows, ["a", "b"])
    assert made["promise_ratio_1pct"] == pytest.approx(1.0)
    assert made["kept_1pct"] == 0.5
    assert (made["over_1_5_times_1pct"], made["over_3_times_1pct"]) == (1, 1)
    assert made["worst"]["promise_ratio_1pct"] == 2.0


def test_ours_is_as_cheap_only_where_it_is_at_every_share() -> None:
    rows = [
        {
            "frontier_ratio_0_1pct": 1.0,
            "frontier_ratio_0_3pct": 1.01,
            "frontier_ratio_1pct": 1.02,
            "frontier_ratio_3pct": 0.9,
        },
        {"frontier_ratio_0_1pct": float("nan"), "frontier_ratio_0_3pct": 1.1, "frontier_ratio_1pct": 1.0},
    ]
    assert as_cheap(rows) == {"0_1pct": 1, "0_3pct": 1, "1pct": 2, "3pct": 1, "all": 1}


def test_the_best_single_peer_has_the_figure_on_every_trace() -> None:
    peers = {"a": {"x": 0.1, "traces": {"x": 1}}, "b": {"x": 0.4, "traces": {"x": 2}}}
    assert best_peer(peers, "x") == {"name": "b", "value": 0.4}


def test_the_summary_holds_the_promised_keys_as_plain_numbers() -> None:
    frontiers = {STATIC: STATIC_ONE, TRACKING: TRACKING_ONE}
    promised = {0.01: (0.001, 11.0), 0.001: (0.0, 15.0)}
    one = Judgement(frontier=TRACKING_ONE, promised=promised)
    peers = {name: judged_peer(name, one, frontiers) for name in frontiers}
    row = {"source": "a", "ours": judged(one, frontiers), "peers": peers, "ablation": {}}
    summary = summary_of([row], {"tiers_vs_static_mix": 0.7, "tiers_gap": 0.1})
    keys = [f"{kind}_{label}" for kind in ("frontier_ratio", "promise_ratio", "kept") for label in ("1pct", "0_1pct")]
    for key in [*keys, "tiers_vs_static_mix", "tiers_gap"]:
        assert isinstance(summary[key], float)
        assert key in summary["peers"][TRACKING]
