"""The result of the sizing: counts with reasons, cost, risk and distance from the optimum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from reconciler.sizing.problem import Option, SizingProblem
from reconciler.slo.assess import Assessment, Supply, assess
from stacks.contract import Tier

Status = Literal["optimal", "within gap", "time limit", "infeasible"]


@dataclass(frozen=True, kw_only=True)
class Count:
    """Count of one option before and after, and USD/hour of each instance that is not already paid for."""

    option: str
    tier: Tier
    instance_type: str
    zone: str
    before: int
    after: int
    usd_before: float
    usd_after: float


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """A feasible plan, or the best available one with the constraints that it violates.

    Attributes:
        counts: one per option, in the problem's order.
        reasons: one sentence per tier that names its binding constraint.
        problems: violated constraints, each with the cost of lifting it; empty if all hold.
        status: how the program ended. "time limit" and "infeasible" still have a safe plan.
        usd_before, usd_after: USD/hour including sunk cost.
        assessment: of the planned counts, by the same function as the policy's.
        gap: (cost − bound) / cost of the horizon, with the bound that the program proved.
        multipliers: per class λ, USD per request/s short for a step. quantiles: demand quantile it implies.
        trajectory: option → planned count per step of the horizon (later steps are re-decided).
    """

    counts: tuple[Count, ...]
    reasons: Mapping[Tier, str]
    status: Status
    usd_before: float
    usd_after: float
    assessment: Assessment
    problems: tuple[str, ...] = ()
    gap: float = 0.0
    multipliers: Mapping[str, float] = field(default_factory=dict)
    quantiles: Mapping[str, float] = field(default_factory=dict)
    trajectory: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def of(self, tier: Tier) -> int:
        """Planned instances of a tier."""
        return sum(c.after for c in self.counts if c.tier is tier)


def usd_of(problem: SizingProblem, counts: Mapping[str, int]) -> float:
    """USD/hour of counts by option, including sunk cost."""
    return problem.sunk_usd_per_hour + sum(o.usd(counts[o.name]) for o in problem.options)


def supply_of(problem: SizingProblem, counts: Mapping[str, int]) -> list[Supply]:
    """The counts as `assess` takes them."""
    return [o.supply(counts[o.name], problem.window) for o in problem.options]


def counted(option: Option, after: int) -> Count:
    """An option's line of the answer."""
    return Count(
        option=option.name,
        tier=option.tier,
        instance_type=option.instance_type,
        zone=option.zone,
        before=option.observed,
        after=after,
        usd_before=option.usd(option.observed),
        usd_after=option.usd(after),
    )


def with_counts(problem: SizingProblem, sizing: Sizing, counts: Mapping[str, int]) -> Sizing:
    """The sizing with other counts by option, their cost and their assessment. The reasons stay."""
    return replace(
        sizing,
        counts=tuple(counted(o, counts[o.name]) for o in problem.options),
        usd_after=usd_of(problem, counts),
        assessment=assess(problem.demand, supply_of(problem, counts)),
    )
