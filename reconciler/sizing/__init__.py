"""Sizing: from demand paths to counts of hot, warm and cold instances at least cost within every promise.

problem   what is asked (pure data)            demand    the plan's demand section, from sample paths
needs     demand in vCPU, shortage prices      cuts      expected shortage as a convex function of capacity
program   the integer program (HiGHS)          repair    exact check by `assess`, and what it still takes
ceilings  what a class may cost at most        reasons   the binding constraint of each tier
answer    the whole, in order
"""

from reconciler.demand.section import class_service, demand_section
from reconciler.sizing.problem import Option, OwnHost, SizingProblem
from reconciler.sizing.result import Count, Sizing
from reconciler.sizing.solve import size

__all__ = ["Count", "Option", "OwnHost", "Sizing", "SizingProblem", "class_service", "demand_section", "size"]
