"""Figures over traces: means with intervals that resample whole sources, worst traces, and the printed tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sizing.judged import PROMISED, SHARES

Floats = NDArray[np.float64]
DRAWS = 2000
#: Ours may cost so many times what a peer costs and still count as no more expensive.
AS_CHEAP = 1.02


def resampled(values: Floats, sources: Sequence[str], mean: Callable[[Floats], float]) -> tuple[float, float]:
    """95 % interval of `mean` of the finite values when whole sources are drawn again; NaN with fewer than two."""
    kept = np.isfinite(values)
    groups = [values[kept & (np.array(sources) == name)] for name in sorted(set(sources))]
    groups = [group for group in groups if len(group)]
    if len(groups) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    drawn = [mean(np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _geometric(values: Floats) -> float:
    return float(np.exp(np.log(values).mean())) if len(values) else float("nan")


def _arithmetic(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def figures(rows: Sequence[Mapping[str, float]], sources: Sequence[str]) -> dict[str, Any]:
    """A contender's figures over its rows (one per trace, as `judged` makes them).

    Plain numbers: geometric means of the ratios of cost, means of the others, `kept` as the share of traces. Beside them
    `intervals`, `worst` and, for ratios that some trace has not, `traces` with how many have it.
    """
    out: dict[str, Any] = {}
    intervals: dict[str, tuple[float, float]] = {}
    worst: dict[str, float] = {}
    counted: dict[str, int] = {}
    for key in dict.fromkeys(key for row in rows for key in row if not key.startswith("cost")):
        values = np.array([row.get(key, float("nan")) for row in rows])
        found = values[np.isfinite(values)]
        mean = _geometric if "ratio" in key else _arithmetic
        out[key] = mean(found)
        intervals[key] = resampled(values, sources, mean)
        if not key.startswith("kept"):
            worst[key] = float(found.max()) if len(found) else float("nan")
        counted[key] = len(found)
    for label in PROMISED.values():
        over = [row[f"obtained_over_promised_{label}"] for row in rows if f"obtained_over_promised_{label}" in row]
        if over:
            out[f"over_1_5_times_{label}"] = sum(value > 1.5 for value in over)
            out[f"over_3_times_{label}"] = sum(value > 3 for value in over)
    return out | {"intervals": intervals, "worst": worst, "traces": counted}


def as_cheap(rows: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """On how many traces ours is within 1.02 × the cheapest peer, so of every peer: per share, and at all of them."""
    held = {
        label: [row.get(f"frontier_ratio_{label}", float("nan")) <= AS_CHEAP for row in rows]
        for label in SHARES.values()
    }
    return {label: sum(each) for label, each in held.items()} | {
        "all": sum(all(each[i] for each in held.values()) for i in range(len(rows)))
    }


def best_peer(peers: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, Any]:
    """The single peer with the least figure over all traces; one that lacks it on some trace is left out."""
    most = max((peer["traces"].get(key, 0) for peer in peers.values()), default=0)
    found = {name: peer[key] for name, peer in peers.items() if peer["traces"].get(key, 0) == most and most}
    name = min(found, key=lambda one: float(found[one])) if found else None
    return {"name": name, "value": found.get(name) if name else None}


def summary_of(rows: Sequence[Mapping[str, Any]], tiers: Mapping[str, Any]) -> dict[str, Any]:
    """Ours at the top, every peer under `peers`, what each part contributes under `ablation`.

    A peer's promise is what its knob gives when it is chosen on the last 30 % of the training.
    """
    sources = [row["source"] for row in rows]

    def each(kind: str) -> dict[str, dict[str, Any]]:
        names = dict.fromkeys(name for row in rows for name in row[kind])
        none: dict[str, float] = {}
        return {name: figures([row[kind].get(name, none) for row in rows], sources) for name in names}

    peers = each("peers")
    for peer in peers.values():
        peer |= {"tiers_vs_static_mix": None, "tiers_gap": None}
    ours = figures([row["ours"] for row in rows], sources)
    single = [f"{kind}_{label}" for kind in ("frontier_ratio", "violations_vs_tracking") for label in SHARES.values()]
    return {
        **ours,
        "tiers_vs_static_mix": tiers.get("tiers_vs_static_mix"),
        "tiers_gap": tiers.get("tiers_gap"),
        "series": len(rows),
        "within_2pct_of_every_peer": as_cheap([row["ours"] for row in rows]),
        "best_single_peer": {key: best_peer(peers, key) for key in single},
        "peers": peers,
        "ablation": each("ablation"),
    }


def printed(summary: Mapping[str, Any]) -> str:
    """The tables that people read."""
    hindsight = [
        f"{kind}_{label}" for kind in ("frontier_ratio", "violations_vs_tracking") for label in SHARES.values()
    ]
    advance = [
        f"{kind}_{label}" for label in PROMISED.values() for kind in ("promise_ratio", "kept", "obtained_over_promised")
    ]
    every = {"ours": summary, **summary["peers"]}
    parts = [
        "knob in hindsight: cost / cheapest peer of each trace, and violations / target tracking's at its cost\n"
        + _table(every, hindsight),
        "promised in advance (peers: knob from the training): cost / cheapest peer at max(promised, obtained), share kept\n"
        + _table(every, advance),
    ]
    if summary["ablation"]:
        parts.append(
            "what each part contributes\n" + _table({"ours": summary, **summary["ablation"]}, hindsight[:4:2] + advance)
        )
    return "\n\n".join([*parts, _ours(summary)])


def _ours(summary: Mapping[str, Any]) -> str:
    lines = []
    for key, interval in summary["intervals"].items():
        low, high = interval
        worst = summary["worst"].get(key, float("nan"))
        have = summary["traces"][key]
        lines.append(f"{key:36s} {summary[key]:7.3f} [{low:.3f}, {high:.3f}]  worst {worst:.3f}  on {have}")
    cheap = ", ".join(f"{label} {count}" for label, count in summary["within_2pct_of_every_peer"].items())
    lines.append(f"within 1.02 × every peer, of {summary['series']}: {cheap}")
    for key, one in summary["best_single_peer"].items():
        if one["name"]:
            lines.append(f"best single peer, {key}: {one['value']:.3f} ({one['name']})")
    lines += [f"{key}: {summary[key]}" for key in ("tiers_vs_static_mix", "tiers_gap")]
    return "\n".join(lines)


def _table(entries: Mapping[str, Mapping[str, Any]], keys: Sequence[str]) -> str:
    short = {"frontier_ratio": "cost", "violations_vs_tracking": "viol", "promise_ratio": "cost", "kept": "kept"}
    short |= {"obtained_over_promised": "got/promise"}
    heads = []
    for key in keys:
        kind = next(kind for kind in short if key.startswith(kind))
        heads.append(f"{short[kind]} {key[len(kind) + 1 :].replace('_', '.').replace('pct', '%')}")
    lines = [f"{'':40s}" + "".join(f"{head:>15s}" for head in heads)]
    series = max(count for one in entries.values() for count in one["traces"].values())
    for name, one in entries.items():
        cells = (_cell(one.get(key, float("nan")), one["traces"].get(key, 0), series) for key in keys)
        lines.append(f"{name:40s}" + "".join(f"{cell:>15s}" for cell in cells))
    return "\n".join(lines)


def _cell(value: float, have: int, series: int) -> str:
    """A figure, with how many traces have it where not all do."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" + ("" if have == series else f" ({have})")
