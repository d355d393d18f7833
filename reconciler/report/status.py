"""What runs against what was planned."""

from __future__ import annotations

from typing import Any

from reconciler.observe import Observed
from reconciler.plan import PlanFile
from stacks.contract import Tier


def drift(plan: PlanFile, seen: Observed) -> list[str]:
    """One sentence per tier whose instances are not the planned ones; empty where all are.

    Under `floor` a reactive policy may run more than planned: that is said and is no drift downwards.
    """
    lines = []
    for line in plan.tiers:
        runs = seen.total(Tier(line.tier))
        if runs != line.after:
            word = "more" if runs > line.after else "fewer"
            lines.append(f"{line.tier}: {runs} run, {line.after} were planned ({abs(runs - line.after)} {word})")
    return lines


def status_json(plan: PlanFile, seen: Observed) -> dict[str, Any]:
    """Planned and running counts by tier, with the plan's id, cost and expiry."""
    return {
        "plan": plan.id,
        "valid_until": plan.valid_until.isoformat(),
        "usd_per_hour": plan.usd_per_hour_after,
        "tiers": {t.tier: {"planned": t.after, "running": seen.total(Tier(t.tier))} for t in plan.tiers},
        "drift": drift(plan, seen),
    }
