"""One pool on real traces: our walk beside widely used autoscalers, and three tiers, in one run.

    python -m benchmarks.sizing [--data DIR] [--only NAME …] [--quick] [--json OUT] [--lead N] [--instances N]

- Each peer's one knob is chosen in hindsight on the test. Ours has none to choose where a share is promised in advance.
- Cost ratio = cost / the cheapest peer's of that trace.
- `ablation` separates what forecast, pacing and program contribute: peers with our pacing, their distributions in our
  program, and our own with the promise as a knob.
- Library models are fitted once; the cache folder of `benchmarks.forecast.run` keeps their forecasts.
- Without `--data` the series come from PyPI packages (extra `lab`), with `--history` from any tidy file.

docs/backtest.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import SPEC
from benchmarks.fleet.run import TRACES as TIERED
from benchmarks.fleet.run import run
from benchmarks.forecast.peers import LIBRARY, warmed
from benchmarks.forecast.run import cache_folder, clean
from benchmarks.sizing.contenders import Case, by_pace, by_program, by_table, case_of, our_table, peers_of
from benchmarks.sizing.frontier import cheapest
from benchmarks.sizing.judged import PROMISED, SHARES, Judgement, calibrated, hindsight, judged, judged_peer, point
from benchmarks.sizing.peers.knobs import Peer
from benchmarks.sizing.summary import printed, summary_of
from benchmarks.sizing.traces import FINEST, traces
from reconciler.onepool.replay import clairvoyant_cost
from reconciler.onepool.walk import allocate

#: Promised shares: those of the figures and, around them, what the ablation interpolates.
SHARES_WALKED = (0.01, 0.001, 0.0005, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07)
QUICK_SHARES_WALKED = (0.01, 0.001, 0.0005, 0.003, 0.02, 0.05)
QUICK_LIBRARY = ("MSTL-ETS",)


def ours(case: Case, promised_shares: Sequence[float]) -> tuple[Judgement, Judgement]:
    """One risk in hindsight and, without hindsight, paced to a share; for the ablation, the promised share as the knob."""
    trace, cut = case.trace, case.trace.cut
    test, step = case.known[cut:], trace.step.to_pytimedelta()
    chosen = our_table(case)
    made = allocate(
        trace.values, chosen, promised_shares=promised_shares, step=step, lead=case.lead, unit=case.unit, start=cut
    )
    counts = np.array([one.counts[: len(test)] for one in made], dtype=float)
    promised = {
        promised_share: point(test, counts[promised_shares.index(promised_share)]) for promised_share in PROMISED
    }
    fixed = hindsight(test, chosen.counts[cut : cut + len(test)].T)
    return Judgement(frontier=fixed, promised=promised), Judgement(frontier=hindsight(test, counts, coarse=True))


def of_peer(case: Case, peer: Peer) -> Judgement:
    """Its frontier, and what its knob gives when it is chosen before the test."""
    cut = case.trace.cut
    return Judgement(
        frontier=hindsight(case.known[cut:], peer.counts[:, cut - peer.first :]),
        promised={promised_share: calibrated(case.known, peer, cut, promised_share) for promised_share in PROMISED},
    )


def ablation_of(case: Case, name: str, peer: Peer) -> Iterator[tuple[str, Judgement]]:
    """The peer turned by our pacing; its distribution given to our program, with and without pacing."""
    test = case.known[case.trace.cut :]
    turned = {promised_share: point(test, by_pace(case, peer, promised_share)) for promised_share in PROMISED}
    yield f"{name}, paced", Judgement(promised=turned)
    if peer.mean is None:
        return
    counts, expected = by_program(peer)
    yield (
        f"{name}, program, paced",
        Judgement(
            frontier=hindsight(test, counts[case.trace.cut - case.first :].T),
            promised={
                promised_share: point(test, by_table(case, counts, expected, promised_share))
                for promised_share in PROMISED
            },
        ),
    )


def row_of(
    case: Case, *, libraries: Sequence[str], promised_shares: Sequence[float], cache: Path | None, ablate: bool
) -> dict[str, Any]:
    """All contenders on one trace."""
    peers: dict[str, Judgement] = {}
    parts: dict[str, Judgement] = {}
    for name, peer in peers_of(case, libraries, cache):
        peers[name] = of_peer(case, peer)
        if ablate:
            parts |= dict(ablation_of(case, name, peer))
    walked, turned = ours(case, promised_shares)
    if ablate:
        parts["ours, the promised share as knob"] = turned
    frontiers = {name: one.frontier for name, one in peers.items() if one.frontier is not None}
    trace = case.trace
    test = trace.values[trace.cut :]
    row: dict[str, Any] = {
        "name": trace.name,
        "source": trace.source,
        "step_seconds": trace.step.total_seconds(),
        "test_steps": int(np.isfinite(test).sum()),
        "unit": case.unit,
        "lead": case.lead,
        "ours": judged(walked, frontiers),
        "peers": {name: judged_peer(name, one, frontiers) for name, one in peers.items()},
        "ablation": {name: judged(one, frontiers) for name, one in parts.items()},
    }
    for share, label in SHARES.items():
        row[f"cheapest_{label}"], row[f"cheapest_cost_{label}"] = cheapest(frontiers, share)
        limit = clairvoyant_cost(test[np.isfinite(test)], case.unit, share)
        row[f"clairvoyant_ratio_{label}"] = limit / row[f"cheapest_cost_{label}"]
    for promised_share, label in PROMISED.items():
        row[f"obtained_{label}"], cost = walked.promised[promised_share]
        limit = clairvoyant_cost(test[np.isfinite(test)], case.unit, max(row[f"obtained_{label}"], promised_share))
        row[f"regret_{label}"] = cost / limit - 1
    return row


def arguments_of(given: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line; `only` is a list of known names."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sizing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of traces (see benchmarks.data)")
    parser.add_argument("--history", type=Path, nargs="+", default=[], help="tidy files of other traces, instead")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these series only")
    parser.add_argument("--json", type=Path, help="write summary and rows here")
    parser.add_argument("--quick", action="store_true", help="few traces, promises and libraries, no ablation")
    parser.add_argument("--no-ablation", action="store_true", help="leave out what each part contributes")
    parser.add_argument("--lead", type=int, default=1, help="steps that an instance takes to boot")
    parser.add_argument("--instances", type=float, default=20.0, help="instances at the training's 95th percentile")
    parser.add_argument("--no-tiers", action="store_true", help="leave out the three tiers")
    parser.add_argument(
        "--tiers-days", type=float, help="days of the test that the three tiers are walked (2; quick 1)"
    )
    parser.add_argument("--tiers-seeds", type=int, help="paths of spot interruptions (5; quick 2)")
    parser.add_argument("--cache", type=Path, default=cache_folder(), help="folder of library models' forecasts")
    parser.add_argument("--no-cache", action="store_true", help="run the library models again and keep nothing")
    said = parser.parse_args(given)
    said.only = [name for group in said.only for name in group.split(",") if name]
    unknown = [name for name in said.only if said.data and not said.history and name.partition("@")[0] not in SPEC]
    if unknown:
        parser.error(f"no series {', '.join(unknown)}; known are {', '.join(SPEC)}")
    if said.lead < 0 or not said.instances > 0:
        parser.error("--lead must be at least 0 and --instances above 0")
    return said


def main(given: Sequence[str] | None = None) -> None:
    """Run every trace, print the tables, and keep the JSON after every trace."""
    said = arguments_of(given)
    libraries = QUICK_LIBRARY if said.quick else LIBRARY
    promised_shares, cache = QUICK_SHARES_WALKED if said.quick else SHARES_WALKED, None if said.no_cache else said.cache
    warmed()
    rows: list[dict[str, Any]] = []
    for trace in traces(said.data, said.history, said.only, quick=said.quick):
        begun = time.perf_counter()
        case = case_of(trace, lead=said.lead, instances=said.instances)
        ablate = not (said.quick or said.no_ablation)
        rows.append(row_of(case, libraries=libraries, promised_shares=promised_shares, cache=cache, ablate=ablate))
        shown = (f"{key} {rows[-1]['ours'][key]:.3f}" for key in _PROGRESS)
        print(
            f"{trace.name:18s}", *shown, f"{time.perf_counter() - begun:.0f} s", sep="  ", file=sys.stderr, flush=True
        )
        _kept(said.json, rows)
    if not rows:
        raise SystemExit("no trace of that name")
    tiers = {} if said.no_tiers else three_tiers(said)
    print(printed(_kept(said.json, rows, tiers)))


def three_tiers(said: argparse.Namespace) -> dict[str, Any]:
    """The figures of `benchmarks.fleet.run` on the run's five-minute traces, of a folder on those named there; empty without."""
    every = traces(said.data, said.history, said.only or (() if said.data is None else TIERED), quick=said.quick)
    chosen = [trace for trace in every if trace.step == FINEST]
    chosen = chosen[:1] if said.quick else chosen
    if not chosen:
        return {}
    days, seeds = (1.0, 2) if said.quick else (2.0, 5)
    return run(
        chosen,
        seeds=seeds if said.tiers_seeds is None else said.tiers_seeds,
        days=days if said.tiers_days is None else said.tiers_days,
    )


_PROGRESS = [f"{kind}_{label}" for label in PROMISED.values() for kind in ("frontier_ratio", "promise_ratio", "kept")]


def _kept(path: Path | None, rows: Sequence[dict[str, Any]], tiers: dict[str, Any] | None = None) -> dict[str, Any]:
    """The summary, also written: a long run that is cut short leaves what it had."""
    summary = summary_of(rows, tiers or {})
    if path:
        text = json.dumps(clean({"summary": summary, "rows": rows, "tiers": tiers or None}), indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    return summary
