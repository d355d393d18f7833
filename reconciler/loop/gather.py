"""Everything that a run reads before it decides: the fleet file, demand, prices, what runs, past changes. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.adapters import ledger
from reconciler.adapters.adopted import read_adopted
from reconciler.adapters.files import os_errors_as_unavailable
from reconciler.adapters.history.measured_latency import latency_now
from reconciler.adapters.history.source import read_demand
from reconciler.adapters.kept_forecaster import trained_model
from reconciler.adapters.memory import read_memory
from reconciler.adapters.pins import read_pins
from reconciler.adapters.project import Project
from reconciler.demand.actuals import Actuals, actuals
from reconciler.demand.grouping import Grouping
from reconciler.demand.guessed_kind import refuse_contradicted_guess
from reconciler.demand.kept_demand import with_kept
from reconciler.demand.outlook import outlook
from reconciler.errors import SourceSilent
from reconciler.fleet.file import Fleet
from reconciler.guards.clock import guard_time
from reconciler.guards.guarded import remembered
from reconciler.guards.past import past_changes
from reconciler.loop.look import look, notes_of, start_of
from reconciler.observe.scarcity import limited, scarce_groups
from reconciler.plan.notes import commitment_notes
from reconciler.plan.scarce import around, shortage_notes
from reconciler.plan.snapshot import Snapshot
from reconciler.trust.feedback import Judged, judge
from reconciler.trust.source_silent import usable_alone, without_history


@os_errors_as_unavailable()
def take_snapshot(project: Project, *, as_of: datetime | None, now: datetime, seed: int = 0) -> Snapshot:
    """All that a plan is decided from, read and forecast; writes nothing. Arguments and errors as `make_plan`."""
    fleet = project.read_fleet()
    known = known_demand(project, fleet, as_of=as_of, now=now, seed=seed)
    adopted = read_adopted(project)
    seen = look(project, fleet, adopted, now=now)
    prices = project.read_catalogue(fleet, now=now)
    held = project.with_held(fleet, prices.catalogue, now=now)
    past = ledger.read(project.ledger_file, since=min(now, known.as_of) - remembered(fleet))
    clock = guard_time(
        now,
        newest_entry=max((entry.at for entry in past.entries), default=None),
        data_end=None if as_of is not None else known.as_of,
        max_age=fleet.history.max_age,
    )
    fleet = held.fleet
    observed = start_of(seen, fleet, past, now=now)
    short = scarce_groups(seen.world, now)
    return Snapshot(
        fleet=around(fleet, short),
        catalogue=prices.catalogue,
        forecast=known.judged.forecast,
        grouping=known.grouping,
        observed=limited(observed, short),
        load_now=known.load,
        latency_now_ms=known.latency_ms,
        as_of=known.as_of,
        now=now,
        stack=project.stack,
        replay=as_of is not None,
        unreachable=seen.silent,
        notes=(
            *known.notes,
            *known.judged.notes,
            *prices.notes,
            *held.notes,
            *commitment_notes(fleet),
            *notes_of(seen, fleet, observed),
            *shortage_notes(fleet, short),
            *past.notes,
            *clock.notes,
        ),
        clock=clock,
        past=past_changes(past.entries),
        first_run=not past.entries,
        demoted=known.unfit or known.judged.demoted,
        blocking=known.blocking,
        error_budgets=known.judged.error_budgets,
        standing=known.judged.standing,
        memory=known.judged.memory,
        forecast_note=known.forecast_note,
        drift=seen.drift,
        world=seen.world,
        actuals=known.actuals,
        pins=read_pins(project).active(clock.expiry),
        adopted=frozenset(adopted.machines),
    )


@dataclass(frozen=True, kw_only=True)
class Known:
    """Demand as a run knows it: the forecast with what is trusted of it, the load and latency of the last step.

    as_of: the plan's time in the history's clock. unfit: the data alone forbids to shrink. blocking: QoS class → why no tier
    that serves it shrinks. forecast_note: which model made the forecast. actuals: what arrived, over the whole history.
    """

    judged: Judged
    grouping: Grouping
    load: Mapping[str, float]
    latency_ms: Mapping[str, float]
    as_of: datetime
    notes: tuple[str, ...]
    unfit: bool
    blocking: Mapping[str, str] = field(default_factory=dict)
    forecast_note: str = ""
    actuals: Actuals | None = None


def known_demand(project: Project, fleet: Fleet, *, as_of: datetime | None, now: datetime, seed: int) -> Known:
    """History → groups → forecast → its judgement by the actuals of earlier forecasts. Without a history, what was kept."""
    memory, said = read_memory(project.memory_file)
    base = project.fleet_path.parent
    try:
        history = read_demand(fleet, base=base, as_of=as_of, now=now)
    except SourceSilent as silent:
        if memory is None or not usable_alone(fleet, memory, as_of=as_of):
            raise
        judged, grouping = without_history(fleet, memory, why=str(silent))
        end = memory.cutoff + fleet.step
        return Known(
            judged=judged,
            grouping=grouping,
            load=memory.load,
            latency_ms={},
            as_of=as_of or end,
            notes=said,
            unfit=True,
        )
    if memory is not None and (as_of is None or memory.cutoff < as_of):
        refuse_contradicted_guess(fleet, history, memory.heard)
    time = as_of or now
    seen = outlook(
        fleet,
        history,
        at=time,
        seed=seed,
        before=memory.heard if memory is not None else (),
        trained=trained_model(fleet, base=base, models=project.models),
    )
    judged = judge(fleet, history, seen.grouping, seen.forecast, memory, as_of=time, replay=as_of is not None)
    if judged.memory is not None:
        judged = replace(judged, memory=replace(judged.memory, heard=seen.lost.heard))
    kept = with_kept(fleet, judged.forecast, seen.grouping, seen.load_now, seen.lost)
    return Known(
        judged=replace(judged, forecast=kept.forecast),
        grouping=kept.grouping,
        load=kept.load_now,
        latency_ms=latency_now(fleet, history, base=base),
        as_of=as_of or history.end,
        notes=(*said, *seen.notes),
        unfit=seen.demoted,
        blocking={**(dict.fromkeys(fleet.qos, judged.unproven) if judged.unproven else {}), **seen.blocking},
        forecast_note=seen.forecast_note,
        actuals=actuals(history, fleet, history.start, history.length, seen.grouping),
    )
