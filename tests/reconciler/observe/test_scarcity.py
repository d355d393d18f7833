"""A group that the cloud can't fill is recognised by its failed launches, and counts with what it has."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.observe.scarcity import ScarceGroup, limited, scarce_groups, spot_shares
from reconciler.observe.stack_state import Observed
from reconciler.observe.world import LaunchFailure, LiveGroup, LiveMember, World
from stacks.contract import Tier

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SPOT = LaunchFailure(at=NOW - timedelta(minutes=2), spot=True, why="UnfulfillableCapacity")
ON_DEMAND = LaunchFailure(at=NOW - timedelta(minutes=2), spot=False, why="InsufficientInstanceCapacity")
OLD = timedelta(hours=2)


def members(on_demand: int, spot: int) -> tuple[LiveMember, ...]:
    one = LiveMember(id="", instance_type="m5.large", zone="a", lifecycle="InService", healthy=True, state="running")
    return tuple(replace(one, id=f"i-{n}", spot=n >= on_demand) for n in range(on_demand + spot))


def group(*failures: LaunchFailure, held: tuple[int, int] = (1, 1), desired: int = 5, stuck: bool = True) -> LiveGroup:
    return LiveGroup(
        tier=Tier.COLD,
        name="burst",
        group="cold-burst-1",
        min=0,
        desired=desired,
        max=9,
        members=members(*held),
        failures=failures,
        stuck=stuck,
    )


def short(one: LiveGroup) -> tuple[ScarceGroup, ...]:
    return scarce_groups(World(declared={}, recorded=Observed(), groups=(one,)), NOW)


def test_a_group_that_the_spot_market_can_not_fill_is_short_of_spot_alone() -> None:
    (one,) = short(group(SPOT))
    assert (one.spot, one.held, one.desired, one.held_spot) == (True, 2, 5, 1)
    assert spot_shares([one]) == {Tier.COLD: 0.2}


def test_a_spot_shortage_lasts_half_an_hour_though_the_group_has_what_it_wants_by_now() -> None:
    full = group(SPOT, held=(4, 1), stuck=False)
    assert [one.spot for one in short(full)] == [True]
    assert short(replace(full, failures=(replace(SPOT, at=NOW - OLD),))) == ()


def test_a_group_that_still_lacks_instances_stays_short_however_old_its_last_failure_is() -> None:
    assert len(short(group(replace(SPOT, at=NOW - OLD)))) == 1
    assert len(short(group(replace(ON_DEMAND, at=NOW - OLD)))) == 1


def test_on_demand_capacity_that_came_is_no_shortage() -> None:
    assert short(group(ON_DEMAND, held=(5, 0), stuck=False)) == ()
    assert short(group(ON_DEMAND, stuck=False)) == (), "its newest launch worked: it is filling up"


def test_both_markets_can_be_short_at_once() -> None:
    assert [one.spot for one in short(group(ON_DEMAND, SPOT))] == [True, False]


def test_a_group_without_failed_launches_is_not_short_while_it_boots() -> None:
    assert short(group(stuck=False)) == ()


def test_a_group_that_lacks_on_demand_capacity_counts_with_what_it_has_and_cannot_grow() -> None:
    key = (Tier.COLD, "burst")
    observed = Observed(groups={key: (("m5.large",), 5)}, ready={key: 2})
    found = limited(observed, short(group(ON_DEMAND)))
    assert found.desired(*key) == 2
    assert found.most == {key: 2}
    assert limited(observed, short(group(SPOT))) == observed
