"""Score earlier forecasts against actuals, and decide which forecast is used now. Pure.

    last run's quantiles + steps that ended since → scores → the sequential tests → model, seasonal naive or reactive

- A `RunMemory` is kept between runs.
- A step is scored once, with the newest forecast made before it.
- All rungs are scored, also those that are not in use, so a better one can return.
- A replay uses a memory only if all of it was known at the time of the replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import DemandForecast
from forecaster.hierarchy.structure import rest_of
from forecaster.history.history import History
from reconciler.demand.grouping import Grouping
from reconciler.fleet.file import Fleet
from reconciler.trust import demotion
from reconciler.trust import reasons as because
from reconciler.trust.demotion import DemotionRules, Rung, RungDecision, StepScore, Trust
from reconciler.trust.error_budget import ErrorBudget, after_step
from reconciler.trust.fallback import fallback_paths, season_of, with_fallbacks
from reconciler.trust.memory import ENOUGH_SCORED, KEPT_LEVELS, KEPT_STEPS, Made, RunMemory

Floats = NDArray[np.float64]

_LOW, _HIGH = KEPT_LEVELS.index(0.05), KEPT_LEVELS.index(0.95)
#: Number of sample paths of a baseline that is only scored.
_PATHS = 200


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The state of a group's forecast, for display: the rung in use, why, and the number of scored steps."""

    group: str
    rung: Rung
    reason: str
    scored: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The forecast to size from, and what follows from its scores.

    Attributes:
        demoted: nothing may be scaled down on the forecast.
        notes: sentences for the plan.
        error_budgets: by class.
        memory: what to keep for the next run; None if the kept memory must not change (a replay of an earlier time).
        unproven: why a scale-down needs more scored forecasts; empty if enough were scored.
    """

    forecast: DemandForecast
    demoted: bool
    notes: tuple[str, ...]
    standing: tuple[Standing, ...]
    memory: RunMemory | None
    error_budgets: Mapping[str, ErrorBudget] = field(default_factory=dict)
    unproven: str = ""


def rules_of(fleet: Fleet, groups: int = 1) -> DemotionRules:
    """The rules of the tests. Forecasts overlap for as long as a plan is valid. All groups share one false-alarm budget."""
    return DemotionRules(
        steps_per_day=timedelta(days=1) / fleet.step,
        lag=max(-int(-fleet.validity // fleet.step), 1),
        family=groups,
        max_age=fleet.history.max_age,
        reactive_age=max(timedelta(days=1), fleet.history.max_age),
    )


def judge(
    fleet: Fleet,
    history: History,
    grouping: Grouping,
    forecast: DemandForecast,
    memory: RunMemory | None,
    *,
    as_of: datetime,
    replay: bool,
) -> Judged:
    """Score the forecasts in `memory` against the history, choose a rung per group, and replace failed forecasts.

    Args:
        fleet, history, grouping, forecast: of this run. The forecast has one row per group.
        memory: of the last run; None without one.
        as_of: the plan's time.
        replay: `as_of` is in the past, so later knowledge must not be used.
    """
    rules, notes = rules_of(fleet, len(grouping.names)), []
    same = memory is not None and memory.rules == tests_key(rules)
    later = replay and memory is not None and memory.cutoff + history.step > as_of
    if later:
        notes.append(because.replay_knows_later_steps())
    used = memory if same and not later else None
    groups = history.grouped(grouping.codes, len(grouping.names))
    qos = np.array(grouping.qos)
    rows = {name: groups[qos == name].sum(axis=0) for name in fleet.qos}
    own = dict(zip(grouping.names, groups, strict=True))
    trust = scored(used, own, grouping, history, rules) if used is not None else {name: Trust() for name in own}
    error_budgets = budgeted(used, rows, history, fleet) if used is not None else {}
    season = season_of(history.length, history.step)
    age = as_of - history.end
    verdicts = {name: demotion.decide(trust[name], rules, age=age, has_season=season > 0) for name in own}
    rungs = [verdicts[name].rung for name in grouping.names]
    fresh = history.cutoff if used is None else max(history.cutoff, used.cutoff)
    kept = RunMemory(rules=tests_key(rules), cutoff=fresh, trust=trust, error_budgets=error_budgets)
    if used is not None and used.cutoff > history.cutoff:
        kept = replace(used, trust=trust, error_budgets=error_budgets)
    else:
        kept = replace(
            kept,
            made=_made(forecast, {n: qos == n for n in fleet.qos if (qos == n).any()}, rows, season),
            groups=_made(forecast, {n: np.arange(len(own)) == k for k, n in enumerate(own)}, own, season),
            qos=dict(zip(grouping.names, grouping.qos, strict=True)),
            mixes=_mixes(fleet, grouping),
            load={n: float(r[-1]) / history.step.total_seconds() for n, r in rows.items() if np.isfinite(r[-1])},
        )
    done = 0 if used is None else used.scored + max((history.cutoff - used.cutoff) // history.step, 0)
    kept = replace(kept, scored=min(done, ENOUGH_SCORED))
    return Judged(
        forecast=with_fallbacks(forecast, groups, rungs, season=season),
        unproven="" if replay or done >= ENOUGH_SCORED else because.too_few_scored(done, ENOUGH_SCORED),
        demoted=any(not verdict.may_shrink for verdict in verdicts.values()),
        notes=(*notes, *_spoken(verdicts)),
        standing=standing_of(trust, verdicts),
        memory=None if later else kept,
        error_budgets=error_budgets,
    )


def budgeted(memory: RunMemory, rows: Mapping[str, Floats], history: History, fleet: Fleet) -> dict[str, ErrorBudget]:
    """Error budgets by class after the kept steps that have ended since.

    A step without a forecast, a fleet or a value is left out.
    """
    seconds, out = history.step.total_seconds(), dict(memory.error_budgets)
    for name, row in rows.items():
        carried, made = memory.carried.get(name), memory.made.get(name, {}).get(Rung.MODEL)
        if carried is None or made is None:
            continue
        first = int((memory.cutoff - history.start) // history.step) + 1
        for ahead in range(max(-first, 0), min(history.length - first, len(made))):
            demand = float(row[first + ahead]) / seconds
            if np.isfinite(demand):
                out[name] = after_step(
                    out.get(name, ErrorBudget()),
                    demand=demand,
                    levels=KEPT_LEVELS,
                    forecast=(made[ahead] / seconds).tolist(),
                    missed=max(demand - carried, 0.0),
                    promised_share=fleet.qos[name].violating_share,
                    steps_per_day=timedelta(days=1) / fleet.step,
                )
    return out


def scored(
    memory: RunMemory, rows: Mapping[str, Floats], grouping: Grouping, history: History, rules: DemotionRules
) -> dict[str, Trust]:
    """Trust per group after the kept steps that have ended since. A step without a value is not scored.

    The rest of a class is scored only if the same applications were forecast one by one. Otherwise it is another series.
    """
    out = {}
    class_of = dict(zip(grouping.names, grouping.qos, strict=True))
    for name, row in rows.items():
        qos = class_of[name]
        trust = memory.trust.get(name, Trust())
        made = memory.groups.get(name, {})
        if name == rest_of(qos) and not _same_apart(memory.qos, grouping, qos):
            made = {}
        first = int((memory.cutoff - history.start) // history.step) + 1
        steps = min(history.length - first, len(made.get(Rung.MODEL, ())))
        for ahead in range(max(-first, 0), steps):
            value = float(row[first + ahead])
            if np.isfinite(value):
                trust = demotion.observe(trust, _scores(made, ahead, value), rules)
        out[name] = trust
    return out


def tests_key(rules: DemotionRules) -> tuple[float, int]:
    """The step and overlap of the tests, as kept in a memory."""
    return rules.steps_per_day, rules.lag


def _same_apart(before: Mapping[str, str], grouping: Grouping, qos: str) -> bool:
    now = {name for name, held in zip(grouping.names, grouping.qos, strict=True) if held == qos}
    return {name for name, held in before.items() if held == qos} == now


def _made(
    forecast: DemandForecast, members: Mapping[str, NDArray[np.bool_]], rows: Mapping[str, Floats], season: int
) -> dict[str, dict[Rung, Floats]]:
    """Per class or group the first steps of every rung's forecast: the model's too where it is not in use."""
    steps = min(forecast.horizon, KEPT_STEPS)
    out: dict[str, dict[Rung, Floats]] = {}
    for name, mine in members.items():
        samples = {Rung.MODEL: forecast.paths[:, mine, :steps].sum(axis=1)}
        for rung in (Rung.SEASONAL_NAIVE, Rung.REACTIVE):
            if rung is Rung.REACTIVE or season:
                made = fallback_paths(rows[name][None], rung, season=season, horizon=steps, paths=_PATHS)
                samples[rung] = made[:, 0]
        out[name] = {rung: np.quantile(s, KEPT_LEVELS, axis=0).T.round(6) for rung, s in samples.items()}
    return out


def _mixes(fleet: Fleet, grouping: Grouping) -> dict[str, dict[int, float]]:
    place = {rule: k for k, rule in reversed(list(enumerate(fleet.applications)))}
    out: dict[str, dict[int, float]] = {}
    for qos, rules in zip(grouping.qos, grouping.rules, strict=True):
        mix = out.setdefault(qos, {})
        for rule, weight in rules.items():
            mix[place[rule]] = mix.get(place[rule], 0.0) + weight
    return out


def _scores(made: Made, ahead: int, value: float) -> dict[Rung, StepScore]:
    grid = np.array(KEPT_LEVELS)

    def loss(row: Floats) -> float:
        off = value - row
        return float(np.maximum(grid * off, (grid - 1) * off).mean())

    baseline = loss(made[Rung.REACTIVE][ahead])
    return {
        rung: StepScore(
            covered=bool(rows[ahead, _LOW] - 1e-6 <= value <= rows[ahead, _HIGH] + 1e-6),
            loss=loss(rows[ahead]),
            reactive_loss=baseline,
        )
        for rung, rows in made.items()
    }


def standing_of(trust: Mapping[str, Trust], verdicts: Mapping[str, RungDecision]) -> tuple[Standing, ...]:
    """The state of every group's forecast, for display."""
    return tuple(
        Standing(
            group=name,
            rung=verdict.rung,
            reason=verdict.reason,
            scored=max((w.seen for w in trust.get(name, Trust()).watches.values()), default=0),
        )
        for name, verdict in verdicts.items()
    )


def _spoken(verdicts: Mapping[str, RungDecision]) -> tuple[str, ...]:
    """One sentence per reason, with the groups that it holds for."""
    groups: dict[tuple[Rung, str], list[str]] = {}
    for name, verdict in verdicts.items():
        if not verdict.may_shrink:
            groups.setdefault((verdict.rung, verdict.reason), []).append(name)
    return tuple(because.demoted_groups(names, rung.label, why) for (rung, why), names in groups.items())
