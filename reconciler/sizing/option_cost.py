"""Costs of a count in addition to the plain price of an instance: a group with two markets, and a ready pool.

The rules are those of the bill (`prices.bill`), so a budget is checked against the amount that will be paid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reconciler.prices.billed_fleet import on_demand_part


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A group bought at two markets: `base` instances on demand, and `on_demand_share` of those above it, rounded up."""

    base: int
    on_demand_share: float
    on_demand_usd_per_hour: float
    spot_usd_per_hour: float

    @property
    def mean_usd(self) -> float:
        """USD/hour of an instance far above the base."""
        return self.on_demand_share * self.on_demand_usd_per_hour + (1 - self.on_demand_share) * self.spot_usd_per_hour

    def usd(self, count: int) -> float:
        """USD/hour of `count` instances."""
        on_demand = on_demand_part(count, self.base, self.on_demand_share)
        return on_demand * self.on_demand_usd_per_hour + (count - on_demand) * self.spot_usd_per_hour

    def times(self, factor: float, *, spot_only: bool) -> Mixed:
        """The same with other prices."""
        on_demand = self.on_demand_usd_per_hour * (1 if spot_only else factor)
        return replace(self, on_demand_usd_per_hour=on_demand, spot_usd_per_hour=self.spot_usd_per_hour * factor)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A ready pool: `share` of the running instances, at least `least`, with the USD/hour of one that waits."""

    share: float
    least: int
    usd_per_hour: float

    def usd(self, count: int) -> float:
        """USD/hour of the pool of a group with `count` running instances."""
        return self.usd_per_hour * max(math.ceil(self.share * count), self.least)
