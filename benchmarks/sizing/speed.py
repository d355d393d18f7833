"""How fast the sizing is, and how near to its proven bound: 50 applications × 30 types × 12 steps × 50 paths, one core.

    python -m benchmarks.sizing.speed [--seeds 5] [--json OUT]

Two questions per seed: a warm-started plan within 5 % (the demand moved on by one step, the former plan given), and a
plan from nothing within 1 %. Demand is synthetic (daily shape, lognormal growth of uncertainty), types and prices are
the built-in catalogue's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reconciler.prices.catalogue import Catalogue, builtin
from reconciler.sizing import ClassTerms, Option, OwnHost, Sizing, SizingProblem, class_service, demand_section, size
from reconciler.slo.latency import ServiceTime
from stacks.contract import Tier

APPLICATIONS, STEPS, PATHS = 50, 12, 50
CLASSES = ("platinum", "gold", "silver", "bronze", "batch")
TIERS = {
    "platinum": (Tier.HOT, Tier.WARM),
    "gold": (Tier.HOT, Tier.WARM, Tier.COLD),
    "silver": (Tier.WARM, Tier.COLD),
    "bronze": (Tier.WARM, Tier.COLD),
    "batch": (Tier.COLD,),
}


def options(catalogue: Catalogue, observed: dict[str, int]) -> tuple[Option, ...]:
    """3 flavours of our own, 12 warm types (one of them committed), 15 cold types in three zones."""
    names = sorted(catalogue.types)
    hot = [("small", 2), ("medium", 4), ("large", 8)]
    found = [
        Option(
            name=f"hot/{n}",
            tier=Tier.HOT,
            instance_type=n,
            vcpu=v,
            memory_mib=4096 * v,
            usd_per_hour=0.0,
            boot_seconds=600,
            observed=observed.get(f"hot/{n}", 0),
        )
        for n, v in hot
    ]
    for tier, chosen, boot in ((Tier.WARM, names[:12], 30.0), (Tier.COLD, names[-15:], 180.0)):
        for index, name in enumerate(chosen):
            kind, spot = catalogue.type(name), tier is Tier.COLD
            key = f"{tier.value}/{name}"
            found.append(
                Option(
                    name=key,
                    tier=tier,
                    instance_type=name,
                    vcpu=kind.vcpu,
                    memory_mib=kind.memory_mib,
                    network_mbps=kind.network_mbps,
                    usd_per_hour=catalogue.price(name, "spot" if spot else "on_demand"),
                    committed=20 if key == "warm/c6i.xlarge" else 0,
                    boot_seconds=boot,
                    zone=f"zone-{index % 3}" if spot else "",
                    interruption=0.002 if spot else 0.0,
                    interrupted_share=0.5,
                    spot=spot,
                    observed=observed.get(key, 0),
                )
            )
    return tuple(found)


def demand(rng: np.random.Generator, start: int) -> tuple[NDArray[np.float64], list[ServiceTime], list[str]]:
    """(paths, applications, steps) requests/s with the applications' services and classes."""
    level = rng.lognormal(3.0, 1.0, APPLICATIONS)
    phase = rng.uniform(0, 2 * np.pi, APPLICATIONS)
    hours = (start + np.arange(STEPS)) / 12
    shape = 1 + 0.4 * np.sin(2 * np.pi * hours / 24 + phase[:, None])
    noise = np.exp(np.cumsum(rng.normal(0, 0.06, (PATHS, APPLICATIONS, STEPS)), axis=2))
    services = [
        ServiceTime(mean_s=m, scv=v, memory_mib=b)
        for m, v, b in zip(
            rng.uniform(0.02, 0.2, APPLICATIONS),
            rng.uniform(0.25, 4, APPLICATIONS),
            rng.uniform(10, 600, APPLICATIONS),
            strict=True,
        )
    ]
    return level[:, None] * shape * noise, services, [CLASSES[i % len(CLASSES)] for i in range(APPLICATIONS)]


def problem(seed: int, start: int, observed: dict[str, int], time_limit_s: float = 10.0) -> SizingProblem:
    """The problem of one seed, `start` steps into the day."""
    paths, services, classes = demand(np.random.default_rng(seed), start)
    grouped, mixed = [], {}
    for name in CLASSES:
        mine = [i for i, c in enumerate(classes) if c == name]
        grouped.append(paths[:, mine].sum(axis=1))
        mixed[name] = class_service([services[i] for i in mine], [float(paths[:, i].mean()) for i in mine])
    totals = np.stack(grouped, axis=1)
    latency_ms = {"platinum": 600, "gold": 700, "silver": 900, "bronze": 1500, "batch": 5000}
    promised = {"platinum": 0.001, "gold": 0.005, "silver": 0.01, "bronze": 0.02, "batch": 0.05}
    section = demand_section(
        {
            name: ClassTerms(
                service=mixed[name],
                latency_ms=latency_ms[name],
                percentile=0.95,
                promised_share=promised[name],
                tiers=TIERS[name],
            )
            for name in CLASSES
        },
        totals,
        step_seconds=300,
        window=2,
        round_trip_ms={Tier.HOT: 1, Tier.WARM: 10, Tier.COLD: 20},
    )
    hosts = tuple(OwnHost(name=f"hv{n}", tier=Tier.HOT, cores=32, memory_mib=131072) for n in range(3))
    return SizingProblem(
        demand=section,
        paths=totals,
        options=options(builtin(), observed),
        window=2,
        hosts=hosts,
        spare_hosts=1,
        load_now={name: float(totals[:, k, 0].mean()) for k, name in enumerate(CLASSES)},
        time_limit_s=time_limit_s,
    )


def timed(asked: SizingProblem, gap: float, warm: Sizing | None = None) -> tuple[float, Sizing]:
    """CPU seconds of this process (one thread; a busy machine does not count) and the answer."""
    before = time.process_time()
    answer = size(asked, gap=gap, warm=warm)
    return time.process_time() - before, answer


def run(seeds: int) -> dict[str, object]:
    """Rows per seed, with medians and worst cases."""
    rows = []
    for seed in range(seeds):
        cold_s, cold = timed(problem(seed, 96, {}), 0.01)
        running = {c.option: c.after for c in cold.counts}
        warm_s, warm = timed(problem(seed, 97, running), 0.05, cold)
        rows.append(
            {
                "seed": seed,
                "cold_seconds": round(cold_s, 3),
                "cold_gap": round(cold.gap, 5),
                "warm_seconds": round(warm_s, 3),
                "warm_gap": round(warm.gap, 5),
                "usd_per_hour": round(cold.usd_after, 3),
                "status": cold.status,
                "instances": sum(running.values()),
            }
        )
        print(rows[-1], flush=True)
    keys = ("cold_seconds", "cold_gap", "warm_seconds", "warm_gap")
    worst = {f"worst_{k}": max(float(str(r[k])) for r in rows) for k in keys}
    median = {f"median_{k}": statistics.median(float(str(r[k])) for r in rows) for k in keys}
    return {"summary": {**median, **worst}, "rows": rows}


def main() -> None:
    """Print the rows and the summary."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sizing.speed", description="Speed and gap of the sizing."
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = run(arguments.seeds)
    print(json.dumps(result["summary"], indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
