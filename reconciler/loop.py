"""The pipeline on a page: history → forecast → sizes → guards → stack file → preview → up.

Everything here is a sequence of calls; each decision is pure and elsewhere, each contact with the world is an adapter.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.adapters import ledger
from reconciler.adapters.demand_source import read_demand
from reconciler.adapters.files import read_text, write_json, write_text
from reconciler.adapters.hypervisors import unreachable
from reconciler.adapters.project import Project
from reconciler.errors import Unavailable
from reconciler.fitness import fitness, price_notes
from reconciler.forecasting import forecast_groups, load_now
from reconciler.grouping import group
from reconciler.guarding import past_changes
from reconciler.observe import observe
from reconciler.plan import OWN_KEYS, PlanFile
from reconciler.planning import Situation, decide
from reconciler.render import render


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
    it = situation(project, as_of=as_of, now=now, seed=seed)
    plan = decide(it)
    write_plan(project, plan)
    sizes = {t.tier: [t.before, t.after] for t in plan.tiers}
    ledger.append(project.ledger_file, at=now, event="plan", detail={"plan": plan.id, "sizes": sizes})
    return plan


def situation(project: Project, *, as_of: datetime | None, now: datetime, seed: int = 0) -> Situation:
    """All that a plan is decided from, read and forecast; writes nothing. Arguments and errors as `make_plan`."""
    fleet = project.read_fleet()
    history = read_demand(fleet, base=project.fleet_path.parent, as_of=as_of)
    grouping = group(history, fleet, keep=fleet.history.series)
    forecast = forecast_groups(history, grouping, fleet, seed=seed)
    silent = unreachable((*fleet.tiers.hot.hypervisors, *fleet.tiers.cold.hosts))
    if silent and fleet.tiers.hot.unreachable == "refuse":
        said = "; ".join(f"{name}: {words}" for name, words in sorted(silent.items()))
        raise Unavailable(f"Hypervisors do not answer ({said}). Mend them, or set tiers.hot.unreachable to skip.")
    engine = project.engine()
    engine.ensure_stack()
    notes, demoted = fitness(fleet, history, forecast, as_of=as_of or now)
    catalogue = project.read_catalogue(fleet)
    return Situation(
        fleet=fleet,
        catalogue=catalogue,
        forecast=forecast,
        grouping=grouping,
        observed=observe(engine.state(), fleet.metal_flavours),
        load_now=load_now(history, grouping, fleet),
        as_of=as_of or history.end,
        now=now,
        stack=project.stack,
        unreachable=silent,
        notes=(*notes, *price_notes(fleet, catalogue, now)),
        past=past_changes(ledger.entries(project.ledger_file)),
        demoted=demoted,
    )


def write_plan(project: Project, plan: PlanFile) -> None:
    """Write demand, plan and stack file; a file that already holds these bytes is not touched."""
    path = project.stack_file
    before = read_text(path, "a stack file") if path.exists() else ""
    text = render(before, plan.config, own=OWN_KEYS | set(plan.config), location=str(path))
    write_json(project.demand_file, plan.config["tiercast:demand"])
    write_json(project.plan_file, plan.model_dump(mode="json"))
    write_text(path, text)
