"""Scores earlier shadow plans when the actuals of their windows exist, and notes the scores in the ledger."""

from __future__ import annotations

import contextlib
from datetime import datetime

from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.adapters.runs import KEPT_FOR, read_run
from reconciler.backtest.shadow import due, scored
from reconciler.errors import InputError
from reconciler.plan.decide import Decision
from reconciler.plan.kept_inputs import snapshot_of

#: Most plans that one run scores, oldest first; the next run goes on.
MOST = 200


def score_shadows(project: Project, decision: Decision, *, now: datetime) -> None:
    """Score the shadow plans whose windows have ended in the history that this run read. A replay scores none.

    Plans whose inputs are no longer kept, or can't be read, have no score.
    """
    snapshot = decision.snapshot
    if snapshot.actuals is None or snapshot.replay:
        return
    entries = ledger.read(project.ledger_file, since=now - KEPT_FOR).entries
    for window in due(entries, snapshot.fleet, snapshot.actuals)[:MOST]:
        with contextlib.suppress(InputError):
            inputs, file = read_run(project.runs, window.plan)
            then, plan = snapshot_of(inputs, location=str(file))
            ledger.append(project.ledger_file, scored(window, then, plan, snapshot.actuals, at=now))
