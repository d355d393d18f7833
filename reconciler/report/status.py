"""Compares what runs and is ready with what was planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from reconciler.observe.drift import Drift, by_kind
from reconciler.observe.world import DeclaredTier, LiveInstance, World
from reconciler.plan.file import PlanFile
from stacks.contract import Tier

HEAD = ["tier", "planned", "declared", "recorded", "running", "ready"]

#: Instances that are named one by one. The rest are counted.
_NAMED = 10


def differences(plan: PlanFile, world: World) -> list[str]:
    """One sentence per tier whose count is outside of what the plan declares, per VM that does not serve, and per source that
    did not answer.

    Under `floor`, a scaling policy may choose any count between minimum and maximum; `notes` reports that count. An instance
    of which nothing is known counts as ready.
    """
    lines = []
    for line in plan.tiers:
        tier = Tier(line.tier)
        declared, seen = world.declared[tier], world.tally(tier)
        ready, most = _ready(world, tier), _present(world, tier)
        if ready < declared.low:
            lines.append(f"{tier.value}: {ready} instances are ready, the planned minimum is {declared.low}")
        elif most > declared.high:
            lines.append(f"{tier.value}: {most} instances run, the planned maximum is {declared.high}")
        mine = [i for i in world.instances if i.tier is tier and i.ready is False]
        lines += [_named(i) for i in mine[:_NAMED]]
        if len(mine) > _NAMED:
            lines.append(f"{tier.value}: {len(mine) - _NAMED} more instances are not ready")
        if seen.unknown and world.silent:
            lines.append(f"{tier.value}: of {seen.unknown} instances nothing is known now")
    lines += [f"{source} did not answer: {error}" for source, error in sorted(world.silent.items())]
    return lines


def notes(plan: PlanFile, world: World) -> list[str]:
    """One sentence per tier whose count differs from the plan but is within what it declares."""
    lines = []
    for line in plan.tiers:
        tier = Tier(line.tier)
        low, high = world.declared[tier].low, world.declared[tier].high
        runs = _present(world, tier)
        if runs != line.after and low <= runs <= high:
            lines.append(
                f"{line.tier}: {runs} instances run, {line.after} are planned; a scaling policy may choose {low} to {high}"
            )
    return lines


def rows(plan: PlanFile, world: World) -> list[list[str]]:
    """Per tier: planned, declared, recorded, running and ready instances."""
    found = []
    for line in plan.tiers:
        tier = Tier(line.tier)
        seen = world.tally(tier)
        cells = [_shown(seen.running, seen.unknown), _shown(seen.ready, seen.unjudged)]
        found.append(
            [line.tier, str(line.after), _range(world.declared[tier]), str(world.recorded.total(tier)), *cells]
        )
    return found


def ages(plan: PlanFile, world: World, *, recorded_at: datetime | None, now: datetime) -> list[str]:
    """How old each figure is, one sentence per source."""
    state = "no update has written the state yet" if recorded_at is None else f"state written {_ago(now - recorded_at)}"
    lines = [f"declared: plan {plan.id} made {_ago(now - plan.created_at)}", f"recorded: {state}"]
    asked = [r for r in world.readings if r.asked]
    if not asked:
        return [*lines, "running and ready: not asked"]
    read: dict[str, list[str]] = {}
    for reading in asked:
        when = f"no answer ({reading.error})" if reading.error else f"read {_ago(now - reading.at)}"
        read.setdefault(when, []).append(reading.source)
    return [*lines, *(f"running and ready: {', '.join(sources)}: {when}" for when, sources in read.items())]


def drift_lines(drift: Sequence[Drift]) -> list[str]:
    """One sentence per difference between the state and what there is."""
    return [f"drift ({one.kind.value}): {one.name}: {one.what}" for one in drift]


def status_json(
    plan: PlanFile,
    world: World,
    *,
    recorded_at: datetime | None = None,
    offline: bool = False,
    drift: Sequence[Drift] = (),
) -> dict[str, Any]:
    """Instances by tier (null: unknown), shares by class, what differs, and when each figure was read."""
    return {
        "plan": plan.id,
        "valid_until": plan.valid_until.isoformat(),
        "usd_per_hour": plan.usd_per_hour_after,
        "offline": offline,
        "tiers": {t.tier: _tier_json(t.after, world, Tier(t.tier)) for t in plan.tiers},
        "classes": {
            c.name: {
                "promised_share": c.promised_share,
                "allowed_share": c.allowed_share,
                "expected_share": c.expected_share,
                "shortfall_probability": c.shortfall_probability,
            }
            for c in plan.classes
        },
        "instances": [
            {"name": i.name, "tier": i.tier.value, "running": i.running, "ready": i.ready, "why": i.why}
            for i in world.instances
        ],
        "declared_at": plan.created_at.isoformat(),
        "recorded_at": recorded_at.isoformat() if recorded_at else None,
        "readings": [{"source": r.source, "at": r.at.isoformat(), "error": r.error} for r in world.readings if r.asked],
        "drift": differences(plan, world),
        "drift_by_kind": by_kind(drift),
        "drifted": [{"kind": one.kind.value, "name": one.name, "what": one.what} for one in drift],
        "notes": notes(plan, world),
    }


def _tier_json(planned: int, world: World, tier: Tier) -> Mapping[str, Any]:
    seen, declared = world.tally(tier), world.declared[tier]
    return {
        "planned": planned,
        "declared": {"min": declared.low, "desired": declared.count, "max": declared.high},
        "recorded": world.recorded.total(tier),
        "running": seen.running,
        "ready": seen.ready,
        "unknown": seen.unknown,
    }


def _ready(world: World, tier: Tier) -> int:
    """Instances that are ready or of which nothing is known."""
    seen = world.tally(tier)
    return (seen.ready or 0) + seen.unjudged


def _present(world: World, tier: Tier) -> int:
    """Instances that run or of which nothing is known."""
    seen = world.tally(tier)
    return (seen.running or 0) + seen.unknown


def _named(found: LiveInstance) -> str:
    gone = "runs, but is not ready" if found.running else "does not run"
    return f"{found.name} {gone}: {found.why}"


def _range(declared: DeclaredTier) -> str:
    if declared.low == declared.high:
        return str(declared.count)
    high = "…" if declared.high >= 10**6 else str(declared.high)
    return f"{declared.count} ({declared.low} to {high})"


def _shown(known: int | None, unknown: int) -> str:
    if known is None:
        return "unknown"
    return f"{known}, {unknown} unknown" if unknown else str(known)


def _ago(age: timedelta) -> str:
    seconds = max(age.total_seconds(), 0)
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word} ago"
    return f"{seconds:.0f} s ago"
