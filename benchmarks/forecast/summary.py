"""From rows per series to the summary: ratios, distances and costs over series, with intervals clustered by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.forecast.measures import clustered, geometric_mean

NAIVE = "seasonal naive"
#: Horizons and the suffix of their keys.
HORIZONS = {"2_steps": "", "24h": "_24h"}
Row = Mapping[str, Any]


def value(row: Row, name: str, horizon: str, measure: str) -> float:
    """One measure of a contender on a series; NaN where it has none."""
    return float(row["contenders"].get(name, {}).get(horizon, {}).get(measure, float("nan")))


def to_naive(row: Row, name: str, horizon: str, measure: str = "wql") -> float:
    """A measure over the seasonal naive's."""
    base = value(row, NAIVE, horizon, measure)
    return value(row, name, horizon, measure) / base if base > 0 else float("nan")


def to_best(row: Row, name: str, horizon: str, peers: Sequence[str]) -> float:
    """Weighted quantile loss over that of the series' best peer (another one than `name`)."""
    losses = [value(row, peer, horizon, "wql") for peer in peers if peer != name]
    best = min((x for x in losses if x > 0), default=float("nan"))
    return value(row, name, horizon, "wql") / best


def _mean(values: Sequence[float]) -> float | None:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else None


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def of_one(rows: Sequence[Row], name: str, peers: Sequence[str]) -> dict[str, Any]:
    """The summary of one contender; numbers are None where nothing could be measured."""
    sources = [row["source"] for row in rows]
    out: dict[str, Any] = {}
    for horizon, suffix in HORIZONS.items():
        ratio = [to_naive(row, name, horizon) for row in rows]
        key = f"wql_vs_seasonal_naive_{horizon}"
        out[key] = _number(geometric_mean(ratio))
        out[f"{key}_interval"] = [_number(x) for x in clustered(ratio, sources)]
        best = [to_best(row, name, horizon, peers) for row in rows]
        known = [x for x in best if np.isfinite(x)]
        out[f"ratio_to_best_peer{suffix}"] = _number(geometric_mean(best))
        out[f"ratio_to_best_peer{suffix}_interval"] = [_number(x) for x in clustered(best, sources)]
        out[f"ratio_to_best_peer{suffix}_p90"] = float(np.quantile(known, 0.9)) if known else None
        out[f"ratio_to_best_peer{suffix}_worst"] = max(known, default=None)
        for share in ("50", "80", "90", "98"):
            away = [abs(value(row, name, horizon, f"coverage{share}") - int(share) / 100) for row in rows]
            out[f"coverage{share}_distance{suffix}"] = _mean(away)
        for measure in ("hour_distance", "tercile_distance", "scaled_interval_score", "mase"):
            out[f"{measure}{suffix}"] = _mean([value(row, name, horizon, measure) for row in rows])
    energy = [row["contenders"].get(name, {}).get("energy_score", float("nan")) for row in rows]
    base = [row["contenders"][NAIVE].get("energy_score", float("nan")) for row in rows]
    over = [a / b if b > 0 else float("nan") for a, b in zip(energy, base, strict=True)]
    out["energy_vs_seasonal_naive"] = _number(geometric_mean(over))
    for key, field in (
        ("seconds_per_series", "seconds_fit"),
        ("seconds_per_update", "seconds_update"),
        ("memory_mib", "memory_mib"),
    ):
        out[key] = _mean([row["contenders"].get(name, {}).get(field, float("nan")) for row in rows])
    return out


def by_model(rows: Sequence[Row], whole: str) -> dict[str, dict[str, float | None]]:
    """Each model alone and the mix without it: loss over the seasonal naive's, and over that of the whole mix."""
    out: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(n for row in rows for n in row["ablation"]):
        out[name] = {}
        for horizon in HORIZONS:
            found = [row["ablation"].get(name, {}).get(horizon, {}).get("wql", float("nan")) for row in rows]
            for label, base in (("vs_seasonal_naive", NAIVE), ("vs_mix", whole)):
                losses = [value(row, base, horizon, "wql") for row in rows]
                ratios = [a / b if b > 0 else float("nan") for a, b in zip(found, losses, strict=True)]
                out[name][f"{horizon}_{label}"] = _number(geometric_mean(ratios))
    return out


def table(titles: Sequence[str], lines: Mapping[str, Sequence[float | None]]) -> str:
    """Aligned text: a name, then numbers; '-' where there is none."""
    width = max([len(name) for name in lines] + [8]) + 2
    head = " " * width + "".join(f"{title:>{max(10, len(title) + 2)}}" for title in titles)
    out = [head]
    for name, numbers in lines.items():
        cells = (
            f"{'-' if x is None or not np.isfinite(x) else format(x, '.4g'):>{max(10, len(title) + 2)}}"
            for x, title in zip(numbers, titles, strict=True)
        )
        out.append(f"{name:<{width}}" + "".join(cells))
    return "\n".join(out)
