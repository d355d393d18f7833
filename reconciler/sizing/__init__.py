"""From demand paths to counts of hot, warm and cold instances at least cost within every promise.

The rule: pure; the same problem gets the same answer, byte for byte, and `slo.assess` has the last word.

- `problem`: what is asked, in the units of the formulas
- `options`: the options of a fleet file, a catalogue and what runs
- `boot_time`: how long instances take to serve
- `option_cost`: what a count costs beside the price of an instance
- `safety_floor`: no plan goes below what the load now needs
- `needs`: demand in vCPU, and who competes for which tiers
- `packing`: what own hosts can carry, without the spare ones
- `host_spread`: even spread of VMs over hosts
- `shortage`: expected shortage as a convex function of capacity
- `program`: the integer program
- `program_cost`: how the program pays for a count
- `milp`: HiGHS behind typed columns and rows
- `repair`: exact check of counts, and what they still take
- `ceilings`: what a class may cost at most
- `solve`: the whole, in order
- `result`: the answer
- `reasons`: the sentence of each size, and of what stands in the way
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
