"""The pipeline on a page: history → forecast → sizes → guards → stack file → preview → up.

Everything here is a sequence of calls; each decision is pure and elsewhere, each contact with the world is an adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from reconciler.adapters import ledger
from reconciler.adapters.files import read_text, write_json, write_text
from reconciler.adapters.history.measured_latency import latency_now
from reconciler.adapters.history.source import read_demand
from reconciler.adapters.hypervisors import unreachable
from reconciler.adapters.kept_forecaster import trained_model
from reconciler.adapters.memory import read_memory, write_memory
from reconciler.adapters.project import Project
from reconciler.apply import apply_plan, preview_plan, read_plan
from reconciler.approval.envelope import Envelope, outside
from reconciler.demand.grouping import Grouping
from reconciler.demand.kept_demand import with_kept
from reconciler.demand.outlook import outlook
from reconciler.errors import SourceSilent, Unavailable
from reconciler.fleet.file import Fleet
from reconciler.observe.stack_state import observe
from reconciler.plan.carried import with_carried
from reconciler.plan.decide import Decision, decide
from reconciler.plan.file import OWN_KEYS, PlanFile
from reconciler.plan.notes import commitment_notes
from reconciler.plan.render import render
from reconciler.plan.snapshot import Snapshot
from reconciler.record import noted
from reconciler.record.entries import NotApplied
from reconciler.record.past import past_changes, remembered
from reconciler.report.summary import Summary
from reconciler.trust.feedback import Judged, judge, usable_alone, without_history


class Mode(StrEnum):
    """How far a scheduled run goes."""

    SHADOW = "shadow"
    PROPOSE = "propose"
    WITHIN = "apply-within-bounds"
    APPLY = "apply"


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to: its plan, the preview (None in shadow), whether it was applied, and what held it back."""

    plan: PlanFile
    summary: Summary | None = None
    applied: bool = False
    held: tuple[str, ...] = ()


def make_plan(project: Project, *, as_of: datetime | None, now: datetime, seed: int = 0) -> PlanFile:
    """Forecast, size, and write demand, plan and stack file; the stack file last, because it is what others read.

    Args:
        project: fleet and stack.
        as_of: replay: use only history before this time.
        now: the wall clock, from which the plan's expiry counts.
        seed: of the sample paths.

    Raises:
        InputError, HistoryError: the fleet file, the history or the stack file are not usable.
        Unavailable: a hypervisor does not answer and the fleet says to stop then.
    """
    decision = decide(take_snapshot(project, as_of=as_of, now=now, seed=seed))
    write_plan(project, decision.plan)
    note_decision(project, decision, event="plan", seed=seed)
    remember(project, decision)
    return decision.plan


def note_decision(project: Project, decision: Decision, *, event: Literal["plan", "shadow"], seed: int) -> None:
    """Put a decision into the ledger, with its grounds."""
    ledger.append(project.ledger_file, noted.decided(decision, event=event, seed=seed, inputs=None))


def remember(project: Project, decision: Decision) -> None:
    """Keep this run's forecasts and scores for the next; a replay of an earlier time leaves them alone."""
    memory = decision.snapshot.memory
    if memory is not None:
        planned = {f"{line.tier}/{kind}": count for line in decision.plan.tiers for kind, count in line.kinds.items()}
        write_memory(project.memory_file, with_carried(memory, decision.problem, planned))


def reconcile_once(
    project: Project,
    *,
    mode: Mode,
    envelope: Envelope | None,
    as_of: datetime | None,
    now: datetime,
    seed: int = 0,
    progress: Callable[[str], None],
) -> RunResult:
    """One scheduled run: plan, preview, and apply as far as the mode allows. Starts from what is observed.

    Args:
        mode: shadow: only say and note what would be planned; propose: write the stack file and preview it;
            apply-within-bounds: apply what lies in the envelope; apply: apply what no policy refuses.
        envelope: what was approved beforehand.
        as_of, now, seed: as `make_plan`.
        progress: called with one line per resource that changes.

    Raises:
        As `make_plan`, `preview_plan` and `apply_plan`.
    """
    decision = decide(take_snapshot(project, as_of=as_of, now=now, seed=seed))
    plan = decision.plan
    remember(project, decision)
    if mode is Mode.SHADOW:
        note_decision(project, decision, event="shadow", seed=seed)
        return RunResult(plan=plan)
    write_plan(project, plan)
    note_decision(project, decision, event="plan", seed=seed)
    summary = preview_plan(project, plan, path=project.plan_file, refresh=True, now=now)
    if summary.verdict != "changes" or mode is Mode.PROPOSE:
        return RunResult(plan=plan, summary=summary)
    held = outside(plan, envelope, now) if mode is Mode.WITHIN else []
    if held:
        ledger.append(project.ledger_file, NotApplied(at=now, event="held", plan=plan.id, why=tuple(held)))
        return RunResult(plan=plan, summary=summary, held=tuple(held))
    apply_plan(project, read_plan(project.plan_file), now=now, progress=progress)
    return RunResult(plan=plan, summary=summary, applied=True)


def take_snapshot(project: Project, *, as_of: datetime | None, now: datetime, seed: int = 0) -> Snapshot:
    """All that a plan is decided from, read and forecast; writes nothing. Arguments and errors as `make_plan`."""
    fleet = project.read_fleet()
    known = known_demand(project, fleet, as_of=as_of, now=now, seed=seed)
    silent = unreachable(fleet.tiers.own_hosts)
    if silent and fleet.tiers.hot.unreachable == "refuse":
        said = "; ".join(f"{name}: {words}" for name, words in sorted(silent.items()))
        raise Unavailable(f"Hypervisors do not answer ({said}). Mend them, or set tiers.hot.unreachable to skip.")
    engine = project.engine()
    engine.ensure_stack()
    prices = project.read_catalogue(fleet, now=now)
    held = project.with_held(fleet, prices.catalogue, now=now)
    past = ledger.read(project.ledger_file, since=now - remembered(fleet))
    fleet = held.fleet
    return Snapshot(
        fleet=fleet,
        catalogue=prices.catalogue,
        forecast=known.judged.forecast,
        grouping=known.grouping,
        observed=observe(engine.state(), fleet.metal_flavours),
        load_now=known.load,
        latency_now_ms=known.latency_ms,
        as_of=known.as_of,
        now=now,
        stack=project.stack,
        unreachable=silent,
        notes=(
            *known.notes,
            *known.judged.notes,
            *prices.notes,
            *held.notes,
            *commitment_notes(fleet),
            *past.notes,
        ),
        past=past_changes(past.entries),
        first_run=not past.entries,
        demoted=known.unfit or known.judged.demoted,
        blocking=known.blocking,
        records=known.judged.records,
        standing=known.judged.standing,
        memory=known.judged.memory,
        forecast_note=known.forecast_note,
    )


@dataclass(frozen=True, kw_only=True)
class Known:
    """Demand as a run knows it: the forecast with what is trusted of it, the load and latency of the last step.

    as_of: the plan's time in the history's clock. unfit: the data alone forbids to shrink. blocking: QoS class → why no tier
    that serves it shrinks. forecast_note: which model made the forecast.
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


def known_demand(project: Project, fleet: Fleet, *, as_of: datetime | None, now: datetime, seed: int) -> Known:
    """History → groups → forecast → its judgement by what earlier forecasts came to. Without a history, what was kept."""
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
        blocking=seen.blocking,
        forecast_note=seen.forecast_note,
    )


def write_plan(project: Project, plan: PlanFile) -> None:
    """Write demand, plan and stack file; a file that already holds these bytes is not touched."""
    path = project.stack_file
    before = read_text(path, "a stack file") if path.exists() else ""
    text = render(before, plan.config, own=OWN_KEYS | set(plan.config), location=str(path))
    write_json(project.demand_file, plan.config["tiercast:demand"])
    write_json(project.plan_file, plan.model_dump(mode="json"))
    write_text(path, text, through_link=True)
