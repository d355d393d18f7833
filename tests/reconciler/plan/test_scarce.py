"""What the cloud does not give is planned elsewhere: spot on demand, then in other tiers; the plan says it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.observe.scarcity import ScarceGroup, limited
from reconciler.observe.stack_state import Observed
from reconciler.plan.decide import decide
from reconciler.plan.file import PlanFile
from reconciler.plan.scarce import around, shortage_notes
from stacks.contract import Tier
from tests.reconciler.plan.test_planning import make_snapshot

COLD = (Tier.COLD, "burst")
SINCE = datetime(2026, 1, 1, 11, 55, tzinfo=UTC)
SPOT = ScarceGroup(tier=Tier.COLD, name="burst", spot=True, desired=6, held=2, held_spot=1, since=SINCE)
ON_DEMAND = replace(SPOT, spot=False)


def planned(*short: ScarceGroup) -> PlanFile:
    """A plan for six cold instances, of which the cloud gives two."""
    snapshot = make_snapshot(100.0, running=0)
    observed = Observed(groups={COLD: (("c5.large",), 6)}, ready={COLD: 2})
    fleet = around(snapshot.fleet, short)
    notes = shortage_notes(snapshot.fleet, short)
    return decide(replace(snapshot, fleet=fleet, observed=limited(observed, short), notes=notes)).plan


def after(plan: PlanFile) -> dict[str, int]:
    return {line.tier: line.after for line in plan.tiers}


def test_without_a_shortage_cold_is_bought_at_the_declared_spot_share() -> None:
    plan = planned()
    assert after(plan)["cold"] > 2
    assert plan.config["tiercast:cold"]["groups"][0]["onDemandShareAboveBase"] == 0.2


def test_what_the_spot_market_does_not_give_is_bought_on_demand() -> None:
    plan = planned(SPOT)
    group = plan.config["tiercast:cold"]["groups"][0]
    assert group["onDemandShareAboveBase"] == 0.84
    assert any(
        "cold/burst has 2 of 6 instances since 11:55 UTC" in note and "16% instead of 80%" in note
        for note in plan.reasons
    )


def test_what_nobody_gives_goes_to_another_tier() -> None:
    plan = planned(ON_DEMAND)
    assert after(plan)["cold"] <= 2
    assert after(plan)["warm"] > after(planned())["warm"]
    assert any("the plan counts on 2, and the rest goes to other groups and tiers" in note for note in plan.reasons)


def test_a_share_that_is_lower_already_stays() -> None:
    fleet = make_snapshot(100.0, running=0).fleet
    cold = fleet.tiers.cold.model_copy(update={"spot_share": 0.1})
    low = fleet.model_copy(update={"tiers": fleet.tiers.model_copy(update={"cold": cold})})
    assert around(low, [SPOT]) == low
