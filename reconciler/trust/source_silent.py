"""The forecast and groups when the source of demand does not answer, from the memory of the last run. Pure."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from forecaster.demand import LEVELS, DemandForecast
from forecaster.series.paths import paths_from_ranks
from reconciler.demand.grouping import Grouping
from reconciler.fleet.file import Fleet
from reconciler.trust import demotion
from reconciler.trust import reasons as because
from reconciler.trust.demotion import Rung, Trust
from reconciler.trust.feedback import Judged, rules_of, standing_of, tests_key
from reconciler.trust.memory import KEPT_LEVELS, KEPT_STEPS, RunMemory


def usable_alone(fleet: Fleet, memory: RunMemory, *, as_of: datetime | None) -> bool:
    """Whether a plan can be made from the memory: same step, demand of every class, and not from the future."""
    known = as_of is None or memory.cutoff + fleet.step <= as_of
    there = {name for name, made in memory.made.items() if Rung.REACTIVE in made and memory.mixes.get(name)}
    return known and memory.rules == tests_key(rules_of(fleet)) and bool(there) and there <= set(fleet.qos)


def without_history(fleet: Fleet, memory: RunMemory, *, why: str, paths: int = 200) -> tuple[Judged, Grouping]:
    """The forecast and groups when the source does not answer: each class at its last known load, without scale-downs.

    The quantiles are the reactive ones of the last run. All classes rise and fall together.
    """
    names = tuple(sorted(name for name in fleet.qos if Rung.REACTIVE in memory.made.get(name, {})))
    ranks = np.repeat(((np.arange(paths) + 0.5) / paths)[:, None], KEPT_STEPS, axis=1)
    kept = [memory.made[name][Rung.REACTIVE] for name in names]
    length = min(len(rows) for rows in kept)
    sampled = [paths_from_ranks(ranks[:, :length], rows[:length], np.array(KEPT_LEVELS)) for rows in kept]
    samples = np.stack(sampled, axis=1)
    forecast = DemandForecast(
        cutoff=memory.cutoff,
        step=fleet.step,
        applications=names,
        levels=LEVELS,
        quantiles=np.quantile(samples, LEVELS, axis=0).transpose(1, 2, 0),
        paths=samples,
        models=(Rung.REACTIVE.label,) * len(names),
        reasons=(because.source_silent(),) * len(names),
        calibrated=(True,) * len(names),
    )
    rules = fleet.applications
    grouping = Grouping(
        names=names,
        qos=names,
        codes=np.arange(len(names), dtype=np.int64),
        rules=tuple({rules[k]: w for k, w in memory.mixes.get(n, {}).items() if k < len(rules)} for n in names),
    )
    verdict = demotion.decide(Trust(), rules_of(fleet), age=None)
    judged = Judged(
        forecast=forecast,
        demoted=True,
        notes=(f"{verdict.reason} ({why})",),
        standing=standing_of(memory.trust, dict.fromkeys(memory.groups, verdict)),
        memory=None,
        error_budgets=memory.error_budgets,
    )
    return judged, grouping
