"""The plan under other prices or demand, with a lost host, or without spot. Each scenario is a full plan.

Scenarios are written as `demand=1.5`, `price=1.2`, `price.spot=2`, `price.warm=0.8`, `price.m5.large=1.1`, `lost=hv1` and
`no-spot`. Changes joined by `+` are combined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reconciler.errors import UsageError
from reconciler.guards.guarded import GuardedSizing
from reconciler.sizing import Option, Sizing, SizingProblem, size
from stacks.contract import Tier

Change = Callable[[SizingProblem], SizingProblem]
#: Sizes a problem and applies the guards. The second argument is a former sizing to start from, or None.
Settle = Callable[[SizingProblem, Sizing | None], GuardedSizing]


@dataclass(frozen=True, kw_only=True)
class WhatIfResult:
    """One scenario's plan: counts by tier, USD/hour and the difference to the base, the worst class, unmet constraints
    (`problems`), and the binding guards."""

    scenario: str
    counts: tuple[tuple[Tier, int], ...]
    usd_per_hour: float
    usd_difference: float
    worst_class: str
    expected_share: float
    allowed_share: float
    promised_share: float
    problems: tuple[str, ...]
    guards: tuple[str, ...] = ()


def demand_times(factor: float) -> Change:
    """Forecast demand times a factor. The load measured now stays the same.

    Raises:
        UsageError: the factor is negative or not finite.
    """
    if not (factor >= 0 and math.isfinite(factor)):
        raise UsageError(f"--what-if demand={factor:g}: expected a finite factor of at least 0, such as 1.5.")

    def change(problem: SizingProblem) -> SizingProblem:
        classes = {
            name: wanted.model_copy(
                update={"requests_per_second": tuple(r * factor for r in wanted.requests_per_second)}
            )
            for name, wanted in problem.demand.classes.items()
        }
        demand = problem.demand.model_copy(update={"classes": classes})
        return replace(problem, demand=demand, paths=problem.paths * factor)

    return change


def price_times(factor: float, what: str = "") -> Change:
    """Prices times a factor: all prices, or those of `spot`, a tier, an instance type or an option.

    Raises:
        UsageError: the factor is not above 0 or not finite, or no option matches `what`.
    """
    if not (factor > 0 and math.isfinite(factor)):
        raise UsageError(f"--what-if price={factor:g}: expected a finite factor above 0, such as 1.2.")

    def meant(option: Option) -> bool:
        return what in ("", option.tier.value, option.instance_type, option.name) or (what == "spot" and option.spot)

    def change(problem: SizingProblem) -> SizingProblem:
        if not any(meant(o) for o in problem.options):
            known = sorted({o.instance_type for o in problem.options})
            raise UsageError(
                f"--what-if price.{what}: no option matches; use spot, hot, warm, cold or one of {', '.join(known)}."
            )
        options = tuple(_priced(o, factor, spot_only=what == "spot") if meant(o) else o for o in problem.options)
        return replace(problem, options=options)

    return change


def _priced(option: Option, factor: float, *, spot_only: bool) -> Option:
    if option.mixed is None:
        return replace(option, usd_per_hour=option.usd_per_hour * factor)
    mixed = option.mixed.times(factor, spot_only=spot_only)
    return replace(option, mixed=mixed, usd_per_hour=mixed.mean_usd)


def without_host(name: str) -> Change:
    """The fleet without a host and the VMs on it. One spare host fewer is kept free, because it replaces the lost one.

    Raises:
        UsageError: the fleet has no such host.
    """

    def change(problem: SizingProblem) -> SizingProblem:
        lost = next((h for h in problem.hosts if h.name == name), None)
        if lost is None:
            known = ", ".join(h.name for h in problem.hosts) or "none declared"
            raise UsageError(f"--what-if lost={name}: no such host; hosts are {known}.")
        left = tuple(h for h in problem.hosts if h.name != name)
        options = tuple(
            replace(
                o,
                observed=min(o.observed, sum(int(h.cores // o.vcpu) for h in left if h.tier is o.tier)),
                minimum=0,
                maximum=o.maximum if any(h.tier is o.tier for h in left) else 0,
            )
            if o.tier is lost.tier
            else o
            for o in problem.options
        )
        bounds = {t: (0 if t is lost.tier else low, high) for t, (low, high) in problem.tier_bounds.items()}
        spare = max(problem.spare_hosts - 1, 0) if lost.tier is Tier.HOT else problem.spare_hosts
        return replace(problem, hosts=left, options=options, tier_bounds=bounds, spare_hosts=spare)

    return change


def without_spot() -> Change:
    """The fleet without spot capacity. Spot options cost the on-demand price; an option without one is not available."""

    def change(problem: SizingProblem) -> SizingProblem:
        def dear(option: Option) -> Option:
            if not option.spot:
                return option
            if option.on_demand_usd_per_hour is None:
                return replace(option, observed=0, minimum=0, maximum=0)
            return replace(option, usd_per_hour=option.on_demand_usd_per_hour, mixed=None, interruption=0.0, spot=False)

        return replace(problem, options=tuple(dear(o) for o in problem.options))

    return change


def parse(text: str) -> Change:
    """A scenario from its text.

    Raises:
        UsageError: the text is not a scenario; the message names the accepted forms.
    """
    parts = [part.strip() for part in text.split("+")]
    steps = [_parse_one(part, text) for part in parts if part]
    if not steps:
        raise UsageError(
            f"--what-if {text!r} is empty; use, for example, demand=1.5, price.spot=2, lost=hv1 or no-spot."
        )

    def change(problem: SizingProblem) -> SizingProblem:
        for step in steps:
            problem = step(problem)
        return problem

    return change


def _parse_one(part: str, text: str) -> Change:
    if part == "no-spot":
        return without_spot()
    key, equals, value = part.partition("=")
    if equals and key == "lost":
        return without_host(value)
    kind, _, what = key.partition(".")
    if equals and kind in ("demand", "price") and (kind == "price" or not what):
        try:
            factor = float(value)
        except ValueError:
            raise UsageError(f"--what-if {text}: {value!r} is not a number.") from None
        return demand_times(factor) if kind == "demand" else price_times(factor, what)
    raise UsageError(
        f"--what-if {text}: {part!r} is not a scenario; use demand=FACTOR, price[.spot|.TIER|.TYPE]=FACTOR, lost=HOST or "
        "no-spot."
    )


def unguarded(problem: SizingProblem, warm: Sizing | None) -> GuardedSizing:
    """The sizing without guards."""
    return GuardedSizing(sizing=size(problem, warm=warm), bound=())


def what_if(problem: SizingProblem, scenarios: Sequence[str], settle: Settle = unguarded) -> tuple[WhatIfResult, ...]:
    """The plan and one outcome per scenario, in the given order. `settle` sizes each of them.

    Raises:
        UsageError: a scenario is not valid, or names a host or option that does not exist.
    """
    changes = [(text, parse(text)) for text in scenarios]
    planned = settle(problem, None)
    usd = planned.sizing.usd_after
    found = [_outcome("as planned", planned, usd)]
    for text, change in changes:
        found.append(_outcome(text, settle(change(problem), planned.sizing), usd))
    return tuple(found)


def _outcome(name: str, held: GuardedSizing, base_usd: float) -> WhatIfResult:
    sizing = held.sizing
    classes = sizing.assessment.classes
    worst = max(classes, key=lambda c: c.expected_share / c.allowed_share) if classes else None
    return WhatIfResult(
        scenario=name,
        counts=tuple((tier, sizing.of(tier)) for tier in Tier),
        usd_per_hour=sizing.usd_after,
        usd_difference=sizing.usd_after - base_usd,
        worst_class=worst.name if worst else "",
        expected_share=worst.expected_share if worst else 0.0,
        allowed_share=worst.allowed_share if worst else 0.0,
        promised_share=worst.promised_share if worst else 0.0,
        problems=sizing.problems,
        guards=held.notes,
    )


def table(outcomes: Sequence[WhatIfResult]) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """The outcomes as a table: title, headings and rows."""
    rows = [
        (
            o.scenario,
            *(str(count) for _, count in o.counts),
            f"{o.usd_per_hour:.3f}",
            f"{o.usd_difference:+.3f}",
            f"{o.worst_class} {100 * o.expected_share:.3g} / {100 * o.allowed_share:.3g} / {100 * o.promised_share:.3g} %",
            " ".join((*o.problems, *o.guards)) or "all promises hold",
        )
        for o in outcomes
    ]
    heading = (
        "scenario",
        *(t.value for t in Tier),
        "USD/h",
        "difference",
        "worst class, late: expected / allowed / promise",
        "remarks",
    )
    return "What if", heading, rows
