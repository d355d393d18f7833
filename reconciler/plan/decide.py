"""From a snapshot to a plan: the decisions of one run in their order. Pure.

forecast → demand section → sizes → guards → places → configuration → plan file
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.guards.guarded import GuardedSizing, guarded, rules_of
from reconciler.plan.draft import places_of, plan_of
from reconciler.plan.file import PlanFile
from reconciler.plan.notes import latency_notes, minimum_notes
from reconciler.plan.problem import problem_of, with_room
from reconciler.plan.snapshot import Snapshot
from reconciler.sizing import Sizing, SizingProblem, size

#: Maximum number of sizings of one plan when VMs do not fit on the hosts together.
_ROUNDS = 12


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A plan with everything that it was decided from.

    Attributes:
        snapshot, problem: what was known, and the sizing problem made from it.
        held: the counts with the guards that changed them.
        notes: the plan's notes about guards, measured latency and declared minimums.
        plan: the plan.
    """

    snapshot: Snapshot
    problem: SizingProblem
    held: GuardedSizing
    notes: tuple[str, ...]
    plan: PlanFile


def decide(snapshot: Snapshot) -> Decision:
    """The plan with its reasons. A plan always results: if a promise or the budget can't be kept, it is the best available
    plan and reports that."""
    problem = problem_of(snapshot)
    held = sized(snapshot, problem)
    notes = (
        *held.notes,
        *latency_notes(problem, snapshot.load_now, snapshot.latency_now_ms),
        *minimum_notes(snapshot.fleet, problem, pinned=frozenset(snapshot.pins.tiers)),
    )
    plan = plan_of(snapshot, problem, held.sizing, notes)
    return Decision(snapshot=snapshot, problem=problem, held=held, notes=notes, plan=plan)


def sized(snapshot: Snapshot, problem: SizingProblem, warm: Sizing | None = None) -> GuardedSizing:
    """Size, then guard, a snapshot's problem or one that a what-if changed. `warm` is an earlier answer to start from.

    The program knows own hosts only by their sums. If VMs of several sizes do not fit on the hosts together, the problem is
    solved again with the counts that fit.
    """
    for _ in range(_ROUNDS):
        held = guarded(
            problem,
            size(problem, warm=warm),
            rules_of(snapshot.fleet, snapshot.pins),
            now=snapshot.clock.cooldown if snapshot.clock else snapshot.now,
            past=snapshot.past,
            blocked=snapshot.blocked_tiers,
        )
        counts = {c.option: c.after for c in held.sizing.counts}
        places = places_of(snapshot, counts)
        if not any(found.unplaced for found in places.values()):
            break
        problem, warm = with_room(problem, counts, places), held.sizing
    return held
