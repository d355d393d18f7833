"""Three tiers on a fixed fixture: our sizing against the best static mix and against perfect foresight.

    python -m benchmarks.tiers [--data FOLDER] [--traces mongo-01 …] [--share 0.01] [--seeds 5] [--days 3] [--json OUT]

The fixture (issue 5): one instance serves unit = (95th percentile of the training) / 20 a step. Hot: 30 % of that
percentile, owned and sunk. Warm: a commitment at 0.62 × the on-demand price, paid always, of the size that FIELD.md's rule
keeps (share of training time that needs it > 0.62); beyond it on-demand at 1. Spot at 0.34 in two zones. Common shocks take
one zone, half of the spot, two a week; beside them every instance is lost by itself once in five weeks. Boots take 10 min,
30 s and 3 min and are billed from launch; a step is five minutes. The decision for a step knows the steps before it.

The static mix is the cheapest of all mixes of constant counts that violates no more than we did, chosen in hindsight on the
same losses. The clairvoyant is a linear program that knows demand and losses, with the same boots and the same violations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Trace, load, packaged
from forecaster.demand import LEVELS
from forecaster.features import seasons_of
from forecaster.models.base import stretch_of
from forecaster.paths import draw_ranks, levels_of, paths_from_ranks
from forecaster.pipeline import prequential, seconds_of
from reconciler.latency import SafeLoads, Service
from reconciler.sizing import Option, SizingProblem, size
from reconciler.sizing.milp import Program
from stacks.contract import ClassDemand, Demand, Tier
from stacks.contract import Service as ContractService

Floats = NDArray[np.float64]

HORIZON, PATHS = 6, 40
COMMITTED, SPOT = 0.62, 0.34
SHOCKS_PER_STEP = 2 / 2016
LOST_ALONE_PER_STEP = 1 / (5 * 2016)
#: Share of its first step that a started instance serves; hot serves from the third step on.
WARM_START, SPOT_START, HOT_STEPS = 0.9, 0.4, 2
ZONES = ("a", "b")

#: So many slots per instance that pooling gains nothing: capacity is a plain sum, as the fixture wants it.
_SERVICE = ContractService(mean_ms=50, concurrency_per_vcpu=8192)
_PROMISE = {"latency_ms": 500.0, "percentile": 0.95}
_TABLE = SafeLoads(service=Service.of(_SERVICE), target_ms=500.0, percentile=0.95)


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """A trace in instances: demand (n,), first test step, hot and committed counts, what was forecast.

    quantiles: (n, horizon, levels) for step t + j, known at t; ranks: (paths, horizon) joint levels of the training.
    """

    name: str
    demand: Floats
    start: int
    hot: int
    committed: int
    quantiles: Floats
    ranks: Floats


def fixture(trace: Trace, seed: int = 0) -> Fixture:
    """Scale a five-minute trace and forecast every step of it HORIZON steps ahead; row t uses nothing newer."""
    values = trace.filled
    unit = float(np.quantile(values[: trace.cut], 0.95)) / 20
    length = round(trace.step.total_seconds())
    times = trace.index.tz_localize(None).to_numpy()
    stretch = stretch_of(
        trace.values,
        start=int(seconds_of(times[:1])[0]),
        step=length,
        seasons=seasons_of(length),
        trained=trace.cut,
        known=None,
    )
    made = [prequential(stretch, h).quantiles for h in range(1, HORIZON + 1)]
    # Row j of `quantiles[t]` is the forecast of step t + j made when step t − 1 was the newest: h = j + 1.
    count = len(values) - HORIZON
    quantiles = np.stack([made[j][j : j + count] for j in range(HORIZON)], axis=1) / unit
    first = max(trace.cut - 14 * trace.day, 2 * trace.day)
    grid = np.asarray(LEVELS)
    errors = np.stack(
        [
            levels_of(
                values[first + j : trace.cut - HORIZON + j] / unit, quantiles[first : trace.cut - HORIZON, j], grid
            )
            for j in range(HORIZON)
        ],
        axis=1,
    )
    demand = values / unit
    hot = round(0.3 * 20)
    # Kept while the share of training time that needs the k-th warm instance exceeds the price ratio.
    need = np.sort(np.ceil(np.maximum(demand[: trace.cut] - hot, 0)))[::-1]
    committed = int(need[int(COMMITTED * len(need))])
    ranks = draw_ranks([errors], PATHS, HORIZON, np.random.default_rng(seed))[:, 0]
    return Fixture(
        name=trace.name,
        demand=demand[:count],
        start=trace.cut,
        hot=hot,
        committed=committed,
        quantiles=quantiles,
        ranks=ranks,
    )


@dataclass(frozen=True, kw_only=True)
class Losses:
    """shocked: (steps,) zone lost at the step's start or -1; alone: (steps, zones, 200) uniform draws."""

    shocked: NDArray[np.int64]
    alone: Floats


def losses(steps: int, seed: int) -> Losses:
    """One path of losses: two shocks a week at random times, at least one, so that no seed is spared them."""
    rng = np.random.default_rng(seed)
    hit = np.zeros(steps, dtype=bool)
    hit[rng.choice(steps, size=max(round(SHOCKS_PER_STEP * steps), 1), replace=False)] = True
    return Losses(
        shocked=np.where(hit, rng.integers(0, len(ZONES), steps), -1), alone=rng.random((steps, len(ZONES), 200))
    )


def survivors(path: Losses, t: int, zone: int, count: int) -> int:
    """Spot instances of a zone that live through the start of step t."""
    if path.shocked[t] == zone:
        return 0
    return int((path.alone[t, zone, :count] >= LOST_ALONE_PER_STEP).sum())


def question(it: Fixture, t: int, observed: dict[str, int], share: float) -> SizingProblem:
    """The sizing problem at the start of step t."""
    scale = float(_TABLE.load(_SERVICE.concurrency_per_vcpu))
    near = np.maximum.accumulate(it.quantiles[t, 0]) * scale
    demand = Demand(
        step_seconds=300,
        classes={
            "all": ClassDemand(
                **_PROMISE,
                violating_share=share,
                tiers=(Tier.HOT, Tier.WARM, Tier.COLD),
                levels=LEVELS,
                requests_per_second=tuple(float(x) for x in near),
                service=_SERVICE,
            )
        },
    )
    paths = paths_from_ranks(it.ranks, it.quantiles[t], np.asarray(LEVELS))[:, None, :] * scale
    options = [
        Option(
            name="hot",
            tier=Tier.HOT,
            instance_type="hot",
            usd_per_hour=0.0,
            maximum=it.hot,
            boot_seconds=600,
            boot_mean_seconds=600,
            observed=observed["hot"],
            vcpu=1.0,
            memory_mib=1024.0,
        ),
        Option(
            name="warm",
            tier=Tier.WARM,
            instance_type="warm",
            usd_per_hour=1.0,
            committed=it.committed,
            maximum=200,
            boot_seconds=30,
            boot_mean_seconds=30,
            observed=observed["warm"],
            vcpu=1.0,
            memory_mib=1024.0,
        ),
    ]
    options += [
        Option(
            name=f"spot-{zone}",
            tier=Tier.COLD,
            instance_type="spot",
            usd_per_hour=SPOT,
            maximum=200,
            boot_seconds=180,
            boot_mean_seconds=180,
            zone=zone,
            loss=SHOCKS_PER_STEP / 2,
            spot=True,
            observed=observed[f"spot-{zone}"],
            vcpu=1.0,
            memory_mib=1024.0,
        )
        for zone in ZONES
    ]
    return SizingProblem(
        demand=demand, paths=paths, options=tuple(options), hysteresis=0.0, switch_seconds=30.0, time_limit_s=5.0
    )


@dataclass(frozen=True, kw_only=True)
class Run:
    """cost in on-demand instance-steps including the commitment; unserved and demand in instance-steps."""

    cost: float
    unserved: float
    demand: float
    capacity: Floats

    @property
    def share(self) -> float:
        """Violating share."""
        return self.unserved / self.demand


def ours(it: Fixture, path: Losses, steps: int, share: float) -> Run:
    """Walk the test with one sizing per step."""
    counts = {"hot": it.hot, "warm": it.committed, "spot-a": 0, "spot-b": 0}
    hot_since = [it.start - 10] * it.hot
    cost, capacity = 0.0, np.zeros(steps)
    for i in range(steps):
        t = it.start + i
        answer = size(question(it, t, counts, share), gap=0.005)
        wanted = {c.option: c.after for c in answer.counts}
        hot_since = hot_since[: wanted["hot"]] + [t] * (wanted["hot"] - len(hot_since))
        ready = float(sum(since + HOT_STEPS <= t for since in hot_since))
        ready += wanted["warm"] - (1 - WARM_START) * max(wanted["warm"] - counts["warm"], 0)
        cost += COMMITTED * it.committed + max(wanted["warm"] - it.committed, 0)
        for z, zone in enumerate(ZONES):
            name = f"spot-{zone}"
            cost += SPOT * wanted[name]
            started = max(wanted[name] - counts[name], 0)
            left = survivors(path, i, z, wanted[name])
            ready += max(left - (1 - SPOT_START) * started, 0.0)
            wanted[name] = left
        counts, capacity[i] = wanted, ready
    demand = it.demand[it.start : it.start + steps]
    return Run(
        cost=cost,
        unserved=float(np.maximum(demand - capacity, 0).sum()),
        demand=float(demand.sum()),
        capacity=capacity,
    )


def best_static(it: Fixture, path: Losses, steps: int, allowed: float) -> float:
    """Cost of the cheapest constant mix whose unserved volume is at most `allowed`, in hindsight."""
    demand = it.demand[it.start : it.start + steps]
    best = float("inf")
    most = int(np.ceil(demand.max())) + 1
    for spot in range(0, most + 1, 2):
        ready = np.zeros(steps)
        for z in range(len(ZONES)):
            for i in range(steps):
                left = survivors(path, i, z, spot // 2)
                # What was lost in the step before is started anew in this one.
                before = survivors(path, i - 1, z, spot // 2) if i else spot // 2
                ready[i] += max(left - (1 - SPOT_START) * (spot // 2 - before), 0)
        for warm in range(it.committed, most + 1):
            cost = steps * (COMMITTED * it.committed + (warm - it.committed) + SPOT * spot)
            if cost < best and np.maximum(demand - it.hot - warm - ready, 0).sum() <= allowed:
                best = cost
    return best


def clairvoyant(it: Fixture, path: Losses, steps: int, allowed: float) -> float:
    """Least cost with demand and shocks known, the same boots, at most `allowed` unserved (a lower bound: an LP)."""
    p = Program()
    demand = it.demand[it.start : it.start + steps]
    short = [p.column() for _ in range(steps)]
    before: list[int | None] = [None, None, None]
    for i in range(steps):
        warm = p.column(cost=0.0)
        extra = p.column(cost=1.0)
        p.row([extra, warm], [1, -1], low=-it.committed)
        terms, values = [warm, short[i]], [1.0, 1.0]
        columns = [warm]
        for z in range(len(ZONES)):
            spot = p.column(cost=SPOT)
            kept = 0.0 if path.shocked[i] == z else 1.0
            left = p.column()
            p.row([left, spot], [1, -kept], low=0, high=0)
            terms.append(left)
            values.append(1.0)
            columns += [spot, left]
        for position, start_share in ((0, WARM_START), (1, SPOT_START), (2, SPOT_START)):
            now = columns[0] if position == 0 else columns[2 * position - 1]
            started = p.column()
            last = before[position]
            rows = ([started, now], [1.0, -1.0]) if last is None else ([started, now, last], [1.0, -1.0, 1.0])
            p.row(*rows, low=-it.committed if last is None and position == 0 else 0.0)
            lost = position and path.shocked[i] == position - 1
            if not lost:
                terms.append(started)
                values.append(-(1 - start_share))
            before[position] = columns[0] if position == 0 else columns[2 * position]
        p.row(terms, values, low=float(demand[i]) - it.hot)
    p.row(short, [1.0] * steps, high=allowed)
    found = p.solve(gap=0.0, time_limit_s=120.0)
    return found.objective + steps * COMMITTED * it.committed


def run(traces: Sequence[Trace], share: float, seeds: int, days: float) -> dict[str, object]:
    """Rows per trace and seed, with geometric means of the two figures."""
    rows: list[dict[str, float | str]] = []
    for trace in traces:
        it = fixture(trace)
        steps = min(round(days * trace.day), len(it.demand) - it.start)
        for seed in range(seeds):
            path = losses(steps, seed)
            made = ours(it, path, steps, share)
            static = best_static(it, path, steps, made.unserved)
            limit = clairvoyant(it, path, steps, made.unserved)
            rows.append(
                {
                    "trace": trace.name,
                    "seed": seed,
                    "asked": share,
                    "share": round(made.share, 5),
                    "vs_static_mix": round(made.cost / static, 4),
                    "gap": round(made.cost / limit - 1, 4),
                    "committed": it.committed,
                    "shocks": int((path.shocked >= 0).sum()),
                }
            )
            print(rows[-1], flush=True)
    ratios = np.array([float(r["vs_static_mix"]) for r in rows])
    gaps = np.array([float(r["gap"]) for r in rows])
    return {
        "tiers_vs_static_mix": float(np.exp(np.log(ratios).mean())),
        "tiers_gap": float(np.expm1(np.log1p(gaps).mean())),
        "rows": rows,
    }


def five_minute(folder: Path | None, names: Sequence[str]) -> Iterator[Trace]:
    """The named traces of a folder, or those of five minutes from the packages."""
    found = load(list(names), folder) if folder else packaged()
    yield from (trace for trace in found if trace.step == timedelta(minutes=5))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Three tiers against static mix and clairvoyant.")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--traces", nargs="+", default=["mongo-01", "machine-01", "ingress-01", "google2019-cpu"])
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    traces = list(five_minute(arguments.data, arguments.traces))
    result = run(traces, arguments.share, arguments.seeds, arguments.days)
    print(json.dumps({k: v for k, v in result.items() if k != "rows"}, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
