"""The bill: commitments paid anyway, reservations billed unused, nothing silently free."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from reconciler.errors import PriceMissing
from reconciler.prices.bill import hourly
from reconciler.prices.billed_fleet import BilledFleet, Prepared, Running, fleet_of, mixed, pool_count
from reconciler.prices.catalogue import Catalogue, parse_catalogue
from stacks.contract import ColdGroup, Commitment, ReadyPool, Reservation, Size, StackConfig, Tier

GIB_HOUR = 0.073 / 730


@pytest.fixture
def catalogue() -> Catalogue:
    def kind(vcpu: int, **prices: float) -> dict[str, Any]:
        return {"vcpu": vcpu, "memory_mib": 4096 * vcpu, "usd_per_hour": prices}

    return parse_catalogue(
        {
            "source": "test",
            "taken_on": "2026-01-01",
            "region": "r",
            "storage_usd_per_gib_month": 0.073,
            "load_balancer_usd_per_hour": 0.02,
            "default_root_gib": 10,
            "default_boot": {"mean_seconds": 60, "p95_seconds": 120},
            "hypervisor_usd_per_hour": {"hv1": 0.5},
            "types": {
                "m": kind(2, on_demand=0.10, spot=0.03),
                "c": kind(2, on_demand=0.08, spot=0.04),
                "nospot": kind(2, on_demand=0.07),
            },
        },
        "test",
    )


def running(
    count: int, market: Literal["on_demand", "spot"] = "on_demand", name: str = "m", root_gib: int = 1
) -> Running:
    tier = Tier.COLD if market == "spot" else Tier.WARM
    return Running(tier=tier, group="g", instance_type=name, market=market, count=count, root_gib=root_gib)


def test_a_worked_example_by_hand(catalogue: Catalogue) -> None:
    bill = hourly(
        BilledFleet(
            running=(running(5), running(4, "spot")),
            commitments=(Commitment(instance_type="m", count=3, usd_per_hour=0.06),),
            load_balancers=1,
        ),
        catalogue,
    )
    # 3 commitments, 2 beyond them on demand, 4 spot, 9 GiB of volumes, a balancer.
    assert bill.usd_per_hour == pytest.approx(3 * 0.06 + 2 * 0.10 + 4 * 0.03 + 9 * GIB_HOUR + 0.02)
    assert bill.of(Tier.COLD) == pytest.approx(4 * 0.03 + 4 * GIB_HOUR)


def test_commitments_are_paid_when_nothing_runs(catalogue: Catalogue) -> None:
    bill = hourly(BilledFleet(commitments=(Commitment(instance_type="m", count=3, usd_per_hour=0.06),)), catalogue)
    assert bill.usd_per_hour == pytest.approx(0.18)


def test_a_reservation_is_billed_where_nothing_runs_in_it(catalogue: Catalogue) -> None:
    reservations = (Reservation(instance_type="m", zone="a", count=4),)
    idle = hourly(BilledFleet(reservations=reservations), catalogue)
    used = hourly(BilledFleet(running=(running(3),), reservations=reservations), catalogue)
    assert idle.usd_per_hour == pytest.approx(0.40)
    assert used.usd_per_hour == pytest.approx(0.40 + 3 * GIB_HOUR)
    commitments = (Commitment(instance_type="m", count=2, usd_per_hour=0.06),)
    covered = hourly(BilledFleet(reservations=reservations, commitments=commitments), catalogue)
    assert covered.usd_per_hour == pytest.approx(2 * 0.06 + 2 * 0.10)


@pytest.mark.parametrize(("state", "each"), [("Stopped", 0.0), ("Running", 0.10), ("Hibernated", 8 * GIB_HOUR)])
def test_a_ready_pool_costs_by_its_state_and_its_volumes(
    catalogue: Catalogue, state: Literal["Stopped", "Running", "Hibernated"], each: float
) -> None:
    pool = Prepared(tier=Tier.WARM, group="g", instance_type="m", state=state, count=2)
    assert hourly(BilledFleet(prepared=(pool,)), catalogue).usd_per_hour == pytest.approx(2 * each + 20 * GIB_HOUR)


def test_own_hosts_are_sunk_and_said_so(catalogue: Catalogue) -> None:
    bill = hourly(BilledFleet(hypervisors=((Tier.HOT, "hv1"), (Tier.HOT, "hv2"))), catalogue)
    assert bill.usd_per_hour == 0.5
    assert "no running cost" in bill.lines[1].note


def test_a_missing_price_is_an_error(catalogue: Catalogue) -> None:
    with pytest.raises(PriceMissing, match="nospot"):
        hourly(BilledFleet(running=(running(1, "spot", "nospot"),)), catalogue)


def test_a_mixed_group_is_split_as_the_cloud_does_and_priced_at_its_dearest(catalogue: Catalogue) -> None:
    group = ColdGroup(
        name="burst",
        instance_types=("m", "c"),
        size=Size(min=0, desired=8, max=12),
        on_demand_base=2,
        on_demand_share_above_base=0.2,
    )
    # 2 + ⌈0.2 · 6⌉ on demand at m's 0.10, 4 spot at c's 0.04.
    parts = {(p.market, p.instance_type): p.count for p in mixed(group, 8, catalogue)}
    assert parts == {("on_demand", "m"): 4, ("spot", "c"): 4}


def test_what_a_pool_holds_is_what_is_prepared_less_what_runs() -> None:
    pool = ReadyPool(max_group_prepared_capacity=10, min_size=1)
    assert pool_count(pool, 6) == 4
    assert pool_count(pool, 20) == 1


def test_a_stack_configuration_is_billed_at_the_wanted_size(catalogue: Catalogue) -> None:
    config = StackConfig.model_validate(
        {
            "plan": {
                "id": "x",
                "createdAt": "2026-01-01T00:00:00Z",
                "cutoff": "2026-01-01T00:00:00Z",
                "validUntil": "2026-01-01T01:00:00Z",
                "forecastDigest": "x",
                "catalogueDigest": "x",
            },
            "demand": {"stepSeconds": 300, "classes": {}},
            "warm": {
                "launch": {"imageId": "ami", "zones": ["a"], "rootVolumeGib": 20},
                "groups": [
                    {
                        "name": "w",
                        "instanceType": "m",
                        "size": {"min": 1, "desired": 2, "max": 6},
                        "pool": {"maxGroupPreparedCapacity": 3},
                    }
                ],
            },
            "routing": {"vpc": "vpc-1", "subnets": ["s"]},
        }
    )

    def usd(size: Literal["min", "desired", "max"]) -> float:
        return hourly(fleet_of(config, catalogue, size), catalogue).usd_per_hour

    assert usd("desired") == pytest.approx(2 * 0.10 + 3 * 20 * GIB_HOUR + 0.02)
    assert usd("max") == pytest.approx(6 * 0.10 + 6 * 20 * GIB_HOUR + 0.02)
