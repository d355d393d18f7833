"""From a snapshot to a plan: the decisions of one run in their order. Pure.

forecast → demand section → sizes → guards → places → configuration → plan file
"""

from __future__ import annotations

from reconciler.guards.guarded import GuardedSizing, guarded, rules_of
from reconciler.plan.draft import places_of, plan_of
from reconciler.plan.file import PlanFile
from reconciler.plan.notes import latency_notes, minimum_notes
from reconciler.plan.problem import problem_of, with_room
from reconciler.plan.snapshot import Snapshot
from reconciler.sizing import Sizing, SizingProblem, size

#: Most times that a plan is sized again because VMs found no room beside each other.
_ROUNDS = 12


def decide(snapshot: Snapshot, problem: SizingProblem | None = None) -> PlanFile:
    """The plan. Always one: where a promise or the budget cannot be kept it is the best to be had, and says so.

    `problem` is the snapshot's own (`problem_of`), for callers that need it too; None: computed here.
    """
    problem = problem or problem_of(snapshot)
    held = sized(snapshot, problem)
    said = (
        *latency_notes(problem, snapshot.load_now, snapshot.latency_now_ms),
        *minimum_notes(snapshot.fleet, problem),
    )
    return plan_of(snapshot, problem, held.sizing, (*held.notes, *said))


def sized(snapshot: Snapshot, problem: SizingProblem, warm: Sizing | None = None) -> GuardedSizing:
    """The counts of a snapshot's problem, or of one changed by a what-if: sized (from a former answer), then guarded.

    The program sees own hosts by their sums; where VMs of several sizes do not find room beside each other, it is asked
    again with what does.
    """
    for _ in range(_ROUNDS):
        held = guarded(
            problem,
            size(problem, warm=warm),
            rules_of(snapshot.fleet),
            now=snapshot.now,
            past=snapshot.past,
            blocked=snapshot.blocked_tiers,
        )
        counts = {c.option: c.after for c in held.sizing.counts}
        places = places_of(snapshot, counts)
        if not any(found.unplaced for found in places.values()):
            break
        problem, warm = with_room(problem, counts, places), held.sizing
    return held
