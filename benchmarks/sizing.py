"""One pool on real traces: our walk against simple peers with their knob chosen in hindsight, in one run.

`python -m benchmarks.sizing [--data DIR] [--only NAME,…] [--json OUT]`. Cost ratio = our cost / the cheapest peer's of the
trace at max(asked, obtained) share. The peers here are those of `benchmarks.peers.simple`; library models, the
hourly predictive scalers and the three tiers are not in this run (docs/backtest.md), so `tiers_*` are null.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Trace, declared_split, load, packaged
from benchmarks.peers.simple import seasonal_margin, seasonal_quantile, static_peak, target_tracking
from reconciler.onepool.replay import clairvoyant_cost, measured
from reconciler.onepool.walk import allocate, table

Floats = NDArray[np.float64]
LEAD = 1
ASKS = (0.01, 0.001, 0.0005, 0.002, 0.003, 0.005, 0.007, 0.015, 0.02, 0.03, 0.05)
SUMMARISED = {0.01: "1pct", 0.001: "0_1pct"}


def cost_at(shares: Floats, costs: Floats, share: float) -> float:
    """Least cost at a share, linear between the frontier's points; NaN where no setting is that safe."""
    order = np.lexsort((costs, shares))
    x, y = shares[order], np.minimum.accumulate(costs[order])
    return float("nan") if x[0] > share else float(np.interp(share, x, y))


def frontier_of(demand: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Shares and costs of every setting; `demand` (n,) in instances, `counts` (settings, n)."""
    return np.maximum(demand - counts, 0.0).sum(axis=1) / demand.sum(), counts.sum(axis=1)


def peers_of(trace: Trace, unit: float) -> dict[str, tuple[Floats, Floats]]:
    """Every peer's frontier on the test stretch."""
    h, demand = 1 + LEAD, trace.filled / unit
    known = np.isfinite(trace.values[trace.cut :])
    window = max(1, round(timedelta(minutes=15) / trace.step.to_pytimedelta()))
    made = {
        "static-peak": static_peak(demand, trace.cut),
        "target-tracking": target_tracking(demand, trace.cut, h, window),
        "seasonal-naive-margin": seasonal_margin(demand, trace.cut, trace.season),
        "seasonal-naive-quantile": seasonal_quantile(demand, trace.cut, trace.season),
    }
    return {name: frontier_of(demand[trace.cut :][known], counts[:, known]) for name, counts in made.items()}


def row_of(trace: Trace) -> dict[str, Any]:
    """Our walk and the peers on one trace."""
    step, unit = trace.step.to_pytimedelta(), float(np.nanpercentile(trace.values[: trace.cut], 95)) / 20
    times = trace.index.tz_localize(None).to_numpy()
    chosen = table(trace.values, times, step=step, lead=LEAD, unit=unit, start=trace.cut)
    made = allocate(trace.values, chosen, asks=ASKS, step=step, lead=LEAD, unit=unit, start=trace.cut)
    test = trace.values[trace.cut :]
    ours = {one.ask: measured(test, one, unit) for one in made}
    peers = peers_of(trace, unit)
    known = test[np.isfinite(test)]
    points = (np.array([m["violating_share"] for m in ours.values()]), np.array([m["cost"] for m in ours.values()]))
    row: dict[str, Any] = {"name": trace.name, "source": trace.source}
    for ask, label in SUMMARISED.items():
        got = ours[ask]["violating_share"]
        row[f"obtained_{label}"] = got
        row[f"kept_{label}"] = got <= ask
        row[f"promise_ratio_{label}"] = ours[ask]["cost"] / _cheapest(peers, max(got, ask))
        row[f"frontier_ratio_{label}"] = cost_at(*points, ask) / _cheapest(peers, ask)
        row[f"regret_{label}"] = ours[ask]["cost"] / clairvoyant_cost(known, unit, max(got, ask)) - 1
        for name in peers:
            row[f"{name}_{label}"] = _charged(peers, name, ask) / _cheapest(peers, ask)
    return row


def _charged(peers: Mapping[str, tuple[Floats, Floats]], name: str, share: float) -> float:
    """A peer that can't reach a share, or is dearer there than static peak, costs what static peak costs."""
    return float(np.fmin(cost_at(*peers[name], share), cost_at(*peers["static-peak"], share)))


def _cheapest(peers: Mapping[str, tuple[Floats, Floats]], share: float) -> float:
    return min(_charged(peers, name, share) for name in peers)


def geometric(values: Sequence[float], sources: Sequence[str]) -> dict[str, Any]:
    """Geometric mean and its 95 % interval from a bootstrap that draws whole sources; traces without a value counted."""
    kept = [(np.log(v), s) for v, s in zip(values, sources, strict=True) if np.isfinite(v)]
    groups = [[v for v, s in kept if s == name] for name in sorted({s for _, s in kept})]
    if not groups:
        return {"mean": None, "low": None, "high": None, "missing": len(values)}
    rng = np.random.default_rng(0)
    drawn = [
        np.mean(np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])) for _ in range(1000)
    ]
    low, high = np.exp(np.quantile(drawn, [0.025, 0.975]))
    mean = float(np.exp(np.mean([v for v, _ in kept])))
    return {"mean": mean, "low": float(low), "high": float(high), "missing": len(values) - len(kept)}


def summary_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The summary over traces, with every peer's own ratio at the asked shares under `peers`."""
    sources = [row["source"] for row in rows]
    out: dict[str, Any] = {"tiers_vs_static_mix": None, "tiers_gap": None}
    peers = ("static-peak", "target-tracking", "seasonal-naive-margin", "seasonal-naive-quantile")
    for label in SUMMARISED.values():
        for key in (f"frontier_ratio_{label}", f"promise_ratio_{label}"):
            out[key] = geometric([row[key] for row in rows], sources)
        out[f"kept_{label}"] = sum(bool(row[f"kept_{label}"]) for row in rows) / len(rows)
    out["peers"] = {
        name: {
            f"frontier_ratio_{label}": geometric([row[f"{name}_{label}"] for row in rows], sources)
            for label in SUMMARISED.values()
        }
        for name in peers
    }
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk the judged traces of `split.json` (or the packaged ones without `--data`) and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    said = parser.parse_args(arguments)
    only = [name for name in said.only.split(",") if name]
    rows = []
    for trace in load(only or declared_split()["judge"], said.data) if said.data else packaged():
        if only and trace.name not in only:
            continue
        rows.append(row_of(trace))
        shown = {key: value for key, value in rows[-1].items() if "ratio" in key or "obtained" in key}
        print(trace.name, *(f"{key} {value:.4g}" for key, value in shown.items()), sep="  ", flush=True)
    if not rows:
        parser.error("no trace of that name")
    result = {"summary": summary_of(rows), "rows": rows}
    print(json.dumps(result["summary"], indent=1))
    if said.json:
        said.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
