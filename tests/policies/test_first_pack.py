"""The other policies of the first pack: freshness, spot share, types, tags, agreement."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from samples import raw

from policies import agreement, freshness, instance_types, spot, tagging
from policies.resources import GROUP, TEMPLATE, UNKNOWN, Resource

UNTIL = datetime(2026, 11, 24, 2, tzinfo=UTC)


class TestFreshForecast:
    def test_passes_while_the_plan_is_valid(self, violations):
        assert violations(freshness.RULE, now=UNTIL) == []

    def test_refuses_past_it(self, violations):
        (message,) = violations(freshness.RULE, now=UNTIL + timedelta(minutes=1))
        assert "was valid until 2026-11-24T02:00:00+00:00" in message

    def test_honours_an_override_of_reasonable_length_unless_told_not_to(self, violations):
        now = UNTIL + timedelta(hours=1)
        held = raw(override={"reason": "source is down, ops decided", "until": "2026-11-24T06:00:00Z"})
        assert violations(freshness.RULE, held, now=now) == []
        (short,) = violations(freshness.RULE, held, now=now, settings={"maxOverrideHours": 2})
        assert "another 3.0 hours, at most 2 are allowed" in short
        (never,) = violations(freshness.RULE, held, now=now, settings={"allowOverride": False})
        assert "allows no override" in never

    def test_refuses_a_plan_whose_newest_data_was_old_when_it_was_made(self, violations):
        plan = {**raw()["plan"], "cutoff": "2026-11-21T00:00:00Z"}
        (message,) = violations(freshness.RULE, raw(plan=plan), now=UNTIL)
        assert "72.0 hours before the plan was made; at most 48 are allowed" in message
        assert violations(freshness.RULE, raw(plan=plan), now=UNTIL, settings={"maxDataAgeHours": 72}) == []

    def test_refuses_a_replay_unless_the_pack_allows_replays(self, violations):
        plan = {**raw()["plan"], "cutoff": "2013-06-12T00:00:00Z", "replay": True}
        (message,) = violations(freshness.RULE, raw(plan=plan), now=UNTIL)
        assert "is a replay: it was made with --as-of from history up to 2013-06-12" in message
        assert violations(freshness.RULE, raw(plan=plan), now=UNTIL, settings={"allowReplay": True}) == []

    def test_refuses_a_plan_that_calls_itself_valid_for_too_long(self, violations):
        plan = {**raw()["plan"], "validUntil": "2027-11-24T00:00:00Z"}
        found = violations(freshness.RULE, raw(plan=plan), now=UNTIL + timedelta(days=30))
        assert any("made 722.0 hours ago" in m for m in found)
        assert any("a validity of 8760.0 hours" in m for m in found)


class TestSpotShare:
    def test_counts_vcpus_that_may_be_spot_at_the_maximum(self, violations):
        # 1 base + ceil(0.25 × 2) on demand of 3: 1 spot × 2 vCPU of 6 + 8 + 5.
        assert violations(spot.RULE, settings={"maxShare": 0.11}) == []
        (message,) = violations(spot.RULE, settings={"maxShare": 0.10})
        assert "11% of the fleet's 19 vCPUs may be spot, at most 10%" in message
        assert "cold-burst up to 1 of 3" in message

    def test_may_be_asked_of_the_cloud_alone(self, violations):
        (message,) = violations(spot.RULE, settings={"maxShare": 0.14, "of": "cloud"})
        assert "14% of the cloud's 14 vCPUs" in message

    def test_a_template_that_asks_for_spot_counts_whole(self, violations):
        def change(resources: list[Resource]) -> list[Resource]:
            return [
                replace(r, inputs={**r.inputs, "instanceMarketOptions": {"marketType": "spot"}})
                if r.type == TEMPLATE and r.name == "warm-web"
                else r
                for r in resources
            ]

        (message,) = violations(spot.RULE, settings={"maxShare": 0.3}, change=change)
        assert "warm-web up to 4 of 4" in message


class TestAllowedTypes:
    def test_those_of_the_catalogue_pass_by_default(self, violations):
        assert violations(instance_types.RULE) == []

    def test_patterns_name_what_is_allowed(self, violations):
        (message,) = violations(instance_types.RULE, settings={"types": ["m5.*"]})
        assert "cold-burst may start 'm6i.large', which is not an allowed type (m5.*)" in message

    def test_denied_types_are_refused_in_groups_templates_and_reservations(self, violations):
        found = violations(instance_types.RULE, settings={"denied": ["m5.large"]})
        assert sorted(m.split()[0] for m in found) == [
            "cold-burst",
            "warm-m5-large-us-east-1a",
            "warm-web",
            "warm-web",
        ]


class TestRequiredTags:
    group = Resource(
        urn=f"urn:pulumi:test::tiercast::tiercast:stacks:WarmTier${GROUP}::warm-web",
        type=GROUP,
        name="warm-web",
        inputs={"tags": [{"key": "project", "value": "tiercast", "propagateAtLaunch": True}]},
    )

    def test_what_the_program_declares_lacks_none(self, facts):
        settings = tagging.RequiredTags()
        assert all(tagging.missing(r, settings) == [] for r in facts().resources)

    def test_missing_ones_are_added_from_the_urn_and_the_defaults(self):
        settings = tagging.RequiredTags(tags=("team", "owner"), defaults={"team": "search"})
        assert tagging.missing(self.group, settings) == ["owner", "stack", "team", "tier"]
        more = tagging.added(self.group, settings)
        assert more == {"stack": "test", "team": "search", "tier": "warm"}
        assert tagging.with_tags(GROUP, self.group.inputs["tags"], more)[0] == self.group.inputs["tags"][0]
        assert tagging.with_tags(GROUP, None, {"a": "b"}) == [{"key": "a", "value": "b", "propagateAtLaunch": True}]
        assert tagging.with_tags(TEMPLATE, {"x": "y"}, {"a": "b"}) == {"x": "y", "a": "b"}

    def test_an_empty_value_is_as_good_as_none_and_is_replaced(self):
        empty = replace(self.group, inputs={"tags": [{"key": "stack", "value": ""}]})
        more = tagging.added(empty, tagging.RequiredTags())
        assert tagging.with_tags(GROUP, empty.inputs["tags"], more) == [
            {"key": k, "value": v, "propagateAtLaunch": True}
            for k, v in {"project": "tiercast", "stack": "test", "tier": "warm"}.items()
        ]

    def test_resources_without_tags_are_left_alone(self):
        domain = replace(self.group, type="libvirt:index/domain:Domain", inputs={})
        assert tagging.missing(domain, tagging.RequiredTags()) == []


class TestAgreement:
    def test_the_program_as_it_is_agrees(self, violations):
        assert violations(agreement.RULE) == []
        assert violations(agreement.RULE, raw(routing={"vpc": "v", "subnets": ["s"], "weights": {"warm": 1}})) == []

    @pytest.mark.parametrize("ownership", ["floor", "external"])
    def test_under_every_ownership(self, violations, ownership):
        values = raw()
        values["warm"]["ownership"] = values["cold"]["ownership"] = ownership
        assert violations(agreement.RULE, values) == []

    def test_an_extra_machine_or_group_is_refused(self, violations):
        declared = copy.deepcopy(raw())
        declared["hot"]["slots"].append({"hypervisor": "hv1", "number": 9, "flavour": "small"})
        declared["warm"]["groups"].append({**declared["warm"]["groups"][0], "name": "mine"})
        found = violations(agreement.RULE, declared=declared)
        assert "the VM hot-hv1-009, which the configuration does not request" in found[0]
        assert "the group warm-mine, which the configuration does not request" in found[1]

    def test_a_missing_one_is_refused(self, violations):
        declared = copy.deepcopy(raw())
        declared["hot"]["slots"].pop()
        declared["warm"]["reservations"] = []
        found = violations(agreement.RULE, declared=declared)
        assert "requests the VM hot-hv1-001, which the program does not declare" in found[0]
        assert "requests the capacity reservation warm-m5-large-us-east-1a" in found[1]

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            ({"minSize": 1}, "minimum 1 instead of 2"),
            ({"maxSize": 9}, "maximum 9 instead of 4"),
            ({"warmPool": {"maxGroupPreparedCapacity": 40}}, "prepared 40 instead of 4"),
        ],
    )
    def test_other_sizes_are_refused(self, violations, edit: dict[str, Any], words: str):
        def change(resources: list[Resource]) -> list[Resource]:
            return [
                replace(r, inputs={**r.inputs, **edit}) if r.type == GROUP and r.name == "warm-web" else r
                for r in resources
            ]

        (message,) = violations(agreement.RULE, change=change)
        assert words in message

    def test_a_flavour_changed_in_the_program_is_refused(self, violations):
        declared = copy.deepcopy(raw())
        declared["hot"]["flavours"][1]["vcpu"] = 2
        (message,) = violations(agreement.RULE, declared=declared)
        assert "hot-hv1-001 differs from the configuration: vcpu 2 instead of 4" in message

    def test_what_is_not_known_before_the_update_is_refused(self, violations):
        def change(resources: list[Resource]) -> list[Resource]:
            return [replace(r, inputs={**r.inputs, "minSize": UNKNOWN}) if r.type == GROUP else r for r in resources]

        assert "minSize is not known before the update" in violations(agreement.RULE, change=change)[0]
