"""The ledger's entries and answers as table rows, text and JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from reconciler.record.entries import (
    Applied,
    Decided,
    Entry,
    Failed,
    GuardEntry,
    HandedOver,
    NotApplied,
    Previewed,
    Repaired,
    ResourceEntry,
    Scored,
    SetByHand,
    Settled,
    Signed,
    Started,
    TierEntry,
)
from reconciler.report.answers import LedgerChange, PlanStory
from reconciler.report.explanation import Table
from reconciler.report.shadow import late_shares
from reconciler.report.summary import percent, usd

HEAD = ("time, UTC", "event", "plan", "what")


def when(at: datetime) -> str:
    """A time to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def row(entry: Entry) -> tuple[str, str, str, str]:
    """Time, event, plan and a one-sentence summary of an entry."""
    return when(entry.at), entry.event, entry.plan, _what(entry)


def resource_rows(changes: Iterable[LedgerChange]) -> list[tuple[str, str, str, str]]:
    """Time, operation, plan and the reasons of each change of a resource."""
    return [(when(c.at), c.resource.op, c.plan, "\n".join(_grounds(c))) for c in changes]


def resource_json(change: LedgerChange) -> dict[str, Any]:
    """A change of a resource as plain values."""
    return {
        "at": change.at.isoformat(),
        "op": change.resource.op,
        "name": change.resource.name,
        "type": change.resource.type,
        "urn": change.resource.urn,
        "keys": list(change.resource.keys),
        "ended": change.ended,
        "plan": change.plan,
        "tier": change.tier,
        "sizes": None if change.line is None else change.line.model_dump(mode="json"),
        "guards": [g.model_dump(mode="json") for g in change.guards],
    }


def story_json(told: PlanStory) -> dict[str, Any]:
    """A plan's story as plain values."""
    return {
        "plan": told.plan,
        "cut_short": told.cut_short,
        "entries": [entry.model_dump(mode="json") for entry in told.entries],
    }


def story_tables(told: PlanStory) -> list[Table]:
    """A plan's story as tables, in reading order."""
    decided = told.decided
    tables = _decision_tables(decided) if decided is not None else []
    events = [row(e) for e in told.entries]
    if told.cut_short:
        events.append(("", "", told.plan, "an update started and did not end: it was cut short or still runs"))
    tables.append(("Events", HEAD, list(events)))
    done = [(e, r) for e in told.entries if isinstance(e, Applied) for r in e.resources]
    tables.append(
        (
            "Resources",
            ("time, UTC", "operation", "resource", "type", "changed inputs"),
            [(when(e.at), r.op, r.name, r.type, ", ".join(r.keys)) for e, r in done],
        )
    )
    return tables


def headline(told: PlanStory) -> str:
    """The inputs of the plan in one line."""
    made = told.decided
    if made is None:
        return (
            f"plan {told.plan}: this ledger does not have its decision (it was made elsewhere or deleted by rotation)"
        )
    cutoff = f", history up to {made.cutoff:%Y-%m-%d %H:%M}" if made.cutoff else ""
    digest = (
        f", forecast {made.forecast[:12]}, catalogue {made.catalogue[:12]}, seed {made.seed}" if made.forecast else ""
    )
    kept = (
        f"; inputs kept: {made.inputs.bytes} bytes, sample paths {made.inputs.paths}"
        if made.inputs
        else "; inputs not kept"
    )
    return f"plan {told.plan}, decided {when(made.at)} UTC{cutoff}{digest}{kept}"


def _decision_tables(made: Decided) -> list[Table]:
    tiers = [(t, f"{line.before} → {line.after}", _money(line), line.reason) for t, line in made.tiers.items()]
    options = [
        (name, str(o.observed), str(o.wanted), str(o.planned), f"{o.usd_per_hour:.4f}")
        for name, o in made.options.items()
    ]
    guards = [(g.tier, g.guard, _changed(g), g.text) for g in made.guards]
    classes = [
        (
            name,
            "not in time" if c.latency_ms is None else f"{c.latency_ms:.0f} / {c.latency_target_ms:.0f} ms",
            percent(c.promised_share),
            percent(c.allowed_share),
            percent(c.expected_share),
            percent(c.shortfall_probability),
        )
        for name, c in made.classes.items()
    ]
    slots = [("added", n) for n in made.slots_added] + [("removed", n) for n in made.slots_removed]
    models = Counter(made.models.values())
    used: list[tuple[str, ...]] = [
        (model, str(count), ", ".join(n for n, m in made.models.items() if m == model))
        for model, count in sorted(models.items())
    ]
    return [
        ("Tiers", ("tier", "instances", "USD/hour", "binding constraint"), list(tiers)),
        ("Options", ("option", "observed", "wanted", "planned", "USD/hour each"), list(options)),
        ("Guards that changed counts", ("tier", "guard", "from → to", "why"), list(guards)),
        (
            "QoS classes",
            (
                "class",
                "latency / target",
                "promise",
                "allowed in this window",
                "late requests expected",
                "chance demand > capacity",
            ),
            list(classes),
        ),
        ("Slots on owned hosts", ("change", "slot"), list(slots)),
        ("Models", ("model", "count", "groups"), used),
        ("Notes", ("note",), [(note,) for note in made.notes]),
    ]


def _what(entry: Entry) -> str:
    if isinstance(entry, Decided):
        sizes = ", ".join(f"{tier} {_size(line)}" for tier, line in entry.tiers.items()) or "no sizes"
        money = f"; {usd(entry.usd_per_hour[0])} → {usd(entry.usd_per_hour[1])} per hour" if entry.usd_per_hour else ""
        held = ", ".join(dict.fromkeys(g.guard for g in entry.guards))
        return sizes + money + (f"; guards: {held}" if held else "")
    if isinstance(entry, Previewed):
        said = "; ".join(f"{v.policy}: {v.message}".removeprefix(": ") for v in entry.violations)
        return ": ".join(filter(None, (entry.verdict, _operations(entry.resources)))) + (f"; {said}" if said else "")
    if isinstance(entry, Signed):
        return f"approved with key {entry.key}"
    if isinstance(entry, Scored):
        late = "; ".join(f"{name} {late_shares(line)}" for name, line in entry.classes.items())
        return f"shadow {usd(entry.usd[0])}, actual {usd(entry.usd[1])} in {entry.steps} steps; late requests: {late}"
    if isinstance(entry, NotApplied):
        return "not applied: " + "; ".join(entry.why)
    if isinstance(entry, Started):
        return f"an update of {entry.steps} resources started" + (f", {entry.approval}" if entry.approval else "")
    if isinstance(entry, Applied):
        done = _operations(entry.resources) or f"{entry.steps} resources changed"
        return f"{done}, then the update failed: {entry.error}" if isinstance(entry, Failed) else done
    if isinstance(entry, Settled):
        return "; ".join(entry.lines)
    if isinstance(entry, SetByHand):
        return _by_hand(entry)
    if isinstance(entry, HandedOver):
        done = "adopted" if entry.event == "adopt" else "released"
        return f"{', '.join(entry.resources)} {'was' if len(entry.resources) == 1 else 'were'} {done} by {entry.by}"
    return entry.text if isinstance(entry, Repaired) else ""


def _by_hand(entry: SetByHand) -> str:
    what = "the freeze" if entry.what == "freeze" else f"the pin of {entry.what}"
    if entry.event == "unpin":
        return f"{what} was removed by {entry.by}"
    said = "the sizes are frozen" if entry.event == "freeze" else f"{entry.what} is pinned at {entry.count}"
    end = f" until {when(entry.until)} UTC" if entry.until is not None else ""
    return f"{said}{end} by {entry.by}: {entry.reason}"


def _operations(resources: Sequence[ResourceEntry]) -> str:
    return ", ".join(f"{count} {op}" for op, count in sorted(Counter(r.op for r in resources).items()))


def _grounds(change: LedgerChange) -> list[str]:
    lines: list[str] = [] if change.ended == "done" else [change.ended]
    if change.resource.keys:
        lines.append(f"changed inputs: {', '.join(change.resource.keys)}")
    if change.line is not None:
        lines.append(f"{change.tier} {_size(change.line)}: {change.line.reason}".rstrip(": "))
    lines += [f"guard '{g.guard}' ({_changed(g)}): {g.text}" for g in change.guards]
    return lines or ["the ledger has no reason: the plan was made elsewhere"]


def _size(line: TierEntry) -> str:
    return f"{line.before} → {line.after}" if line.before != line.after else str(line.after)


def _money(line: TierEntry) -> str:
    return (
        "" if line.usd_before is None or line.usd_after is None else f"{usd(line.usd_before)} → {usd(line.usd_after)}"
    )


def _changed(guard: GuardEntry) -> str:
    return ", ".join(f"{name} {before} → {after}" for name, (before, after) in guard.changed.items())
