"""Compares the running counts with the planned counts."""

from __future__ import annotations

from typing import Any

from reconciler.observe.stack_state import Observed
from reconciler.plan.file import PlanFile
from stacks.contract import Tier


def drift(plan: PlanFile, seen: Observed) -> list[str]:
    """One sentence per tier whose running count is below the plan's minimum or above its maximum.

    Under `floor`, a scaling policy may choose any count between the two; `notes` reports that count.
    """
    lines = []
    for line in plan.tiers:
        low, high = _bounds(plan, line.tier)
        runs = seen.total(Tier(line.tier))
        if runs < low:
            lines.append(f"{line.tier}: {runs} instances run, the planned minimum is {low}")
        elif runs > high:
            lines.append(f"{line.tier}: {runs} instances run, the planned maximum is {high}")
    return lines


def notes(plan: PlanFile, seen: Observed) -> list[str]:
    """One sentence per tier whose running count differs from the plan but is within its bounds."""
    lines = []
    for line in plan.tiers:
        low, high = _bounds(plan, line.tier)
        runs = seen.total(Tier(line.tier))
        if runs != line.after and low <= runs <= high:
            lines.append(
                f"{line.tier}: {runs} instances run, {line.after} are planned; a scaling policy may choose {low} to {high}"
            )
    return lines


def _bounds(plan: PlanFile, tier: str) -> tuple[int, int]:
    """Least and most instances that the plan's configuration allows in a tier."""
    part = plan.config.get(f"tiercast:{tier}", {})
    slots = len(part.get("slots", ())) + len((part.get("metal") or {}).get("slots", ()))
    sizes = [group["size"] for group in part.get("groups", ())]
    if part.get("ownership") == "external":
        return slots, slots + 10**6
    return slots + sum(s["min"] for s in sizes), slots + sum(s["max"] for s in sizes)


def status_json(plan: PlanFile, seen: Observed) -> dict[str, Any]:
    """Planned and running counts by tier, shares by class, with the plan's id, cost and expiry."""
    return {
        "plan": plan.id,
        "valid_until": plan.valid_until.isoformat(),
        "usd_per_hour": plan.usd_per_hour_after,
        "tiers": {t.tier: {"planned": t.after, "running": seen.total(Tier(t.tier))} for t in plan.tiers},
        "classes": {
            c.name: {
                "promised_share": c.promised_share,
                "allowed_share": c.allowed_share,
                "expected_share": c.expected_share,
                "shortfall_probability": c.shortfall_probability,
            }
            for c in plan.classes
        },
        "drift": drift(plan, seen),
        "notes": notes(plan, seen),
    }
