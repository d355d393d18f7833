"""spare-hosts: every class keeps its promise when hypervisors fail (N+1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from pydantic import Field

from policies.rule import Facts, Rule, Violation
from policies.supply import guaranteed
from policies.trusted import DemandSettings, demand
from reconciler.slo.assess import assess


class SpareHosts(DemandSettings):
    """The number of hosts that may fail."""

    spare_hosts: int = Field(default=0, ge=0, le=3, description="Hypervisors that may fail at once; 0: not judged.")
    tolerance: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="How far the expected share may exceed the allowed share, as a share of it.",
    )


def decide(facts: Facts, settings: SpareHosts) -> Iterator[Violation]:
    """One violation per class that misses its promise, for the first set of failed hosts that causes it."""
    estate = facts.estate
    hosts = sorted({machine.host for machine in estate.machines})
    if not settings.spare_hosts or not hosts:
        return
    wanted, catalogue = demand(facts, settings), facts.catalogue(settings)
    missed: set[str] = set()
    for lost in combinations(hosts, min(settings.spare_hosts, len(hosts))):
        left = replace(estate, machines=tuple(m for m in estate.machines if m.host not in lost))
        for lot in assess(wanted, guaranteed(left, catalogue), latency=False).classes:
            if lot.name not in missed and lot.expected_share > lot.allowed_share * (1 + settings.tolerance):
                missed.add(lot.name)
                yield Violation(
                    message=(
                        f"Without {' and '.join(lost)}, {lot.expected_share:.2%} of the requests of class '{lot.name}' are "
                        f"expected to be late; {lot.allowed_share:.2%} are allowed in this window (promise "
                        f"{lot.promised_share:.2%}). The capacity is {lot.safe_rps:.1f} of {lot.demand_rps:.1f} requests/s. "
                        f"Set tiers.hot.spare_hosts to {settings.spare_hosts} in fleet.yaml and plan again."
                    )
                )


RULE = Rule(
    name="spare-hosts",
    description="Every class keeps its promise when hypervisors fail (N+1).",
    severity="high",
    remedy="Set tiers.hot.spare_hosts in fleet.yaml and plan again, or add a hypervisor.",
    settings=SpareHosts,
    decide=decide,
    lacks=lambda settings: "" if settings.spare_hosts else "set spareHosts",
)
