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

#: Most times that a plan is sized again because VMs found no room beside each other.
_ROUNDS = 12


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A plan with all that it was decided by.

    Attributes:
        snapshot, problem: what was known, and the question that the sizing answered.
        held: the counts with the guards that changed them.
        notes: what guards, measured latency and declared minimums say, for the plan.
        plan: the plan.
    """

    snapshot: Snapshot
    problem: SizingProblem
    held: GuardedSizing
    notes: tuple[str, ...]
    plan: PlanFile


def decide(snapshot: Snapshot) -> Decision:
    """The plan, with its grounds. Always one: where a promise or the budget can't be kept it is the best there is, and says
    so."""
    problem = problem_of(snapshot)
    held = sized(snapshot, problem)
    notes = (
        *held.notes,
        *latency_notes(problem, snapshot.load_now, snapshot.latency_now_ms),
        *minimum_notes(snapshot.fleet, problem),
    )
    plan = plan_of(snapshot, problem, held.sizing, notes)
    return Decision(snapshot=snapshot, problem=problem, held=held, notes=notes, plan=plan)


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
