"""How well joint paths are calibrated: coverage of the largest of the next steps and of sums over applications.

    python -m benchmarks.forecast.joint [--data FOLDER] [--half tune|judge] [--only routes] [--json OUT]

- The second part of each series is walked origin by origin with `knots.prequential`, whose rows read nothing newer than
  their cutoff. Paths are drawn as `forecaster.hierarchy.joint` does, from errors that were known at the origin, and scaled to
  the forecast of the whole.
- Sizing reads two things from the paths: the largest step while instances boot (here of the next 2, 3 and 6), and the sum
  over applications. Each is printed with the coverage of its central 50, 80 and 90 % intervals, beside that of paths whose
  steps and applications are drawn independently from the same marginals.
- Counts are judged at a random point of their own step of the distribution function, so that a sparse series is not covered
  by its granularity alone.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import declared_split, load, packaged
from benchmarks.forecast.lstm_pool import flight_pairs
from forecaster.demand import LEVELS
from forecaster.hierarchy.shares import scaled_to
from forecaster.models.base import stretch_of
from forecaster.models.features import seasons_of
from forecaster.models.lstm import pretrained
from forecaster.series.knots import ONE_ORIGIN, knots, prequential
from forecaster.series.paths import KEPT_ORIGINS, draw_ranks, error_levels, paths_from_ranks

Floats = NDArray[np.float64]
#: Steps ahead whose largest is judged; paths per origin; origins per panel at most.
SPANS, PATHS, ORIGINS = (2, 3, 6), 400, 300
#: Central intervals.
COVERAGES = (0.5, 0.8, 0.9)
#: Busiest flight routes of each half that make a panel.
ROUTES = 24


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Series (applications, n) on one grid; `cut` is the first judged row."""

    name: str
    half: str
    values: Floats
    start: int
    step: int
    cut: int


def panels(folder: Path | None) -> Iterator[Panel]:
    """Single series, those of one source side by side, and flight routes."""
    split = declared_split()
    names = {"tune": split["tune"], "judge": split["judge"]}
    for half, listed in names.items():
        traces = list(packaged() if folder is None else load([n for n in listed if "bitbrains" not in n], folder))
        if folder is None and half == "tune":
            continue
        for trace in traces:
            seconds, begin = int(trace.step.total_seconds()), int(trace.index[0].timestamp())
            yield Panel(name=trace.name, half=half, values=trace.values[None], start=begin, step=seconds, cut=trace.cut)
        for prefix in ("tweets", "ingress", "vm"):
            some = [t for t in traces if t.name.startswith(prefix)]
            if len(some) > 1 and len({(t.index[0], t.step) for t in some}) == 1:
                shortest = min(len(t.values) for t in some)
                yield Panel(
                    name=f"{prefix} × {len(some)}",
                    half=half,
                    values=np.stack([t.values[:shortest] for t in some]),
                    start=int(some[0].index[0].timestamp()),
                    step=int(some[0].step.total_seconds()),
                    cut=min(t.cut for t in some),
                )
    if folder is not None:
        yield from _routes(folder)


def _routes(folder: Path) -> Iterator[Panel]:
    """The busiest routes of the flight panel: applications of one fleet, halved by a hash of the name."""
    parts = flight_pairs(folder)
    names = sorted({part.name.split("/")[1] for part in parts})
    rows = {name: np.sum([p.grid.values for p in parts if p.name.endswith(f"/{name}")], axis=0) for name in names}
    for half, rest in (("tune", 0), ("judge", 1)):
        some = [name for name in names if zlib.crc32(name.encode()) % 2 == rest]
        values = np.stack(sorted((rows[name] for name in some), key=lambda row: -float(row.sum()))[:ROUTES])
        first = parts[0]
        yield Panel(
            name=f"routes × {ROUTES}",
            half=half,
            values=values,
            start=first.grid.start,
            step=first.grid.step,
            cut=first.cut,
        )


def judged(panel: Panel, *, seed: int = 0) -> dict[str, dict[str, Floats]]:
    """Where the truth came in (origins,) per measure, by how paths are drawn: "joint" and "independent"."""
    horizon = max(SPANS)
    values = panel.values if len(panel.values) == 1 else np.concatenate((panel.values, panel.values.sum(axis=0)[None]))
    kinds, parts = range(len(values)), slice(0, len(panel.values))
    n = panel.values.shape[1]
    walked = [_walked(panel, row) for row in values]
    forecasts, errors, ends = [one[0] for one in walked], [one[1] for one in walked], walked[0][2]
    origins = np.unique(np.linspace(panel.cut, n - horizon - 1, ORIGINS).astype(int))
    rng = np.random.default_rng(seed)
    out: dict[str, dict[str, list[float]]] = {"joint": {}, "independent": {}}
    for origin in origins:
        truth = panel.values[:, origin + 1 : origin + 1 + horizon]
        marginals = [np.stack([_row(forecasts[k], origin, h) for h in range(1, horizon + 1)]) for k in kinds]
        if not np.isfinite(truth).all() or not np.isfinite(marginals).all():
            continue
        # An origin's errors are known once its last step has ended.
        known = [e[: np.searchsorted(ends, origin, side="right")][-KEPT_ORIGINS:] for e in errors]
        drawn = {
            "joint": draw_ranks(known, PATHS, horizon, rng),
            "independent": rng.random((PATHS, len(known), horizon)),
        }
        for how, ranks in drawn.items():
            paths = np.stack([paths_from_ranks(ranks[:, k], marginals[k], np.asarray(LEVELS)) for k in kinds], axis=1)
            if how == "joint" and len(values) > 1:
                paths = scaled_to(paths[:, -1], paths[:, parts])
            for measure, (sample, value) in _measures(paths[:, parts], truth).items():
                out[how].setdefault(measure, []).append(_level(sample, value, rng))
    return {how: {name: np.array(levels) for name, levels in found.items()} for how, found in out.items()}


def _walked(panel: Panel, row: Floats) -> tuple[list[tuple[int, Floats]], Floats, NDArray[np.int64]]:
    """Quantiles of every row by horizon; error levels of the origins that a forecast would look back at, and the last
    rows that those needed."""
    horizon, pipeline = max(SPANS), replace(ONE_ORIGIN, quantile_models=(pretrained(),))
    stretch = stretch_of(row, start=panel.start, step=panel.step, seasons=seasons_of(panel.step), trained=panel.cut)
    strided = replace(stretch, horizons=knots(horizon))
    every, some = ([(h, prequential(one, h, pipeline).quantiles) for h in knots(horizon)] for one in (stretch, strided))
    n, stride = len(row), strided.stride(1)
    ends = np.arange((n - 1) % stride, n - horizon, stride) + horizon
    return every, error_levels(row, some, horizon, np.asarray(LEVELS), stride=stride), ends


def _row(forecasts: Sequence[tuple[int, Floats]], origin: int, h: int) -> Floats:
    """The quantiles for step origin + h: those of the next longer modelled horizon, as `forecast_series` takes them."""
    return np.asarray(next(quantiles for modelled, quantiles in forecasts if modelled >= h)[origin + h])


def _measures(paths: Floats, truth: Floats) -> Mapping[str, tuple[Floats, float]]:
    """Samples (paths,) and truth of each measure, from `paths` (paths, applications, steps)."""
    whole, came = paths.sum(axis=1), truth.sum(axis=0)
    out = {f"max of {span}": (whole[:, :span].max(axis=1), float(came[:span].max())) for span in SPANS}
    return out | {"sum, step 2" if len(truth) > 1 else "step 2": (whole[:, 1], float(came[1]))}


def _level(sample: Floats, value: float, rng: np.random.Generator) -> float:
    """Randomised probability integral transform (Czado, Gneiting and Held 2009)."""
    slack = 1e-9 * (1 + abs(value))
    below, upto = float((sample < value - slack).mean()), float((sample <= value + slack).mean())
    return below + float(rng.random()) * (upto - below)


def coverage(levels: Floats) -> dict[str, float]:
    """Shares inside the central intervals."""
    return {f"{c:.0%}": float((np.abs(levels - 0.5) <= c / 2).mean()) for c in COVERAGES}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast.joint", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of traces (see benchmarks.data); default: the packaged ones")
    parser.add_argument("--half", choices=("tune", "judge"), help="only this half of split.json")
    parser.add_argument("--only", default="", help="only panels whose name begins so")
    parser.add_argument("--json", type=Path, help="write the table here")
    options = parser.parse_args(arguments)
    rows = []
    print(f"{'half':6s}{'series':22s}{'measure':13s}{'origins':>8s}   joint 50/80/90      independent 50/80/90")
    for panel in panels(options.data):
        if options.half not in (None, panel.half) or not panel.name.startswith(options.only):
            continue
        found = judged(panel)
        for measure, levels in found["joint"].items():
            both = {how: coverage(found[how][measure]) for how in found}
            rows.append({"half": panel.half, "series": panel.name, "measure": measure, "origins": len(levels), **both})
            said = "   ".join("/".join(f"{v:.3f}" for v in one.values()) for one in both.values())
            print(f"{panel.half:6s}{panel.name:22s}{measure:13s}{len(levels):8d}   {said}", flush=True)
    for half in ("tune", "judge"):
        for measure in sorted({str(r["measure"]) for r in rows}):
            some = [r for r in rows if r["half"] == half and r["measure"] == measure]
            if some:
                mean = {
                    how: [float(np.mean([r[how][k] for r in some])) for k in coverage(np.zeros(1))]  # type: ignore[index]
                    for how in ("joint", "independent")
                }
                said = "   ".join("/".join(f"{v:.3f}" for v in one) for one in mean.values())
                print(f"{half:6s}{'mean':22s}{measure:13s}{len(some):8d}   {said}")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
