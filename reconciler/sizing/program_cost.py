"""How the integer program pays for a count: commitments, volumes and pools, and a mixed group's two markets."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.prices.billed_fleet import on_demand_part
from reconciler.sizing.milp import Program
from reconciler.sizing.option_cost import Mixed
from reconciler.sizing.problem import Option


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Columns that a count is paid by, with USD/hour of each; on_demand, above_base: whole numbers that it implies."""

    usd: dict[int, float]
    on_demand: int | None = None
    above_base: int | None = None

    def implied(self, option: Option, count: int) -> dict[int, float]:
        """What the whole numbers are at a count: the bill's rule."""
        found: dict[int, float] = {}
        if option.mixed and self.on_demand is not None:
            found[self.on_demand] = on_demand_part(count, option.mixed.base, option.mixed.on_demand_share)
            if self.above_base is not None:
                found[self.above_base] = float(count >= option.mixed.base)
        return found


def paid(program: Program, option: Option, count: int, hours: float, *, whole: bool = False) -> Paid:
    """State what the column `count` of an option costs over `hours`.

    `whole` prices a mixed group's on-demand share in whole instances, as the bill does. Counts that later plans decide
    again pay the mean of both markets, which is never more, so that the bound stays one; so does a pool's share.
    """
    parts = {count: option.beside_usd}
    mixed, on_demand, above = option.mixed, None, None
    if whole and mixed and mixed.on_demand_usd_per_hour > mixed.spot_usd_per_hour:
        on_demand, above = _on_demand(program, mixed, count)
        parts[count] += mixed.spot_usd_per_hour
        parts[on_demand] = mixed.on_demand_usd_per_hour - mixed.spot_usd_per_hour
    elif option.committed == 0:
        parts[count] += option.usd_per_hour
    else:
        beyond = program.column()
        program.row([beyond, count], [1, -1], low=-option.committed)
        parts[beyond] = option.usd_per_hour
    for column, usd in parts.items():
        program.cost[column] += usd * hours
    return Paid(usd=parts, on_demand=on_demand, above_base=above)


def _on_demand(program: Program, mixed: Mixed, count: int) -> tuple[int, int | None]:
    """A whole number of a mixed group's instances on demand: at least the base (or all), and the share above it."""
    share, most = mixed.on_demand_share, program.high[count]
    column = program.column(0.0, 0, most, integer=True)
    if mixed.base == 0:
        program.row([column, count], [1, -share], low=0)
        return column, None
    above = program.column(0.0, 0, 1, integer=True)  # whether there are at least as many as the base
    program.row([count, above], [1, -mixed.base], low=0)
    program.row([column, count, above], [1, -1, most], low=0)
    program.row([column, count, above], [1, -share, -(1 - share) * mixed.base], low=0)
    return column, above
