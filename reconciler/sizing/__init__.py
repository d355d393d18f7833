"""From demand paths to the counts of hot, warm and cold instances of least cost that keep every promise.

The rule: this package is pure, equal problems give equal bytes, and `slo.assess` has the final decision.

- `problem`: the sizing problem, in the units of the formulas
- `options`: the options of a fleet file, a catalogue and what runs
- `boot_time`: how long instances take to serve
- `option_cost`: costs of a count in addition to the price of an instance
- `safety_floor`: the capacity that the measured load needs
- `needs`: demand in vCPU, and which classes compete for which tiers
- `packing`: capacity of own hosts without the spare ones
- `host_spread`: even spread of VMs over hosts
- `shortage`: expected shortage as a convex function of capacity
- `program`: the integer program
- `program_cost`: the cost of a count in the program
- `milp`: HiGHS with typed columns and rows
- `repair`: exact check of counts, and the instances that they lack
- `ceilings`: the maximum cost of a class
- `solve`: all steps in order
- `result`: the answer
- `reasons`: the sentence of each size, and of each constraint that prevents a promise
"""

from reconciler.demand.section import ClassTerms, class_service, demand_section
from reconciler.sizing.problem import Option, OwnHost, SizingProblem
from reconciler.sizing.result import Count, Sizing
from reconciler.sizing.solve import size

__all__ = [
    "ClassTerms",
    "Count",
    "Option",
    "OwnHost",
    "Sizing",
    "SizingProblem",
    "class_service",
    "demand_section",
    "size",
]
