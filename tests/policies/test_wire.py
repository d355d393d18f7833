"""Between Pulumi's policy SDK and the rules: what the engine sends becomes facts, and violations become reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi_policy as sdk
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import policy as sdk_policy
from pulumi_policy import proxy
from pulumi_policy.proxy import unknown_checking_proxy
from samples import raw

from policies import cost, pack, wire
from policies.resources import GROUP, TEMPLATE, UNKNOWN
from policies.rule import RuleSettings

UNPINNED = {"requirePin": False}
PREFIX = "urn:pulumi:test::tiercast::tiercast:stacks:WarmTier$"
OPTIONS = {
    "protect": False,
    "ignore_changes": [],
    "delete_before_replace": None,
    "aliases": [],
    "custom_timeouts": sdk.PolicyCustomTimeouts(0, 0, 0),
    "additional_secret_outputs": [],
}


def _resource(kind: str, name: str, props: dict[str, Any], *, ignore: tuple[str, ...] = ()) -> sdk.PolicyResource:
    return sdk.PolicyResource(
        kind,
        unknown_checking_proxy(props),
        f"{PREFIX}{kind}::{name}",
        name,
        sdk.PolicyResourceOptions(**{**OPTIONS, "ignore_changes": list(ignore)}),
        None,
        None,
        [],
        {},
    )


def _session(**values: Any) -> wire.Session:
    config = {f"tiercast:{key}": json.dumps(value) for key, value in raw(**values).items()}
    return wire.Session(
        folder=Path(), clock=lambda: datetime(2026, 11, 24, 1, tzinfo=UTC), config=config, pins=UNPINNED
    )


def _stack(maximum: Any) -> list[sdk.PolicyResource]:
    template = _resource(TEMPLATE, "web", {"instanceType": "m5.large"})
    group = _resource(GROUP, "web", {"minSize": 1, "maxSize": maximum})
    group.property_dependencies["launchTemplate"] = [template]
    group.props["__target"]["launchTemplate"] = {"id": proxy.UNKNOWN_STRING_VALUE}
    return [template, group]


def _reports(policy: sdk.StackValidationPolicy, resources: list[sdk.PolicyResource], **settings: Any) -> list[str]:
    found: list[str] = []
    policy.validate(sdk.StackValidationArgs(resources, settings), lambda message, urn=None: found.append(message))
    return found


def test_a_group_whose_template_id_is_unknown_is_still_counted_by_its_dependency():
    policy = wire.stack_policy(cost.RULE, _session())
    assert _reports(policy, _stack(4), maxUsdPerHour=1) == []
    assert "web m5.large 40 × 0.0960" in _reports(policy, _stack(40), maxUsdPerHour=1)[0]


def test_numbers_arrive_from_the_engine_as_floats():
    assert "can cost 3.8" in _reports(wire.stack_policy(cost.RULE, _session()), _stack(40.0), maxUsdPerHour=1.0)[0]


def test_an_unknown_that_decides_is_a_violation_not_advice():
    policy = wire.stack_policy(cost.RULE, _session())
    (message,) = _reports(policy, _stack(proxy.UNKNOWN_NUMBER_VALUE), maxUsdPerHour=1)
    assert "maxSize is not known before the update" in message


def test_recorded_inputs_win_over_the_state_that_a_provider_reports():
    session = _session()
    resources = _stack(1)
    session.inputs[resources[0].urn] = {"instanceType": "m5.large"}
    session.inputs[resources[1].urn] = {"minSize": 1, "maxSize": 40, "launchTemplate": {"id": UNKNOWN}}
    assert "web m5.large 40" in _reports(wire.stack_policy(cost.RULE, session), resources, maxUsdPerHour=1)[0]


def test_what_a_refresh_found_and_the_program_no_longer_declares_is_not_counted():
    session = _session()
    assert len(session.facts(_stack(40)).resources) == 2  # no program ran: what is there counts
    session.inputs["urn:pulumi:test::tiercast::pulumi:pulumi:Stack::tiercast-test"] = {}
    assert session.facts(_stack(40)).resources == ()


def test_what_the_program_ignores_counts_as_it_really_is():
    session = _session()
    group = _resource(GROUP, "web", {"minSize": 1, "maxSize": 40}, ignore=("maxSize",))
    session.inputs[group.urn] = {"minSize": 1, "maxSize": 2}
    assert session.resource(group).inputs["maxSize"] == 40


def test_secret_configuration_is_not_among_the_plain_values():
    session = _session()
    session.secret_keys = frozenset({"tiercast:hot"})
    plain = session.facts(_stack(1)).plain
    assert "tiercast:hot" not in plain
    assert "tiercast:warm" in plain


def test_without_configuration_the_fault_is_kept():
    session = wire.Session(folder=Path(), clock=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    facts = session.facts(_stack(1))
    assert facts.config is None
    assert "run `tiercast plan`" in facts.config_fault
    assert (facts.project, facts.stack) == ("tiercast", "test")


def test_the_sdks_server_hands_over_configuration_secret_keys_and_inputs(monkeypatch: pytest.MonkeyPatch):
    # `_listen` puts a subclass in the SDK's place; the original is put back after the test.
    monkeypatch.setattr(sdk_policy, "_PolicyAnalyzerServicer", sdk_policy._PolicyAnalyzerServicer)
    session = wire.Session(folder=Path(), clock=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    wire._listen(session)
    server = sdk_policy._PolicyAnalyzerServicer(
        "tiercast", "0.0.1", [wire.tag_policy()], sdk.EnforcementLevel.MANDATORY
    )
    server.ConfigureStack(
        analyzer_pb2.AnalyzerStackConfigureRequest(
            stack="test", project="tiercast", config={"tiercast:plan": "{}"}, config_secret_keys=["tiercast:hot"]
        ),
        None,
    )
    properties = struct_pb2.Struct()
    json_format.ParseDict({"maxSize": 3, "launchTemplate": {"id": proxy.UNKNOWN_STRING_VALUE}}, properties)
    request = analyzer_pb2.AnalyzeRequest(type=GROUP, urn=f"{PREFIX}{GROUP}::web", name="web", properties=properties)
    response = server.Analyze(request, None)

    assert session.config == {"tiercast:plan": "{}"}
    assert session.secret_keys == {"tiercast:hot"}
    assert session.inputs[request.urn] == {"maxSize": 3, "launchTemplate": {"id": UNKNOWN}}
    assert [d.policyName for d in response.diagnostics] == ["required-tags"]


class TestRequiredTags:
    def _args(self, props: dict[str, Any], **settings: Any) -> sdk.ResourceValidationArgs:
        options = sdk.PolicyResourceOptions(**OPTIONS)
        return sdk.ResourceValidationArgs(
            GROUP, unknown_checking_proxy(props), f"{PREFIX}{GROUP}::web", "web", options, None, settings
        )

    def test_adds_missing_tags_and_keeps_what_is_unknown(self):
        args = self._args({"maxSize": 2, "launchTemplate": {"id": proxy.UNKNOWN_STRING_VALUE}})
        found = wire.tag_policy().remediate(args)
        assert found["maxSize"] == 2
        assert wire.plain(found["launchTemplate"]) == {"id": UNKNOWN}
        assert {tag["key"]: tag["value"] for tag in found["tags"]} == {
            "project": "tiercast",
            "stack": "test",
            "tier": "warm",
        }

    def test_leaves_a_tagged_resource_alone(self):
        tags = [{"key": k, "value": "x", "propagateAtLaunch": True} for k in ("project", "stack", "tier")]
        assert wire.tag_policy().remediate(self._args({"tags": tags})) is None

    def test_refuses_a_tag_that_it_cannot_know(self):
        found: list[str] = []
        wire.tag_policy().validate(self._args({"tags": []}, tags=["owner"]), lambda m, urn=None: found.append(m))
        assert found == ["The tags owner, project, stack, tier are missing. Set `tags` in fleet.yaml and plan again."]


def test_every_policy_is_complete_and_its_settings_have_a_schema():
    names = [rule.name for rule in pack.RULES]
    assert len(names) == len(set(names)) == 17
    for rule in pack.RULES:
        policy = wire.stack_policy(rule, _session())
        assert policy.enforcement_level is sdk.EnforcementLevel.MANDATORY
        assert rule.description.endswith(".")
        assert rule.remedy.endswith(".")
        assert issubclass(rule.settings, RuleSettings)
        text = json.dumps(rule.schema())
        assert "$ref" not in text
        assert all("description" in entry for entry in rule.schema().values()), rule.name
