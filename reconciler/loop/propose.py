"""A plan as a proposal: previewed like any other, and then a commit on a branch or a patch. The work tree stays as it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reconciler.adapters import ledger
from reconciler.adapters.files import read_text, write_json, write_text
from reconciler.adapters.git import commit_to, committed, top_of
from reconciler.adapters.private_copy import private_copy
from reconciler.adapters.project import Project
from reconciler.apply import preview_plan
from reconciler.errors import InputError
from reconciler.loop.written import rendered, write_plan
from reconciler.plan import noted
from reconciler.plan.file import PlanFile
from reconciler.report.proposal import message_of, patch_of
from reconciler.report.summary import Summary


@dataclass(frozen=True, kw_only=True)
class ProposalTarget:
    """Where a proposal goes: to a branch of the project's git repository, to a patch file, or to both."""

    branch: str | None = None
    patch: Path | None = None


def propose(
    project: Project, plan: PlanFile, target: ProposalTarget, *, now: datetime, no_policies: bool
) -> tuple[Summary, str]:
    """Preview a plan in a private copy of the project, and write it as a proposal if it changes anything.

    The plan and its demand are also kept in `.tiercast/<stack>/proposed/`. The newest plan of the stack and the stack file
    stay in force.

    Returns:
        The preview, and where the proposal is; "" where nothing was proposed (no change, or refused by a policy).

    Raises:
        InputError: the branch can't be written, or the stack file has changes that are not committed.
        As `preview_plan`.
    """
    stack = project.stack_file
    before = read_text(stack, "a stack file") if stack.exists() else None
    if target.branch is not None:
        _require_committed(stack, before)
    with private_copy(project) as copy:
        draft = replace(copy, drafts=project.work / "proposed")
        text = rendered(draft, plan)
        write_plan(draft, plan, text)
        # A pack that pins the demand reads it where the project keeps it.
        write_json(draft.root / project.demand_file.relative_to(project.root), plan.config["tiercast:demand"])
        summary = preview_plan(draft, plan, path=draft.plan_file, refresh=True, now=now, no_policies=no_policies)
    if summary.verdict != "changes":
        return summary, ""
    files = {stack: text, project.plan_file: read_text(draft.plan_file, "a plan file")}
    where = []
    if target.branch is not None:
        commit = commit_to(
            target.branch,
            {Path(os.path.realpath(path)): content for path, content in files.items()},
            message=message_of(summary),
            root=project.root,
            now=now,
        )
        where.append(f"commit {commit[:12]} on branch {target.branch}")
    if target.patch is not None:
        found = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in files}
        changes = {os.path.relpath(path, project.root): (found[path], files[path]) for path in files}
        write_text(target.patch, patch_of(changes), through_link=True)
        where.append(f"patch {target.patch}")
    said = " and ".join(where)
    ledger.append(project.ledger_file, noted.not_applied(plan, [f"proposed: {said}"], at=now))
    return summary, said


def _require_committed(stack: Path, found: str | None) -> None:
    """Refuse to propose a stack file whose changes nobody committed: the commit would take them along."""
    path = Path(os.path.realpath(stack))
    if committed(path, top_of(path.parent)) != found:
        raise InputError(
            str(stack),
            "it has changes that are not committed, and the proposal would include them.",
            "Commit or revert them, or propose with --patch.",
        )
