"""The program and the pack in the real engine, on a lab of their own: what previews say and what updates do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab_project import Project, configuration, on_a_lab

from policies import tagging
from policies.pack import RULES
from policies.rule import Rule

pytestmark = [pytest.mark.engine, pytest.mark.lab]

ROOT = Path(__file__).parents[2]

#: Appended to a copy of the program: a group that no configuration asks for, with a resource that has no price.
TAMPERED = """
    import pulumi_aws as aws

    template = aws.ec2.LaunchTemplate("mine", image_id="ami-12c6146b", instance_type="m5.large")
    aws.autoscaling.Group(
        "mine", min_size=0, max_size=200, availability_zones=["us-east-1a"], force_delete=True,
        launch_template=aws.autoscaling.GroupLaunchTemplateArgs(id=template.id, version="$Latest"),
    )
"""


#: Policy → its own reason for refusing what `refused` previews, and the remedy in the same message.
REFUSALS = {
    "fresh-forecast": ("and this policy pack allows no override", "Run `tiercast plan` for a new one"),
    "provenance": ("holds plan first; plan another was approved", "Preview and approve the new plan"),
    "configuration-agrees": ("the group mine, which the configuration does not request", "Restore the program"),
    "one-owner": ("mine: its launch template has no fixed version", "Set a version number"),
    "cost-ceiling": ("can cost 20.15 USD/hour, the ceiling is 0.10", "Lower the groups' maxima"),
    "month-cost": ("The limit is 1.00 a month", "Lower guards.usd_per_hour"),
    "tag-cost": ("Resources without the tag 'team' can cost 20.15 USD/hour", "Lower their groups"),
    "cost-jump": ("the last approved cost is 0.10 and a plan may raise it to 0.20", "Grow in steps"),
    "latency-slo": ("'gold' is promised 400 ms at percentile 95", "Run `tiercast plan` for larger counts"),
    "violation-risk": ("'gold' exceeds its capacity is 100.0%", "move load from spot to warm"),
    "spare-hosts": ("of the requests of class 'gold' are expected to be late", "Set tiers.hot.spare_hosts to 1"),
    "step-limit": ("The cold tier shrinks from 90 to 3 instances", "shrink in steps"),
    "spot-share": ("may be spot, at most 1% are allowed", "Raise on_demand_base or lower spot_share"),
    "diversification": (
        "3 spot instances over 1 instance types (at least 2 required)",
        "Add instance_types or subnets",
    ),
    "allowed-instance-types": ("may start 'm5.large', which is not an allowed type", "Remove it from instance_types"),
    "allowed-regions": ("is in us-east-1; the allowed regions are eu-west-1", "Set aws:region and the zones"),
    "no-plain-secrets": ("tiercast:tags.note holds an assigned password", "pulumi config set --secret"),
    "required-tags": ("The tag owner is missing", "Set `tags` in fleet.yaml"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with on_a_lab(tmp_path_factory.mktemp("project")) as made:
        yield made


def test_a_good_plan_is_applied_and_the_next_of_equal_sizes_changes_nothing(project: Project):
    project.configure()
    code, text = project.pulumi("up", "--yes")
    assert code == 0, text
    names = {urn.rsplit("::", 1)[-1] for urn in project.state()}
    assert {"hot-hv-a-001", "warm-web", "cold-burst", "warm-m5-large-us-east-1a"} <= names

    code, text = project.pulumi("stack", "output", "--json", policies=False)
    outputs = json.loads(text)
    assert outputs["planId"] == "first"
    assert outputs["hot"]["machines"][0]["endpoint"].startswith("127.0.0.1:")

    plan = {**configuration(project.lab)["plan"], "id": "second"}
    project.configure(plan=plan)
    code, text = project.pulumi("preview", "--expect-no-changes")
    assert code == 0, text


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A preview that every policy of the pack refuses: what the engine said, and the state before and after."""

    code: int
    text: str
    before: list[str]
    after: list[str]

    def by(self, name: str) -> list[str]:
        """The refusals of a policy as the engine prints them: level, severity, resource, description, message."""
        parts = re.split(
            r"^ +- (?=\[)", self.text.partition("Policies:")[2].partition("Diagnostics:")[0], flags=re.MULTILINE
        )
        return [part for part in parts if re.match(rf"\[mandatory\] .*  {name}  \(", part)]


@pytest.fixture(scope="module")
def refused(project: Project) -> Refused:
    before = project.state()
    past = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    good = configuration(project.lab)
    cold = {**good["cold"], "groups": [{**good["cold"]["groups"][0], "instanceTypes": ["m5.large"]}]}
    cold["groups"][0] |= {"onDemandBase": 0, "onDemandShareAboveBase": 0}
    demand = json.loads(json.dumps(good["demand"]))
    demand["classes"]["gold"]["requestsPerSecond"] = [2000.0, 4000.0]
    project.configure(
        {
            "fresh-forecast": {"allowOverride": False},
            "provenance": {"planId": "another"},
            "cost-ceiling": {"maxUsdPerHour": 0.1},
            "month-cost": {"maxUsdPerMonth": 1, "spend": {"usd": 5, "asOf": past}},
            "tag-cost": {"maxUsdPerHour": {"team": {"": 0}}},
            "cost-jump": {"approvedUsdPerHour": 0.1, "maxIncreaseUsdPerHour": 0.1},
            "latency-slo": {"forecastDigest": "0" * 64},
            "spare-hosts": {"spareHosts": 1},
            "step-limit": {"current": {"cold": 90}},
            "spot-share": {"maxShare": 0.01},
            "allowed-instance-types": {"types": ["c6i.*"]},
            "allowed-regions": {"regions": ["eu-west-1"]},
            "required-tags": {"enforcementLevel": "remediate", "tags": ["owner"]},
        },
        plan={**good["plan"], "validUntil": past},
        override={"reason": "test of every policy", "until": soon},
        cold=cold,
        demand=demand,
        tags={"note": "password=hunter2hunter2"},
    )
    module = project.root / "stacks" / "cold.py"
    text = module.read_text()
    module.write_text(
        text.replace(
            "        self.register_outputs(self.outputs)\n",
            TAMPERED.replace("\n    ", "\n        ") + "        self.register_outputs(self.outputs)\n",
        )
    )
    try:
        code, said = project.pulumi("preview")
    finally:
        module.write_text(text)
    return Refused(code=code, text=said, before=before, after=project.state())


def test_what_policies_refuse_changes_nothing_and_says_no_secret(refused: Refused):
    assert refused.code != 0
    assert refused.after == refused.before
    assert "hunter2" not in refused.text.partition("Policies:")[2]


@pytest.mark.parametrize("rule", [*RULES, tagging.RULE], ids=lambda rule: rule.name)
def test_every_policy_refuses_in_the_engine_for_its_own_reason_and_says_what_to_do(refused: Refused, rule: Rule[Any]):
    found = refused.by(rule.name)
    assert all(f"[severity: {rule.severity}]" in one and rule.description in one for one in found)
    why, what_to_do = REFUSALS[rule.name]
    assert any(why in one and what_to_do in one for one in found), found


def test_a_stale_file_is_refused_by_the_program_itself(project: Project):
    before = project.state()
    past = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    project.configure(plan={**configuration(project.lab)["plan"], "validUntil": past})

    code, text = project.pulumi("up", "--yes", "--skip-preview", policies=False)

    assert code != 0
    assert "must not resize a fleet" in text
    assert "Traceback" not in text
    assert project.state() == before
