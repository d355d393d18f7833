"""How shadow plans would have served what arrived, compared with what ran. Pure.

- The window of a plan begins with its first step. It ends where the window of the next decision begins, or with the plan's
  validity. Of several decisions with the same first step the last one counts.
- What ran in a step is what the newest decision before the end of the step had observed.
- Of the shadow plan, a removed instance is gone at once. An added one is billed at once and serves after its boot.
- Both are judged as the sizing judges: by the kept problem of the shadow plan, with the demand that arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.backtest.realised import Served, served
from reconciler.demand.actuals import Actuals
from reconciler.fleet.file import Fleet
from reconciler.plan.file import PlanFile
from reconciler.plan.problem import problem_of
from reconciler.plan.snapshot import Snapshot
from reconciler.record.entries import Decided, Entry, Scored, ScoredClass
from reconciler.sizing import SizingProblem
from reconciler.sizing.result import usd_of


@dataclass(frozen=True, kw_only=True)
class ShadowWindow:
    """The steps for which a shadow plan was the newest one.

    Attributes:
        plan, decided_at: the shadow plan.
        start, end: of the window.
        ran: step by step, option → instances that ran.
        planned: option → instances.
        observed: option → instances when the plan was decided.
    """

    plan: str
    decided_at: datetime
    start: datetime
    end: datetime
    ran: tuple[Mapping[str, int], ...]
    planned: Mapping[str, int]
    observed: Mapping[str, int]
    demoted: bool = False


def due(entries: Sequence[Entry], fleet: Fleet, actuals: Actuals) -> list[ShadowWindow]:
    """Windows of shadow plans without a score whose demand has arrived, oldest first."""
    done = {entry.plan for entry in entries if isinstance(entry, Scored)}
    live = [e for e in entries if isinstance(e, Decided) and not e.replay]
    newest = {e.as_of: e for e in live if e.as_of is not None}
    starts = sorted(newest)
    known_until = actuals.start + len(actuals.rates) * fleet.step
    found = []
    for place, start in enumerate(starts):
        entry = newest[start]
        end = start + max(fleet.validity // fleet.step, 1) * fleet.step
        if place + 1 < len(starts):
            end = min(end, starts[place + 1])
        kept = entry.inputs is not None and entry.inputs.paths != "left out"
        steps = (end - start) // fleet.step
        if (
            entry.event != "shadow"
            or entry.plan in done
            or not kept
            or end > known_until
            or start < actuals.start
            or steps < 1
        ):
            continue
        found.append(
            ShadowWindow(
                plan=entry.plan,
                decided_at=entry.at,
                start=start,
                end=end,
                ran=tuple(_observed(_newest(live, start + (k + 1) * fleet.step)) for k in range(steps)),
                planned={name: option.planned for name, option in entry.options.items()},
                observed=_observed(entry),
                demoted=entry.demoted,
            )
        )
    return found


def scored(window: ShadowWindow, then: Snapshot, plan: PlanFile, actuals: Actuals, *, at: datetime) -> Scored:
    """The ledger's entry of a window.

    Args:
        window: from `due`.
        then, plan: the kept inputs and the plan of the shadow run.
        actuals: the demand that arrived.
        at: the time of the entry.
    """
    problem, step = problem_of(then), then.fleet.step
    seconds = step.total_seconds()
    requests = dict.fromkeys(then.fleet.qos, 0.0)
    late = {"shadow": dict(requests), "actual": dict(requests)}
    usd = {"shadow": 0.0, "actual": 0.0}
    known = 0
    for k, ran in enumerate(window.ran):
        begin = window.start + k * step
        arrived = actuals.at(round((begin - actuals.start) / step))
        rates = {name: rate for name, rate in arrived.items() if name in requests}
        known += bool(rates)
        for name, rate in rates.items():
            requests[name] += rate * seconds
        real = _counts(problem, ran)
        planned = _counts(problem, window.planned)
        for which, lot in (
            ("shadow", _shadow(problem, window, begin, step, rates)),
            ("actual", served(problem, real, rates)),
        ):
            for name, unserved in lot.unserved.items():
                late[which][name] += unserved * seconds
        for which, counts in (("shadow", planned), ("actual", real)):
            usd[which] += usd_of(problem, counts) * seconds / 3600
    return Scored(
        at=at,
        event="scored",
        plan=plan.id,
        start=window.start,
        end=window.end,
        steps=len(window.ran),
        known_steps=known,
        usd=(usd["shadow"], usd["actual"]),
        demoted=window.demoted,
        classes={
            name: ScoredClass(
                promised_share=promise.violating_share,
                requests=requests[name],
                late_shadow=late["shadow"][name],
                late_actual=late["actual"][name],
            )
            for name, promise in then.fleet.qos.items()
        },
    )


def _shadow(
    problem: SizingProblem, window: ShadowWindow, begin: datetime, step: timedelta, rates: Mapping[str, float]
) -> Served:
    """One step with the shadow plan's sizes: what it adds serves after its boot, counted from the decision."""
    there: dict[str, int] = {}
    coming: dict[str, list[float]] = {}
    for option in problem.options:
        planned, observed = window.planned.get(option.name, 0), window.observed.get(option.name, 0)
        ready = (window.decided_at + timedelta(seconds=option.boot_seconds) - begin) / step
        added = max(planned - observed, 0)
        there[option.name] = planned if ready <= 0 else planned - added
        if added and 0 < ready < 1:
            coming[option.name] = [ready] * added
    return served(problem, there, rates, coming)


def _newest(live: Sequence[Decided], before: datetime) -> Decided:
    """The newest decision before a time, else the first one."""
    return max((e for e in live if e.at < before), key=lambda e: e.at, default=live[0])


def _observed(entry: Decided) -> dict[str, int]:
    return {name: option.observed for name, option in entry.options.items()}


def _counts(problem: SizingProblem, counts: Mapping[str, int]) -> dict[str, int]:
    return {option.name: counts.get(option.name, 0) for option in problem.options}
