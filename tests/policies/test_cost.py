"""cost-ceiling: counted from resource inputs at their upper bound, with pinned prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from samples import raw

from policies.cost import RULE
from policies.estate import survey
from policies.pricing import most
from policies.resources import UNKNOWN, Resource
from reconciler.prices.catalogue import builtin
from stacks.contract import Tier


def _edited(name: str, **inputs: Any):
    def change(resources: list[Resource]) -> list[Resource]:
        return [
            replace(r, inputs={**r.inputs, **inputs}) if r.name == name and r.type.endswith(":Group") else r
            for r in resources
        ]

    return change


def _dear_file(price: float) -> str:
    catalogue = builtin().model_dump(mode="json")
    catalogue["types"]["m5.large"]["usd_per_hour"]["on_demand"] = price
    import json

    return json.dumps(catalogue)


def test_a_stack_under_its_ceiling_passes(violations):
    assert violations(RULE, settings={"maxUsdPerHour": 5}) == []


def test_the_bill_counts_maximum_overshoot_storage_and_the_dearest_type_at_on_demand(facts):
    values = raw()
    values["cold"]["groups"][0]["instanceTypes"] = ["m5.large", "m5.2xlarge"]
    bill = most(survey(facts(values).resources), builtin())

    warm = 4 * 0.096  # maximum under `floor`
    cold = (3 + 1) * 0.384  # exact 3, a tenth of overshoot rounded up, the dearer type
    disks = (4 + 4) * 8 * 0.08 / 730
    assert bill.usd_per_hour == pytest.approx(warm + cold + disks)
    assert bill.of(Tier.HOT) == 0


def test_unused_reservations_pool_storage_and_the_load_balancer_are_part_of_it(facts):
    values = raw(routing={"vpc": "vpc-1", "subnets": ["subnet-1"], "weights": {"warm": 1}})
    before = most(survey(facts(values).resources), builtin()).usd_per_hour
    values["warm"]["reservations"][0]["count"] = 10
    values["warm"]["groups"][0]["pool"]["maxGroupPreparedCapacity"] = 9
    bill = most(survey(facts(values).resources), builtin())

    # 10 reserved; m5.large runs 4 times at most, which leaves 6 unused (cold's dearest is m6i.large).
    assert bill.usd_per_hour - before == pytest.approx(6 * 0.096 + 5 * 8 * 0.08 / 730)
    assert any(line.item == "load balancer" for line in bill.lines)


def test_the_stack_ceiling_names_figures_and_what_to_do(violations):
    (message,) = violations(RULE, settings={"maxUsdPerHour": 0.5})
    assert "can cost 0.78 USD/hour, the ceiling is 0.50" in message
    assert "warm-web m5.large 4 × 0.0960 = 0.38" in message
    assert "fleet.yaml" in message


def test_each_tier_has_its_own_ceiling(violations):
    (message,) = violations(RULE, settings={"maxUsdPerHourByTier": {"warm": 0.1, "cold": 2}})
    assert message.startswith("The warm tier can cost 0.39 USD/hour, its ceiling is 0.10")


def test_a_maximum_raised_in_the_program_counts_whatever_the_configuration_says(violations):
    (message,) = violations(RULE, settings={"maxUsdPerHour": 5}, change=_edited("warm-web", maxSize=100))
    assert "can cost 10.0" in message


def test_a_count_that_is_not_known_yet_is_refused(violations):
    (message,) = violations(RULE, settings={"maxUsdPerHour": 5}, change=_edited("warm-web", maxSize=UNKNOWN))
    assert "maxSize is not known before the update" in message


def test_a_choice_of_types_by_attributes_is_refused(violations):
    policy = {"launchTemplate": {"overrides": [{"instanceRequirements": {}}]}}
    found = violations(RULE, settings={"maxUsdPerHour": 5}, change=_edited("cold-burst", mixedInstancesPolicy=policy))
    assert "overrides[0].instanceType is not known" in found[0]


def test_an_extra_group_in_the_program_counts(violations):
    def change(resources: list[Resource]) -> list[Resource]:
        (group,) = [r for r in resources if r.name == "warm-web" and r.type.endswith(":Group")]
        urn = "urn:pulumi:test::tiercast::aws:autoscaling/group:Group::mine"
        return [*resources, replace(group, name="mine", urn=urn, inputs={**group.inputs, "maxSize": 50})]

    (message,) = violations(RULE, settings={"maxUsdPerHour": 5}, change=change)
    assert "mine m5.large 50 × 0.0960" in message


def test_a_resource_without_a_price_is_refused(violations):
    stranger = Resource(
        urn="urn:pulumi:test::tiercast::aws:rds/instance:Instance::db",
        type="aws:rds/instance:Instance",
        name="db",
        inputs={},
    )
    (message,) = violations(RULE, settings={"maxUsdPerHour": 5}, change=lambda resources: [*resources, stranger])
    assert message.startswith("db (aws:rds/instance:Instance) has no price")


def test_prices_come_from_a_pinned_file_and_a_lowered_one_is_refused(violations):
    from reconciler.prices.catalogue import load_catalogue

    text = _dear_file(1.0)
    pin = load_catalogue(text, "prices.json").digest()
    settings = {"maxUsdPerHour": 3, "catalogueFile": "prices.json", "catalogueDigest": pin}

    (dear,) = violations(RULE, settings=settings, files={"prices.json": text})
    assert "can cost 8.01 USD/hour" in dear
    (refused,) = violations(RULE, settings=settings, files={"prices.json": _dear_file(0.001)})
    assert "prices were changed" in refused
    (unpinned,) = violations(RULE, settings={"catalogueFile": "prices.json"}, files={"prices.json": text})
    assert "has no catalogueDigest" in unpinned


def test_a_type_without_a_price_is_never_free(violations):
    values = raw()
    values["warm"]["groups"][0]["instanceType"] = "x9.mega"
    (message,) = violations(RULE, values, settings={"maxUsdPerHour": 5})
    assert "'x9.mega' is not in the price catalogue" in message


def test_commitments_lower_the_bill_only_where_the_pack_pins_them(violations, facts):
    values = raw()
    values["warm"]["commitments"] = [{"instanceType": "m5.large", "count": 4, "usdPerHour": 0.0}]
    assert violations(RULE, values, settings={"maxUsdPerHour": 0.5}) != []
    pinned = [{"instanceType": "m5.large", "count": 4, "usdPerHour": 0.01}]
    assert violations(RULE, values, settings={"maxUsdPerHour": 0.5, "commitments": pinned}) == []


def test_a_wrong_setting_refuses_rather_than_passes(violations):
    (message,) = violations(RULE, settings={"maxUsdPerHuor": 5})
    assert "cost-ceiling is not valid at 'maxUsdPerHuor'" in message
