"""The cost of a request in vCPU-seconds, memory and network, learned from measured events.

The most specific knowledge is used, and its source is named:

- "measured": the application's own measured events;
- "program": its programs with their parameters;
- "application": the application as a whole;
- "pool": everything.

Parameters that are JSON objects give a program's cost a slope where that predicts better than its mean (non-negative least
squares, checked on events left out). Others are ignored and counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from forecaster.demand import RequestCost
from forecaster.history.measured import numbers, without_negatives
from forecaster.history.quality import Finding

Floats = NDArray[np.float64]
MIB = 1024.0**2
#: Columns of the measured events and the name of the cost they give.
MEASURES = {"vcpu_seconds": "cpu_seconds", "memory_mib": "memory_bytes", "network_bytes": "network_bytes"}
#: Measured events that a level needs before it is trusted.
ENOUGH = 5
#: Events from which on parameters are looked at, and how much better they must predict than the mean.
ENOUGH_FOR_SLOPES, BETTER = 40, 0.95


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """A cost that depends on parameters: `base` + Σ `slope[name]` · parameter, all in the cost's unit."""

    base: float
    slope: Mapping[str, float]

    def at(self, parameters: Mapping[str, float], means: Mapping[str, float]) -> float:
        """The cost at these parameters; one that is not given is at its mean."""
        return self.base + sum(rate * parameters.get(name, means[name]) for name, rate in self.slope.items())


@dataclass(frozen=True, kw_only=True)
class Level:
    """What is known at one level: `count` measured events, `mean` per cost, `scv` of the service time.

    `slopes` per cost where parameters predict it, `means` of the parameters that they use.
    """

    count: int
    mean: Mapping[str, float]
    scv: float
    slopes: Mapping[str, Slopes]
    means: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Costs by (application, program), program, application and pool, and what each application's requests are.

    `mix` per application: program → share of its requests. `unreadable` counts parameters that are not JSON objects.
    """

    programs: Mapping[tuple[str, str], Level]
    anywhere: Mapping[str, Level]
    applications: Mapping[str, Level]
    pool: Level | None
    mix: Mapping[str, Mapping[str, float]]
    unreadable: int = 0

    def findings(self) -> tuple[Finding, ...]:
        """What the data-quality summary says about the events that were learned from."""
        treatment = "parameters that are not JSON objects, ignored; such a request costs its program's mean."
        return (Finding(kind="parameters", count=self.unreadable, where="measured events", treatment=treatment),)

    def cost(self, application: str, program: str = "", parameters: str | None = None) -> RequestCost | None:
        """What one request costs; None where no event was ever measured. `parameters` is JSON text."""
        given = numeric_parameters(parameters) or {}
        for level, source in (
            (self.programs.get((application, program)), "program"),
            (self.anywhere.get(program), "program"),
            (self.applications.get(application), "application"),
            (self.pool, "pool"),
        ):
            if level is not None and level.count >= ENOUGH:
                return _cost(level, given, source)
        return None if self.pool is None else _cost(self.pool, given, "pool")

    def costs(self, applications: Sequence[str]) -> dict[str, RequestCost]:
        """What a request of each application costs on average over what it is asked for; empty without measurements.

        `source` is the least specific level that stands for at least a tenth of the requests.
        """
        return {name: cost for name in applications if (cost := self._mean_cost(name)) is not None}

    def _mean_cost(self, application: str) -> RequestCost | None:
        mix = self.mix.get(application) or {"": 1.0}
        found = [(share, cost) for program, share in mix.items() if (cost := self.cost(application, program))]
        if not found:
            return None
        weight = sum(share for share, _ in found)
        order = ("program", "application", "pool")
        used = [source for source in order if sum(s for s, c in found if c.source == source) >= 0.1 * weight]
        own = self.applications.get(application)
        source = "measured" if used == ["program"] and own is not None and own.count >= ENOUGH else used[-1]
        mean = {name: sum(s * getattr(c, name) for s, c in found) / weight for name in MEASURES}
        service = mean["vcpu_seconds"]
        second = sum(s * c.vcpu_seconds**2 * (1 + c.scv) for s, c in found) / weight
        # A mixture's variation holds that between its programs as well.
        scv = second / service**2 - 1 if service > 0 else sum(s * c.scv for s, c in found) / weight
        return RequestCost(**mean, scv=max(scv, 0.0), source=source)


def _cost(level: Level, given: Mapping[str, float], source: str) -> RequestCost:
    value = {
        name: max(level.slopes[name].at(given, level.means), 0.0) if name in level.slopes else level.mean[name]
        for name in MEASURES
    }
    return RequestCost(**value, scv=level.scv, source=source)


def numeric_parameters(text: Any) -> dict[str, float] | None:
    """The numbers in a JSON object of parameters by name (booleans as 0 and 1); None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    numbers = {str(k): float(v) for k, v in document.items() if isinstance(v, int | float)}
    return {name: value for name, value in numbers.items() if np.isfinite(value)}


def learn_workload(events: pd.DataFrame) -> Workload | None:
    """A workload model from a sample of events; None where none of them was measured.

    `events` has application_id and any of program, parameters (JSON text), cpu_seconds, memory_bytes, network_bytes,
    latency_ms; not every row needs to be measured.
    """
    if events.empty or not any(column in events.columns for column in MEASURES.values()):
        return None
    frame = _columns(events)
    measured = frame[frame[list(MEASURES)].notna().any(axis=1)]
    if measured.empty:
        return None
    parsed = [numeric_parameters(text) for text in measured["parameters"]]
    measured = measured.assign(numbers=pd.Series([p or {} for p in parsed], index=measured.index, dtype=object))
    said = [isinstance(text, str) and text.strip() != "" for text in measured["parameters"]]
    unreadable = sum(p is None and s for p, s in zip(parsed, said, strict=True))
    by_pair = {(str(a), str(p)): _level(rows) for (a, p), rows in measured.groupby(["application_id", "program"])}
    by_program = {str(p): _level(rows) for p, rows in measured.groupby("program") if str(p)}
    by_application = {str(a): _level(rows, slopes=False) for a, rows in measured.groupby("application_id")}
    mix = {
        str(a): {str(p): float(v) for p, v in rows["program"].value_counts(normalize=True).sort_index().items()}
        for a, rows in frame.groupby("application_id")
    }
    return Workload(
        programs=by_pair,
        anywhere=by_program,
        applications=by_application,
        pool=_level(measured, slopes=False),
        mix=mix,
        unreadable=int(unreadable),
    )


def _columns(events: pd.DataFrame) -> pd.DataFrame:
    frame = pd.DataFrame({"application_id": events["application_id"].astype(str)})
    frame["program"] = events["program"].fillna("").astype(str) if "program" in events.columns else ""
    frame["parameters"] = events["parameters"] if "parameters" in events.columns else None
    for name, column in MEASURES.items():
        frame[name] = _measured(events, column) / (MIB if name == "memory_mib" else 1.0)
    frame["latency"] = _measured(events, "latency_ms")
    return frame


def _measured(events: pd.DataFrame, column: str) -> Floats:
    """(events,) what was measured, NaN where the column is absent or holds no measurement."""
    if column not in events.columns:
        return np.full(len(events), np.nan)
    return without_negatives(numbers(events[column])[0])[0]


def _level(rows: pd.DataFrame, *, slopes: bool = True) -> Level:
    mean = {name: float(rows[name].mean()) if rows[name].notna().any() else 0.0 for name in MEASURES}
    service = rows["vcpu_seconds"] if rows["vcpu_seconds"].notna().sum() >= 2 else rows["latency"]
    service = service.dropna()
    scv = float(service.var(ddof=1) / service.mean() ** 2) if len(service) >= 2 and service.mean() > 0 else 1.0
    found, means = _slopes(rows) if slopes and len(rows) >= ENOUGH_FOR_SLOPES else ({}, {})
    return Level(count=len(rows), mean=mean, scv=scv, slopes=found, means=means)


def _slopes(rows: pd.DataFrame) -> tuple[dict[str, Slopes], dict[str, float]]:
    """Costs that parameters predict better than the mean does, on every fifth event left out of the fit."""
    names = sorted({name for numbers in rows["numbers"] for name in numbers})[:20]
    if not names:
        return {}, {}
    table = np.array([[numbers.get(name, np.nan) for name in names] for numbers in rows["numbers"]])
    kept = [k for k in range(len(names)) if np.isfinite(table[:, k]).mean() > 0.5]
    names, table = [names[k] for k in kept], table[:, kept]
    if not names:
        return {}, {}
    means = np.nanmean(table, axis=0)
    table = np.where(np.isfinite(table), table, means)
    scale = np.maximum(np.abs(table).max(axis=0), 1e-12)
    design = np.column_stack((np.ones(len(table)), table / scale))
    held = np.arange(len(table)) % 5 == 4
    out = {}
    for cost in MEASURES:
        y = rows[cost].to_numpy(dtype=float)
        fit, check = np.isfinite(y) & ~held, np.isfinite(y) & held
        if fit.sum() < ENOUGH_FOR_SLOPES // 2 or check.sum() < 5:
            continue
        weight, _ = nnls(design[fit], y[fit])
        error = np.abs(design[check] @ weight - y[check]).mean()
        if error < BETTER * np.abs(y[fit].mean() - y[check]).mean():
            used = {name: float(w / s) for name, w, s in zip(names, weight[1:], scale, strict=True) if w > 0}
            out[cost] = Slopes(base=float(weight[0]), slope=used)
    return out, {name: float(mean) for name, mean in zip(names, means, strict=True)}


def costs_from_utilisation(
    requests: Floats,
    applications: Sequence[str],
    *,
    step_seconds: float,
    vcpus: Floats | None = None,
    memory_mib: Floats | None = None,
    network_bytes: Floats | None = None,
) -> dict[str, RequestCost]:
    """Costs per request where only the pool's utilisation is known: non-negative least squares on the counts.

    `requests` (applications, n) per step; `vcpus` (n,) vCPUs busy on average, `memory_mib` (n,) resident,
    `network_bytes` (n,) per step, each NaN where unknown. A constant takes what runs without requests. Memory per
    request follows from Little's law: resident MiB rise by memory · rate · service time.
    """
    cpu = _per_request(requests, vcpus * step_seconds if vcpus is not None else None)
    network = _per_request(requests, network_bytes)
    resident = _per_request(requests, memory_mib * step_seconds if memory_mib is not None else None)
    if cpu is None and network is None:
        return {}
    zero = np.zeros(len(applications))
    cpu, network, resident = (zero if v is None else v for v in (cpu, network, resident))
    memory = np.divide(resident, cpu, out=np.zeros(len(applications)), where=cpu > 0)
    return {
        name: RequestCost(
            vcpu_seconds=float(cpu[k]),
            memory_mib=float(memory[k]),
            network_bytes=float(network[k]),
            source="utilisation",
        )
        for k, name in enumerate(applications)
    }


def _per_request(requests: Floats, total: Floats | None) -> Floats | None:
    if total is None:
        return None
    known = np.isfinite(total) & np.isfinite(requests).all(axis=0)
    if known.sum() < 2 * (len(requests) + 1):
        return None
    scale = np.maximum(requests[:, known].max(axis=1), 1e-12)
    design = np.column_stack((np.ones(int(known.sum())), (requests[:, known] / scale[:, None]).T))
    weight, _ = nnls(design, total[known])
    return np.asarray(weight[1:] / scale)
