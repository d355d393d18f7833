"""The ledger's entries of a decision, a preview and an update. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from reconciler.observe.drift import by_kind
from reconciler.observe.preview import Preview, PreviewStep
from reconciler.plan.decide import Decision
from reconciler.plan.draft import places_of
from reconciler.plan.file import PlanFile
from reconciler.plan.unlowered import staying
from reconciler.record.entries import (
    Applied,
    ClassEntry,
    Decided,
    Failed,
    GuardEntry,
    KeptInputs,
    NotApplied,
    OptionEntry,
    PolicyEntry,
    Previewed,
    ResourceEntry,
    Settled,
    Signed,
    Started,
    TierEntry,
)
from stacks.contract import Slot, Tier


def decided(decision: Decision, *, event: Literal["plan", "shadow"], seed: int, inputs: KeptInputs | None) -> Decided:
    """The entry of a decision, made at the snapshot's `now`."""
    plan, snapshot, sizing = decision.plan, decision.snapshot, decision.held.sizing
    options = {o.name: o for o in decision.problem.options}
    provenance = plan.config["tiercast:plan"]
    stays = staying(snapshot.fleet, sizing)
    before = _names(snapshot.observed.slots)
    counts = {c.option: c.after for c in sizing.counts}
    after = _names({tier: found.slots for tier, found in places_of(snapshot, counts).items()})
    return Decided(
        at=snapshot.now,
        event=event,
        plan=plan.id,
        seed=seed,
        as_of=snapshot.as_of,
        replay=snapshot.replay,
        cutoff=plan.cutoff,
        forecast=provenance["forecastDigest"],
        catalogue=provenance["catalogueDigest"],
        models=plan.models,
        demoted=plan.demoted,
        status=sizing.status,
        tiers=tiers(plan),
        options={
            c.option: OptionEntry(
                observed=c.before,
                wanted=decision.held.wanted[c.option],
                planned=stays.get(c.option, c.after),
                usd_per_hour=round(options[c.option].usd_per_hour, 9),
            )
            for c in sizing.counts
        },
        guards=tuple(
            GuardEntry(guard=r.guard, tier=r.tier.value, text=r.text, changed=dict(r.changed))
            for r in decision.held.bound
        ),
        classes={
            line.name: ClassEntry(
                promised_share=line.promised_share,
                allowed_share=line.allowed_share,
                expected_share=line.expected_share,
                latency_target_ms=line.latency_target_ms,
                latency_ms=line.latency_ms,
                shortfall_probability=line.shortfall_probability,
            )
            for line in plan.classes
        },
        usd_per_hour=(plan.usd_per_hour_before, plan.usd_per_hour_after),
        slots_added=tuple(sorted(after - before)),
        slots_removed=tuple(sorted(before - after)),
        notes=plan.notes,
        drift=by_kind(snapshot.drift) if snapshot.drift else {},
        inputs=inputs,
    )


def previewed(plan: PlanFile, found: Preview, verdict: str, *, at: datetime) -> Previewed:
    """The entry of a preview: operations on resources, and the violations of every policy."""
    return Previewed(
        at=at,
        event="preview",
        plan=plan.id,
        verdict=verdict,
        no_policies=not found.judged,
        violations=tuple(
            PolicyEntry(policy=v.policy, level=v.level, message=v.message, resource=v.resource)
            for v in found.violations
        ),
        resources=touched(found.changed),
    )


def not_applied(plan: PlanFile, why: Iterable[str], *, at: datetime) -> NotApplied:
    """The entry of a plan that was not applied automatically."""
    return NotApplied(at=at, event="held", plan=plan.id, why=tuple(why))


def settled(plan: PlanFile, lines: Iterable[str], *, at: datetime) -> Settled:
    """The entry of what was adopted, removed or released before an update."""
    return Settled(at=at, event="settled", plan=plan.id, lines=tuple(lines))


def approved(plan: PlanFile, key: str, *, at: datetime) -> Signed:
    """The entry of a plan that was signed with the key of this fingerprint."""
    return Signed(at=at, event="approved", plan=plan.id, key=key)


def started(plan: PlanFile, found: Preview, *, approval: str, dips: Iterable[str] = (), at: datetime) -> Started:
    """The entry of an update that begins, as its last preview found it; `dips`: losses of ready capacity that were allowed."""
    return Started(
        at=at,
        event="up",
        plan=plan.id,
        steps=len(touched(found.changed)),
        no_policies=not found.judged,
        approval=approval,
        dips=tuple(dips),
    )


def applied(plan: PlanFile, steps: Iterable[PreviewStep], *, at: datetime) -> Applied:
    """The entry of an update that succeeded."""
    done = touched(steps)
    return Applied(at=at, event="applied", plan=plan.id, steps=len(done), tiers=tiers(plan), resources=done)


def failed(plan: PlanFile, steps: Iterable[PreviewStep], error: BaseException, *, at: datetime) -> Failed:
    """The entry of an update that stopped after `steps`."""
    done = touched(steps)
    words = str(error)[:500] or type(error).__name__
    return Failed(at=at, event="failed", plan=plan.id, steps=len(done), tiers=tiers(plan), resources=done, error=words)


def tiers(plan: PlanFile) -> dict[str, TierEntry]:
    """Tier → sizes, USD/hour and the constraint that binds."""
    return {
        t.tier: TierEntry(
            before=t.before, after=t.after, usd_before=t.usd_before, usd_after=t.usd_after, reason=t.reason
        )
        for t in plan.tiers
    }


def touched(steps: Iterable[PreviewStep]) -> tuple[ResourceEntry, ...]:
    """Operations that change infrastructure, in the engine's order."""
    return tuple(ResourceEntry(op=s.op, urn=s.urn, keys=s.keys) for s in steps if s.changes)


def _names(slots: Mapping[Tier, tuple[Slot, ...]]) -> set[str]:
    return {slot.name(tier.value) for tier, mine in slots.items() for slot in mine}
