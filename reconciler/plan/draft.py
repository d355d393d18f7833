"""The plan file of a sizing: places on own hosts, stack configuration, and the lines that people read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from reconciler.fleet.tiers import Tiers
from reconciler.observe.world import slot_of
from reconciler.plan.compose import compose
from reconciler.plan.file import ClassLine, DriftLine, PlanFile, TierLine, config_values
from reconciler.plan.notes import placement_notes, unreachable_notes
from reconciler.plan.placement import Placement, Upset, place
from reconciler.plan.snapshot import Snapshot
from reconciler.plan.unlowered import staying, staying_notes
from reconciler.prices.bill import Bill, hourly
from reconciler.prices.billed_fleet import fleet_of
from reconciler.prices.catalogue import Catalogue
from reconciler.sizing import Sizing, SizingProblem
from reconciler.slo.assess import ClassAssessment
from stacks.contract import Demand, Plan, StackConfig, Tier, demand_digest

#: Quantile levels that people are shown.
SHOWN = ("0.5", "0.95", "0.99")


def plan_of(snapshot: Snapshot, problem: SizingProblem, sizing: Sizing, guards: tuple[str, ...] = ()) -> PlanFile:
    """The plan file of a sizing: places, configuration, and the lines that people read. `guards`: notes of bound guards."""
    counts = {c.option: c.after for c in sizing.counts}
    places = places_of(snapshot, counts)
    slots = {tier: found.slots for tier, found in places.items()}
    until = snapshot.now + snapshot.fleet.validity
    draft = Plan(
        id="",
        created_at=snapshot.now,
        cutoff=snapshot.forecast.cutoff,
        valid_until=until,
        forecast_digest=demand_digest(problem.demand),
        catalogue_digest=snapshot.catalogue.digest(),
        replay=snapshot.replay,
    )
    pinned = snapshot.pins.tiers
    config = compose(
        snapshot.fleet, counts=counts, slots=slots, demand=problem.demand, plan=draft, pinned=pinned.keys()
    )
    seen = {c.option: c.before for c in sizing.counts}  # VMs on hosts that do not answer do not change the cost
    running = compose(snapshot.fleet, counts=seen, slots=snapshot.observed.slots, demand=problem.demand, plan=draft)
    stays = staying(snapshot.fleet, sizing)
    kept = compose(snapshot.fleet, counts={**counts, **stays}, slots=slots, demand=problem.demand, plan=draft)
    before, after = _bill(running, snapshot.catalogue), _bill(kept, snapshot.catalogue)
    plan = PlanFile(
        fleet=snapshot.fleet.name,
        stack=snapshot.stack,
        created_at=snapshot.now,
        valid_until=until,
        cutoff=snapshot.forecast.cutoff,
        tiers=tuple(
            _tier_line(tier, snapshot, _lines(sizing, stays), before, after)
            for tier in Tier
            if tier in snapshot.fleet.declared
        ),
        classes=tuple(class_line(found, problem.demand) for found in sizing.assessment.classes),
        usd_per_hour_before=before.usd_per_hour,
        usd_per_hour_after=after.usd_per_hour,
        reasons=(
            *sizing.problems,
            *guards,
            *staying_notes(sizing, stays),
            *placement_notes(places),
            *(*snapshot.notes, *unreachable_notes(snapshot.unreachable)),
        ),
        models=dict(zip(snapshot.forecast.applications, snapshot.forecast.models, strict=True)),
        skipped=tuple(sorted(snapshot.unreachable)),
        left_alone=tuple(sorted(snapshot.observed.held)),
        drift=_drift(snapshot),
        demoted=snapshot.demoted,
        replay=snapshot.replay,
        blocked={tier.value: why for tier, why in snapshot.blocked_tiers.items()},
        forecast_note=snapshot.forecast_note,
        pins={} if snapshot.pins.empty else snapshot.pins.model_dump(mode="json", by_alias=True, exclude_none=True),
        boot_seconds=_boot_seconds(snapshot.fleet.tiers),
        prices={o.name: round(o.usd_per_hour, 9) for o in problem.options},
        config=config_values(config, snapshot.fleet.config),
    ).identified()
    config = config.model_copy(update={"plan": draft.model_copy(update={"id": plan.id})})
    return plan.model_copy(update={"config": config_values(config, snapshot.fleet.config)})


def _boot_seconds(tiers: Tiers) -> dict[str, float]:
    """Tier on own hosts → seconds until a new VM is ready."""
    return {t.value: tiers.of(t).boot_time.total_seconds() for t in Tier if tiers.of(t).own_hosts}


def places_of(snapshot: Snapshot, counts: Mapping[str, int]) -> dict[Tier, Placement]:
    """The places of the VMs on own hosts. VMs on hosts that do not answer keep their places."""
    tiers = snapshot.fleet.tiers
    silent = frozenset(snapshot.unreachable)
    found = {}
    for tier in Tier:
        homes, flavours = tiers.of(tier).own_hosts, tiers.of(tier).own_flavours
        if not homes:
            continue
        spare = tiers.hot.spare_hosts if tier is Tier.HOT else 0
        current = snapshot.observed.slots.get(tier, ())
        seen = snapshot.observed
        left_alone = Counter(
            s.flavour for s in current if s.hypervisor in silent or s.name(tier.value) in seen.idle.keys() & seen.held
        )
        wanted = {f.name: counts.get(f"{tier.value}/{f.name}", 0) + left_alone[f.name] for f in flavours}
        found[tier] = place(
            homes, flavours, wanted, current, spare=spare, unreachable=silent, upset=_upset(tier, snapshot)
        )
    return found


def _upset(tier: Tier, snapshot: Snapshot) -> Upset:
    """The tier's slots whose VM does not serve or was adopted, and the numbers that are not free."""
    seen = snapshot.observed
    slots = {slot.name(tier.value): slot for slot in seen.slots.get(tier, ())}
    names = [found for name in seen.taken if (found := slot_of(name)) is not None]
    return Upset(
        idle=frozenset(slots[name] for name in seen.idle if name in slots),
        replaced=frozenset(slots[name] for name in seen.replaced - snapshot.adopted if name in slots),
        held=frozenset(slots[name] for name in seen.held | snapshot.adopted if name in slots),
        taken=frozenset((host, number) for its, host, number in names if its is tier),
    )


def _lines(sizing: Sizing, stays: Mapping[str, int]) -> Sizing:
    """The sizing as people read it: with the counts that run after the update."""
    return replace(sizing, counts=tuple(replace(c, after=stays.get(c.option, c.after)) for c in sizing.counts))


def _drift(snapshot: Snapshot) -> tuple[DriftLine, ...]:
    return tuple(DriftLine(kind=one.kind.value, name=one.name, what=one.what) for one in snapshot.drift)


def _bill(config: StackConfig, catalogue: Catalogue) -> Bill:
    return hourly(fleet_of(config, catalogue), catalogue)


def _tier_line(tier: Tier, snapshot: Snapshot, sizing: Sizing, before: Bill, after: Bill) -> TierLine:
    kinds = {c.instance_type: c.after for c in sizing.counts if c.tier is tier}
    return TierLine(
        tier=tier.value,
        kinds=kinds,
        before=snapshot.observed.total(tier),
        after=sum(kinds.values()),
        ready=snapshot.observed.serving(tier),
        usd_before=before.of(tier),
        usd_after=after.of(tier),
        reason=sizing.reasons.get(tier, "no demand is assigned to this tier"),
    )


def class_line(found: ClassAssessment, demand: Demand) -> ClassLine:
    wanted = demand.classes[found.name]
    rates = dict(zip(wanted.levels, wanted.requests_per_second, strict=True))
    return ClassLine(
        name=found.name,
        latency_target_ms=found.target_ms,
        percentile=found.percentile,
        latency_ms=found.latency_ms if np.isfinite(found.latency_ms) else None,
        promised_share=found.promised_share,
        allowed_share=found.allowed_share,
        expected_share=found.expected_share,
        shortfall_probability=found.shortfall_probability,
        requests_per_second={level: rates[float(level)] for level in SHOWN},
        served_by={tier.value: load for tier, load in found.served.items()},
    )
