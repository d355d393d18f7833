"""The values that a run keeps for the next one: forecasts to score, state of the tests, error budgets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reconciler.demand.lost_data import LastHeard
from reconciler.trust import demotion, error_budget
from reconciler.trust.demotion import Rung, Trust
from reconciler.trust.error_budget import ErrorBudget

Floats = NDArray[np.float64]

#: Version of the kept values. Version 3 is converted. Any other version restarts the tests.
VERSION = 4
#: Levels that are kept and scored; the second and the last but one bound the watched 90 % interval.
KEPT_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
#: Steps that must have been scored before a stack is scaled down: a new stack, or one whose memory was lost, starts at none.
ENOUGH_SCORED = 6
#: Steps of a forecast that are kept; a run that comes later than this leaves the rest without a score.
KEPT_STEPS = 48

#: Rung → (steps, levels) requests per step.
Made = Mapping[Rung, Floats]


@dataclass(frozen=True, kw_only=True)
class RunMemory:
    """The values kept for the next run: forecasts of all rungs after `cutoff`, per QoS class (`made`) and per group.

    Attributes:
        rules: the step and overlap of the tests. If the fleet file changes them, the tests restart.
        qos: group → its class. trust: group → the tests' state.
        mixes: class → weight of the fleet's rules, by their place; load: requests/s last known. They let a plan be made
            when the history is gone.
        error_budgets: by class.
        scored: steps whose forecasts were scored since the memory began, up to `ENOUGH_SCORED`.
        heard: the last data of each application and class, also of those that are gone from the history.
        carried: class → requests/s that the fleet of the last plan serves in time. The steps until the next plan are
            judged by it.
    """

    rules: tuple[float, int]
    cutoff: datetime
    made: Mapping[str, Made] = field(default_factory=dict)
    groups: Mapping[str, Made] = field(default_factory=dict)
    qos: Mapping[str, str] = field(default_factory=dict)
    trust: Mapping[str, Trust] = field(default_factory=dict)
    mixes: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    load: Mapping[str, float] = field(default_factory=dict)
    error_budgets: Mapping[str, ErrorBudget] = field(default_factory=dict)
    carried: Mapping[str, float] = field(default_factory=dict)
    heard: tuple[LastHeard, ...] = ()
    scored: int = 0


def to_json(memory: RunMemory) -> dict[str, Any]:
    """Plain values to keep between runs."""
    return {
        "version": VERSION,
        "rules": list(memory.rules),
        "cutoff": memory.cutoff.isoformat(),
        "made": _plain(memory.made),
        "groups": _plain(memory.groups),
        "qos": dict(memory.qos),
        "trust": {name: demotion.to_json(trust) for name, trust in memory.trust.items()},
        "mixes": {name: {str(k): w for k, w in mix.items()} for name, mix in memory.mixes.items()},
        "load": dict(memory.load),
        "error_budgets": {name: error_budget.to_json(budget) for name, budget in memory.error_budgets.items()},
        "carried": dict(memory.carried),
        "scored": memory.scored,
        "heard": [[h.qos, h.application, h.until.isoformat(), h.rps, h.mean_rps] for h in memory.heard],
    }


def from_json(raw: Any) -> RunMemory:
    """The memory that `to_json` wrote. Raises ValueError, LookupError, TypeError,
    AttributeError or OverflowError where it is none."""
    raw = _lifted(raw) if raw["version"] == 3 else raw
    if raw["version"] != VERSION:
        raise ValueError("another version")
    step, lag = raw["rules"]
    made, groups = _forecasts(raw["made"]), _forecasts(raw["groups"])
    cutoff = datetime.fromisoformat(raw["cutoff"])
    if cutoff.tzinfo is None:
        raise ValueError("a time without a zone")
    return RunMemory(
        rules=(float(step), int(lag)),
        cutoff=cutoff,
        made=made,
        groups=groups,
        qos={n: str(q) for n, q in raw["qos"].items()},
        trust={n: demotion.from_json(t) for n, t in raw["trust"].items()},
        mixes={n: {int(k): float(w) for k, w in mix.items()} for n, mix in raw["mixes"].items()},
        load={n: float(v) for n, v in raw["load"].items()},
        error_budgets={n: error_budget.from_json(budget) for n, budget in raw["error_budgets"].items()},
        carried={n: float(v) for n, v in raw["carried"].items()},
        scored=int(raw.get("scored", ENOUGH_SCORED)),
        heard=tuple(_heard(row) for row in raw.get("heard", ())),
    )


def _heard(row: Any) -> LastHeard:
    qos, application, until, rps, mean_rps = row
    at = datetime.fromisoformat(until)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return LastHeard(application=str(application), qos=str(qos), until=at, rps=float(rps), mean_rps=float(mean_rps))


def _lifted(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Version 3 with the keys of version 4: `records`, of `used` and `asked`, are the error budgets, `spent` and `total`."""
    names = {"used": "spent", "asked": "total"}
    budgets = {n: {names.get(key, key): v for key, v in one.items()} for n, one in raw["records"].items()}
    return {**{k: v for k, v in raw.items() if k != "records"}, "version": 4, "error_budgets": budgets}


def _plain(made: Mapping[str, Made]) -> dict[str, dict[str, list[list[float]]]]:
    """Plain values with four significant digits: enough for the tests, and small files for many groups."""
    return {
        name: {rung.name: [[float(f"{v:.4g}") for v in row] for row in rows] for rung, rows in sorted(one.items())}
        for name, one in made.items()
    }


def _forecasts(raw: Any) -> dict[str, dict[Rung, Floats]]:
    made = {n: {Rung[r]: np.array(rows, dtype=float) for r, rows in m.items()} for n, m in raw.items()}
    if any(rows.ndim != 2 or rows.shape[1] != len(KEPT_LEVELS) for m in made.values() for rows in m.values()):
        raise ValueError("forecasts of another shape")
    return made
