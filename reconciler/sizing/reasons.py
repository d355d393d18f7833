"""The reasons of a plan: the binding constraint of each tier, and the constraints that prevent a promise.

A constraint binds if moving one instance breaks it. The reasons are therefore found by trial, not from the dual values of a
relaxation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.sizing.ceilings import class_usd, over_ceiling
from reconciler.sizing.needs import Needs, Unkept
from reconciler.sizing.packing import host_limits
from reconciler.sizing.problem import Option, SizingProblem
from reconciler.sizing.repair import Counts, fits, floor, promises, repaired
from reconciler.sizing.result import usd_of
from stacks.contract import Tier


def tier_reasons(
    problem: SizingProblem, needs: Needs, counts: Counts, trajectory: Mapping[str, tuple[float, ...]], *, kept: bool
) -> dict[Tier, str]:
    """One sentence per tier that has options: the constraint that binds its size.

    `trajectory` is the planned count per step by option, `kept` whether hysteresis kept the observed fleet.
    """
    return {
        tier: _reason(problem, needs, counts, trajectory, tier, kept)
        for tier in Tier
        if any(o.tier is tier for o in problem.options)
    }


def _reason(
    problem: SizingProblem,
    needs: Needs,
    counts: Counts,
    trajectory: Mapping[str, tuple[float, ...]],
    tier: Tier,
    kept: bool,
) -> str:
    mine = [o for o in problem.options if o.tier is tier]
    total = sum(counts[o.name] for o in mine)
    observed = sum(o.observed for o in mine)
    if kept and total == observed:
        return f"kept at {total}: any change would save less than {100 * problem.hysteresis:g} % of the cost."
    if total == 0:
        return _why_none(problem, needs, counts, tier)
    removable = [o for o in mine if counts[o.name] > problem.floor_of(o)]
    if not removable:
        held = any(problem.floor_of(o) > o.minimum for o in mine)
        why = "a first run or a demoted forecast never scales down" if held else "the declared minimum"
        return f"{total} because of {why}." if not held else f"{total} as it runs: {why}."
    full = _full(problem, counts, tier)
    if full:
        return full
    option = max(removable, key=lambda o: (o.usd_per_hour * (counts[o.name] > o.committed), o.vcpu))
    fewer = {**counts, option.name: counts[option.name] - 1}
    return _why_now(problem, counts, option, fewer) or _why_later(problem, counts, option, trajectory)


def _why_none(problem: SizingProblem, needs: Needs, counts: Counts, tier: Tier) -> str:
    names = list(problem.demand.classes)
    users = [names[k] for k in needs.served if tier in problem.demand.classes[names[k]].tiers]
    if not users:
        return "0: no QoS class may use this tier, or its types serve none."
    if all(max(problem.demand.classes[name].requests_per_second) <= 0 for name in users):
        return f"0: no demand of {', '.join(users)} is expected."
    if not any(fits(problem, {**counts, o.name: counts[o.name] + 1}) for o in problem.options if o.tier is tier):
        return "0: no capacity is available: its maximum is 0, or its hosts are full or do not answer."
    carriers = [t.value for t in Tier if any(counts[o.name] for o in problem.options if o.tier is t)]
    judged = promises(problem, counts)
    if not carriers or not all(judged.of(name).holds for name in users):
        return "0, as other bounds allow (see the problems)."
    verb = "carries" if len(carriers) == 1 else "carry"
    return f"0: {' and '.join(carriers)} {verb} {', '.join(users)} within every promise without it."


def _full(problem: SizingProblem, counts: Counts, tier: Tier) -> str | None:
    """Where nothing more of the tier can be had: at its maximum, or its hosts are full."""
    mine = [o for o in problem.options if o.tier is tier]
    if any(fits(problem, {**counts, o.name: counts[o.name] + 1}) for o in mine):
        return None
    total = sum(counts[o.name] for o in mine)
    limits = host_limits(problem, tier)
    if limits is not None and all(
        counts[o.name] + 1 > limits.slots(o.name)
        or sum(counts[x.name] * x.vcpu for x in mine) + o.vcpu > limits.cores
        or sum(counts[x.name] * x.memory_mib for x in mine) + o.memory_mib > limits.memory_mib
        for o in mine
    ):
        spare = problem.spare_hosts if tier is Tier.HOT else 0
        apart = f", counted without the {spare} fullest (N+{spare})" if spare else ""
        return f"{total} fill the {limits.cores} cores of its hosts{apart}; the remaining demand goes to the next tier."
    if limits is not None and total < problem.tier_bounds.get(tier, (0, 0))[1]:
        return f"{total} is all that fits on its hosts; the remaining demand goes to the next tier."
    return f"{total} is the declared maximum; the remaining demand goes to the next tier."


def _why_now(problem: SizingProblem, counts: Counts, option: Option, fewer: Counts) -> str | None:
    """What one instance fewer would break at once, or the bound that holds it."""
    total = sum(counts[o.name] for o in problem.options if o.tier is option.tier)
    judged = promises(problem, fewer)
    before = promises(problem, counts)
    for was, now in zip(before.classes, judged.classes, strict=True):
        if was.holds and not now.holds:
            return (
                f"{total} for QoS class {now.name}: with one {option.instance_type} fewer "
                f"{_percent(now.expected_share)} of its requests are expected to exceed {now.target_ms:g} ms "
                f"({_percent(now.allowed_share)} allowed in this window, promise {_percent(now.promised_share)}; demand is "
                f"{now.demand_rps:.4g} requests/s at its {100 * now.level:g} % quantile)."
            )
    for short in floor(problem, fewer).classes:
        if not short.holds and problem.load_now.get(short.name, 0.0) > 0:
            return (
                f"{total} for the safety floor: the measured {short.demand_rps:.4g} requests/s of QoS class {short.name} "
                f"need them."
            )
    for was, now in zip(before.classes, judged.classes, strict=True):
        if not was.holds and now.expected_share > was.expected_share + 1e-12:
            return f"{total}, the most that other limits allow: QoS class {now.name} needs more (see the problems)."
    if counts[option.name] <= option.committed:
        return f"{total}: the commitment of {option.committed} {option.instance_type} is paid whether used or not."
    low, _ = problem.tier_bounds.get(option.tier, (0, 0))
    if total <= low:
        return f"{total}: the declared minimum of the tier."
    if option.usd_per_hour == 0 and counts[option.name] <= option.observed:
        return f"{total}: owned and paid for; stopping them saves nothing."
    return None


def _why_later(
    problem: SizingProblem, counts: Counts, option: Option, trajectory: Mapping[str, tuple[float, ...]]
) -> str:
    """What the look-ahead holds it for: slower tiers that still boot, demand to come, or a stop that won't pay."""
    total = sum(counts[o.name] for o in problem.options if o.tier is option.tier)
    slower = [o for o in problem.options if problem.lead(o) > problem.lead(option) and counts[o.name] > o.observed]
    later = trajectory.get(option.name, ())[problem.window :]
    if slower and counts[option.name] > option.observed and later and min(later) < counts[option.name] - 0.5:
        waiting = " and ".join(sorted({o.tier.value for o in slower}))
        return (
            f"{total}: these instances carry demand above the running capacity until {waiting} instances serve, which "
            f"take {max(o.boot_seconds for o in slower):g} s to boot."
        )
    if counts[option.name] > option.observed:
        return (
            f"{total}: demand beyond the plan's promises is likely enough within the horizon; one "
            f"{option.instance_type} more costs less than the shortage it spares (boot {option.boot_seconds:g} s)."
        )
    return f"{total}: expected to be needed again within the horizon; stopping and starting would cost more."


def explain_obstacles(problem: SizingProblem, needs: Needs, counts: Counts) -> list[str]:
    """One sentence per constraint that keeps a promise or the floor from holding, with what lifting it costs."""
    sentences = []
    usd, budget = usd_of(problem, counts), problem.budget_usd_per_hour
    if budget is not None and usd > budget + 1e-6:
        sentences.append(
            f"The plan costs {usd:.4g} USD/h, {usd - budget:.4g} over the budget of {budget:.4g}: sunk cost, instances "
            f"that may not shrink and the measured load take precedence. Raise the budget to {usd:.4g}."
        )
    judged, safe = promises(problem, counts), floor(problem, counts)
    sentences += _dear_classes(problem, counts)
    names = list(problem.demand.classes)
    served = {names[k] for k in needs.served}
    failing = [c for c in judged.classes if not c.holds and c.name in served]
    unsafe = [c for c in safe.classes if not c.holds and c.name in served]
    unserved = [c for c in judged.classes if c.name not in served and c.demand_rps > 0]
    sentences += [served_by_no_type(c.name, problem.demand.classes[c.name].tiers) for c in unserved]
    if not failing and not unsafe:
        return sentences
    unceiled = repaired(problem, counts, needs.usable, needs.served) if problem.class_usd_per_hour else counts
    dear = class_usd(problem, unceiled, promises(problem, unceiled))
    unbudgeted = replace(problem, budget_usd_per_hour=None)
    richer = repaired(unbudgeted, counts, needs.usable, needs.served)
    unbounded = _unbounded(unbudgeted)
    larger = repaired(unbounded, richer, needs.usable, needs.served)
    for c in failing:
        lot = (
            f"QoS class {c.name}: {_percent(c.expected_share)} of its requests are expected to be late "
            f"({_percent(c.allowed_share)} allowed in this window, promise {_percent(c.promised_share)})"
        )
        most = problem.class_usd_per_hour.get(c.name)
        if most is not None and dear[c.name] > most and promises(problem, unceiled).of(c.name).holds:
            sentences.append(
                f"{lot}, because of its ceiling of {most:.4g} USD/h: raising it by {dear[c.name] - most:.4g} to "
                f"{dear[c.name]:.4g} would keep the promise ({_difference(problem, counts, unceiled)})."
            )
        elif promises(problem, richer).of(c.name).holds:
            more = usd_of(problem, richer)
            sentences.append(
                f"{lot}, because of the budget of {budget or 0:.4g} USD/h: raising it by {more - (budget or 0):.4g} to "
                f"{more:.4g} would keep the promise ({_difference(problem, counts, richer)})."
            )
        elif promises(unbounded, larger).of(c.name).holds:
            extra = usd_of(problem, larger) - usd
            sentences.append(
                f"{lot}, because of maxima or full hosts: {_difference(problem, counts, larger)} would keep the "
                f"promise, for {extra:.4g} USD/h more. Raise the maximum of these, or give the class another tier."
            )
        else:
            sentences.append(
                f"{lot}, and no number of the offered types keeps the promise (interruptions of a spot zone alone exceed it, "
                "or higher classes take all): offer on-demand or more zones, or lower the promise."
            )
    sentences += [
        f"QoS class {c.name}: the current load exceeds the available capacity. {c.demand_rps:.4g} requests/s are measured, "
        f"and {c.safe_rps:.4g} can be served in time. {_difference(problem, counts, larger)} would serve them."
        for c in unsafe
    ]
    return sentences


def served_by_no_type(name: str, tiers: Sequence[Tier]) -> str:
    """No instance of a class's tiers is large enough for one request."""
    return (
        f"QoS class {name}: no instance type can serve it. None of its tiers ({', '.join(tiers)}) has instances with the "
        "vCPU and memory that one request needs. Give one of them larger types."
    )


def unkept_promise(one: Unkept) -> str:
    """A promise that holds on no tier of its class, whatever is planned."""
    if one.tier is None:
        return (
            f"QoS class {one.name} may only use {', '.join(t.value for t in one.tiers)}, which have no instances. "
            "Give one of them instance types, or give the class another tier."
        )
    return (
        f"QoS class {one.name}: {one.target_ms:g} ms at the {100 * one.percentile:g}th percentile is out of reach on any "
        f"type: round trip and service alone take {one.best_ms:.0f} ms on the {one.tier.value} tier. Raise the target to "
        f"at least {1.1 * one.best_ms:.0f} ms or make the service faster; sized here for {one.sized_ms:.0f} ms."
    )


def unanswered(*, impossible: bool, time_limit_s: float) -> str:
    """The program gave no plan: there is none, or the time was over."""
    if impossible:
        return (
            "No plan satisfies all minimums, maximums, host limits and blocked scale-downs: the observed fleet was kept "
            "and raised as far as they allow. Lower a minimum, or make room on the hosts."
        )
    return (
        f"The integer program found no plan within {time_limit_s:g} s: the observed fleet was kept and raised until "
        "every promise holds. Allow more time, or offer fewer instance types."
    )


def nothing_serves() -> str:
    """No option can serve any class, and no other obstacle says why."""
    return "No instance type can serve any QoS class: give a tier types with enough vCPU and memory."


def _dear_classes(problem: SizingProblem, counts: Counts) -> list[str]:
    """One sentence per class above its ceiling: other classes or the measured load need the instances that it shares."""
    return [
        f"QoS class {name} takes {usd:.4g} USD/h of the plan, {usd - problem.class_usd_per_hour[name]:.4g} over its "
        f"ceiling of {problem.class_usd_per_hour[name]:.4g}, and taking instances away would break the safety floor or "
        "another class's promise first. Raise the ceiling to that, or move the class to cheaper tiers or below the others."
        for name, usd in over_ceiling(problem, counts).items()
    ]


def _unbounded(problem: SizingProblem) -> SizingProblem:
    """The problem without maximums and with unlimited hosts."""
    return replace(
        problem,
        options=tuple(replace(o, maximum=10**7) for o in problem.options),
        tier_bounds={tier: (low, 10**9) for tier, (low, _) in problem.tier_bounds.items()},
        hosts=tuple(replace(h, cores=h.cores * 1000, memory_mib=h.memory_mib * 1000) for h in problem.hosts),
    )


def _difference(problem: SizingProblem, before: Counts, after: Counts) -> str:
    parts = [
        f"{after[o.name] - before[o.name]} more {o.instance_type} ({o.tier.value})"
        for o in problem.options
        if after[o.name] > before[o.name]
    ]
    return ", ".join(parts) or "no more instances"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
