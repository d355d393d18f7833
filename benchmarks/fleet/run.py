"""Three tiers on a fixed fixture: our sizing against the best static mix and against perfect foresight.

    python -m benchmarks.fleet [--data FOLDER] [--traces mongo-01 …] [--seeds 5] [--days 3] [--json OUT]

The fixture is issue 5's (`benchmarks.fleet.fixture`). Every promised share is walked on paths with interruptions of
zones, which is what the two figures are, and on the same paths without them. The static mix and the clairvoyant are
allowed the volume that we left unserved on the same path; `…_at_promised` allows them the promised share, where we left
less. `captured` is (static mix - ours) / (static mix - clairvoyant): how much of what can be saved at all is saved.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import Trace, load, packaged
from benchmarks.fleet.fixture import Fixture, InterruptionPath, fixture, interruption_path
from benchmarks.fleet.limits import best_static, clairvoyant
from benchmarks.fleet.walk import Sizer, walked
from benchmarks.forecast.run import clean

TRACES = ("mongo-01", "machine-01", "ingress-01", "google2019-cpu")
SHARES = (0.01, 0.001)
FIGURES = ("vs_static_mix", "gap", "vs_static_mix_at_promised", "gap_at_promised")


def row_of(sizer: Sizer, path: InterruptionPath, steps: int) -> dict[str, float]:
    """The figures of one path."""
    made = walked(sizer, path, steps)
    it, promised = sizer.it, max(made.unserved, sizer.share * made.demand)
    static, limit = best_static(it, path, steps, made.unserved), clairvoyant(it, path, steps, made.unserved)
    return {
        "share": made.share,
        "zone_interruptions": int((path.interrupted >= 0).sum()),
        "vs_static_mix": made.cost / static,
        "gap": made.cost / limit - 1,
        "captured": captured(made.cost, static, limit),
        "vs_static_mix_at_promised": made.cost / best_static(it, path, steps, promised),
        "gap_at_promised": made.cost / clairvoyant(it, path, steps, promised) - 1,
    }


def captured(ours: float, static: float, limit: float) -> float:
    """What we save of what foresight would save against the static mix; NaN where that is under a thousandth."""
    return (static - ours) / (static - limit) if static - limit > 1e-3 * static else float("nan")


def rows_of(it: Fixture, day: int, shares: Sequence[float], seeds: int, days: float) -> Iterator[dict[str, Any]]:
    """A row per promised share, seed, and with or without interruptions of zones."""
    steps = min(round(days * day), len(it.demand) - it.start)
    for share in shares:
        sizer = Sizer(it=it, share=share)
        for of_zones in (True, False):
            for seed in range(seeds):
                figures = row_of(sizer, interruption_path(steps, seed, of_zones=of_zones), steps)
                yield {
                    "trace": it.name,
                    "promised_share": share,
                    "seed": seed,
                    "with_zone_interruptions": of_zones,
                    **figures,
                }


def means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Geometric means of the ratios and of 1 + the gaps, the mean and the largest obtained share."""
    out = {key: float(np.exp(np.mean([np.log(r[key]) for r in rows]))) for key in FIGURES if key.startswith("vs")}
    out |= {key: float(np.expm1(np.mean([np.log1p(r[key]) for r in rows]))) for key in FIGURES if "gap" in key}
    saved = [row["captured"] for row in rows if np.isfinite(row["captured"])]
    out["captured"] = float(np.mean(saved)) if saved else float("nan")
    shares = [row["share"] for row in rows]
    return out | {"share": float(np.mean(shares)), "share_most": float(np.max(shares)), "runs": len(rows)}


def summarised(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The two figures over all paths with interruptions of zones, and the distribution behind them by trace and promise."""
    of_zones = [row for row in rows if row["with_zone_interruptions"]]
    total = means(of_zones)
    by: dict[str, dict[str, float]] = {}
    for key in dict.fromkeys((r["trace"], r["promised_share"], r["with_zone_interruptions"]) for r in rows):
        chosen = [r for r in rows if (r["trace"], r["promised_share"], r["with_zone_interruptions"]) == key]
        by[f"{key[0]}, {100 * key[1]:g} % promised, {'with' if key[2] else 'without'} interruptions of zones"] = means(
            chosen
        )
    return {
        "tiers_vs_static_mix": total["vs_static_mix"],
        "tiers_gap": total["gap"],
        "all": total,
        "without_zone_interruptions": means([row for row in rows if not row["with_zone_interruptions"]]),
        **{
            f"promised_{100 * share:g}pct": means([r for r in of_zones if r["promised_share"] == share])
            for share in _promised(rows)
        },
        "distribution": by,
        "rows": list(rows),
    }


def _promised(rows: Iterable[dict[str, Any]]) -> list[float]:
    return list(dict.fromkeys(row["promised_share"] for row in rows))


def run(
    traces: Iterable[Trace], *, shares: Sequence[float] = SHARES, seeds: int = 5, days: float = 2.0
) -> dict[str, Any]:
    """The figures over five-minute traces; a progress line per trace and promised share."""
    rows: list[dict[str, Any]] = []
    for trace in traces:
        it = fixture(trace)
        for share in shares:
            made = list(rows_of(it, trace.day, (share,), seeds, days))
            rows += made
            shown = means([row for row in made if row["with_zone_interruptions"]])
            text = (f"{key} {value:.4g}" for key, value in shown.items())
            print(f"tiers  {it.name}  promised {share:g}", *text, sep="  ", file=sys.stderr, flush=True)
    if not rows:
        raise ValueError("three tiers need a five-minute trace")
    return summarised(rows)


def five_minute(folder: Path | None, names: Sequence[str]) -> Iterator[Trace]:
    """The named traces of a folder, or those of five minutes from the packages."""
    found = load(list(names), folder) if folder else packaged()
    yield from (trace for trace in found if trace.step == timedelta(minutes=5))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--traces", nargs="+", default=list(TRACES))
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    result = run(five_minute(said.data, said.traces), shares=said.shares, seeds=said.seeds, days=said.days)
    print(json.dumps(clean({key: value for key, value in result.items() if key != "rows"}), indent=1))
    if said.json:
        said.json.write_text(json.dumps(clean(result), indent=1) + "\n", encoding="utf-8")
