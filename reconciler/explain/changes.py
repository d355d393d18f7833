"""Explains what changed since the last plan: demand, prices, promises and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.sizing import Sizing, SizingProblem
from stacks.contract import Demand


@dataclass(frozen=True, kw_only=True)
class Basis:
    """The inputs of the last plan, to compare with. Empty prices are not compared."""

    demand: Demand
    counts: Mapping[str, int]
    prices: Mapping[str, float]


def basis_of(problem: SizingProblem, sizing: Sizing) -> Basis:
    """The inputs of this plan, for the explanation of the next plan."""
    return Basis(
        demand=problem.demand,
        counts={c.option: c.after for c in sizing.counts},
        prices={o.name: o.usd_per_hour for o in problem.options},
    )


def changes(before: Basis, after: Basis) -> tuple[str, ...]:
    """Sentences on the changes since the last plan: demand and promises, then prices, then counts."""
    found = [*_demand_changes(before.demand, after.demand)]
    for name in sorted(set(before.prices) & set(after.prices)):
        old, new = before.prices[name], after.prices[name]
        if old > 0 and abs(new / old - 1) > 0.005:
            found.append(f"Price of {name}: {old:.4g} → {new:.4g} USD/h ({100 * (new / old - 1):+.1f} %).")
    if before.prices:
        found += [f"{name} is now available." for name in sorted(set(after.prices) - set(before.prices))]
        found += [f"{name} is no longer available." for name in sorted(set(before.prices) - set(after.prices))]
    for name in sorted(set(before.counts) | set(after.counts)):
        old_count, new_count = before.counts.get(name, 0), after.counts.get(name, 0)
        if old_count != new_count:
            found.append(f"{name}: {old_count} → {new_count} instances.")
    return tuple(found) or ("Nothing changed since the last plan.",)


def _demand_changes(before: Demand, after: Demand) -> list[str]:
    found = []
    for name, wanted in after.classes.items():
        old = before.classes.get(name)
        if old is None:
            found.append(f"QoS class {name} is new.")
            continue
        for level in (0.5, 0.99):
            if level in old.levels and level in wanted.levels:
                was = old.requests_per_second[old.levels.index(level)]
                now = wanted.requests_per_second[wanted.levels.index(level)]
                if abs(now - was) > 0.02 * max(was, now, 1e-9):
                    percent = f" ({100 * (now / was - 1):+.0f} %)" if was > 0 else ""
                    found.append(
                        f"Demand of {name} at the {level:g} quantile: {was:.4g} → {now:.4g} requests/s{percent}."
                    )
        promise = ("latency_ms", "percentile", "promised_share", "tiers")
        changed = [key for key in promise if getattr(old, key) != getattr(wanted, key)]
        if changed:
            found.append(f"The promise of {name} changed: {', '.join(changed)}.")
        if old.service != wanted.service:
            found.append(
                f"Service time of {name}: {old.service.mean_ms:.4g} → {wanted.service.mean_ms:.4g} ms, variation "
                f"{old.service.scv:.3g} → {wanted.service.scv:.3g}."
            )
    found += [f"QoS class {name} was removed." for name in before.classes if name not in after.classes]
    return found
