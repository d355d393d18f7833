"""The pipeline on a page: history → forecast → sizes → guards → stack file → preview → up.

Everything here is a sequence of calls; each decision is pure and elsewhere, each contact with the world is an adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from reconciler import approval
from reconciler.adapters import ledger
from reconciler.adapters.engine import config_digest
from reconciler.adapters.files import read_json, read_text, write_json, write_text
from reconciler.adapters.project import Project
from reconciler.change import Preview
from reconciler.errors import PolicyRefused
from reconciler.plan import PlanFile, parse_plan
from reconciler.report.html import html
from reconciler.report.markdown import markdown
from reconciler.report.summary import Summary
from reconciler.report.text import plain, terminal


def preview_plan(project: Project, plan: PlanFile, *, path: Path, refresh: bool, now: datetime) -> Summary:
    """Ask the engine what the stack file would change, keep the reports, and bind the plan to what was seen.

    Raises:
        EngineError, Unavailable: as the engine's preview; nothing was written then.
    """
    engine = project.engine()
    engine.ensure_stack()
    found = engine.preview(refresh=refresh, exclude=exclusions(plan))
    summary = Summary(plan=plan, preview=found)
    if not found.refusals:
        bound = approval.bind(
            plan,
            config_digest=config_digest(read_text(project.stack_file, "the stack file")),
            policy_digest=engine.policy_digest(),
            preview=found,
            state=engine.state(),
            at=now,
        )
        write_json(path, bound.model_dump(mode="json"))
    write_text(project.work / "preview.txt", plain(terminal(summary)))
    write_text(project.work / "preview.md", markdown(summary, project=project.name, artefact="preview.html"))
    write_text(project.work / "preview.html", html(summary, project=project.name))
    write_json(project.work / "preview.json", summary.to_json())
    detail = {"plan": plan.id, "verdict": summary.verdict, "violations": [v.message for v in found.refusals]}
    ledger.append(project.ledger_file, at=now, event="preview", detail=detail)
    return summary


def apply_plan(project: Project, plan: PlanFile, *, now: datetime, progress: Callable[[str], None]) -> Preview:
    """Preview again, refuse on any difference from what was approved, then apply.

    Raises:
        StaleApproval: the plan is not what would run now.
        PolicyRefused: a mandatory policy refuses it now.
        EngineError, Unavailable: the engine failed; what was done stays, the next run finishes it.
    """
    engine = project.engine()
    found = engine.preview(exclude=exclusions(plan))
    if found.refusals:
        raise PolicyRefused([f"{v.policy}: {v.message}" for v in found.refusals])
    newest = project.plan_file
    approval.check(
        plan,
        config_digest=config_digest(read_text(project.stack_file, "the stack file")),
        policy_digest=engine.policy_digest(),
        preview=found,
        state=engine.state(),
        newest=parse_plan(read_json(newest, "a plan file"), str(newest)) if newest.exists() else None,
        now=now,
    )
    if not found.changed:
        return found
    ledger.append(project.ledger_file, at=now, event="up", detail={"plan": plan.id, "steps": len(found.changed)})
    done = engine.up(exclude=exclusions(plan), progress=progress)
    if done.refusals:
        raise PolicyRefused([f"{v.policy}: {v.message}" for v in done.refusals])
    ledger.append(project.ledger_file, at=now, event="applied", detail={"plan": plan.id, "steps": len(done.changed)})
    return done


def exclusions(plan: PlanFile) -> tuple[str, ...]:
    """URN patterns of what is left alone because its hypervisor does not answer."""
    return tuple(f"**{tier}-{name}**" for name in plan.skipped for tier in ("hot", "cold"))
