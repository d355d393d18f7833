"""Regions, provenance, ownership, plain secrets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from samples import raw

from policies import ownership, plain_secrets, provenance, regions
from policies.resources import GROUP, GROUP_POLICY, Resource
from reconciler.prices.catalogue import builtin

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


class TestAllowedRegions:
    def test_the_catalogues_region_passes(self, violations):
        assert violations(regions.RULE) == []

    def test_another_is_refused_by_provider_and_zone(self, violations):
        found = violations(regions.RULE, settings={"regions": ["eu-west-1"]})
        assert any(m.startswith("warm-web is in us-east-1; the allowed regions are eu-west-1") for m in found)
        zone = violations(regions.RULE, region="eu-west-1", settings={"regions": ["eu-west-1"]})
        assert sorted(m.split(";")[0] for m in zone) == [
            "cold-burst is in us-east-1",
            "warm-m5-large-us-east-1a is in us-east-1",
        ]

    def test_a_region_that_is_not_known_is_refused(self, violations):
        (message,) = violations(regions.RULE, region="")
        assert "the region of its provider" in message


class TestProvenance:
    @staticmethod
    def _planned(**plan: Any) -> dict[str, Any]:
        return raw(plan={**raw()["plan"], "catalogueDigest": builtin().digest(), **plan})

    def test_a_plan_from_the_pinned_prices_passes(self, violations):
        assert violations(provenance.RULE, self._planned()) == []

    def test_other_prices_are_refused(self, violations):
        (message,) = violations(provenance.RULE)
        assert "made with prices of digest 111111111111…" in message
        assert violations(provenance.RULE, settings={"samePrices": False}) == []

    def test_only_the_approved_plan_passes(self, violations):
        assert violations(provenance.RULE, self._planned(), settings={"planId": "plan-1"}) == []
        (message,) = violations(provenance.RULE, self._planned(), settings={"planId": "plan-0"})
        assert "holds plan plan-1; plan plan-0 was approved" in message

    def test_a_plan_from_the_future_is_refused(self, violations):
        later = (NOW + timedelta(minutes=6)).isoformat()
        (message,) = violations(provenance.RULE, self._planned(createdAt=later))
        assert "is in the future" in message


class TestOneOwner:
    @pytest.mark.parametrize("owner", ["exact", "floor", "external"])
    def test_what_the_program_declares_has_one(self, violations, owner):
        values = raw()
        values["warm"]["groups"][0]["size"] = {"min": 2, "desired": 2, "max": 2}
        values["warm"]["ownership"] = values["cold"]["ownership"] = owner
        assert violations(ownership.RULE, values) == []

    @staticmethod
    def _edit(name: str, ignored: frozenset[str] | None = None, **inputs: Any):
        def change(resources: list[Resource]) -> list[Resource]:
            return [
                replace(r, inputs={**r.inputs, **inputs}, ignored=r.ignored if ignored is None else ignored)
                if r.name == name and r.type == GROUP
                else r
                for r in resources
            ]

        return change

    @pytest.mark.parametrize(
        ("name", "inputs", "words"),
        [
            ("cold-burst", {"maxSize": 5}, "its ownership is exact, but its counts differ (min 3, desired 3, max 5)"),
            ("warm-web", {"desiredCapacity": 3}, "its ownership is floor, but the program sets its desired count to 3"),
            ("warm-web", {"warmPool": {"minSize": 1}}, "ready pool has no bound"),
            ("warm-web", {"launchTemplate": {"id": "x", "version": "$Latest"}}, "launch template has no fixed version"),
        ],
    )
    def test_a_second_one_is_refused(self, violations, name, inputs, words):
        (message,) = violations(ownership.RULE, change=self._edit(name, **inputs))
        assert message.startswith(f"{name}: ")
        assert words in message

    def test_a_scaling_policy_on_an_exact_group_is_refused(self, violations):
        def change(resources: list[Resource]) -> list[Resource]:
            (group,) = [r for r in resources if r.name == "cold-burst" and r.type == GROUP]
            mover = replace(
                group,
                urn=f"urn:pulumi:test::tiercast::{GROUP_POLICY}::mine",
                name="mine",
                type=GROUP_POLICY,
                inputs={},
                depends={"autoscalingGroupName": (group.urn,)},
            )
            return [*resources, mover]

        (message,) = violations(ownership.RULE, change=change)
        assert "mine would also change its size" in message

    def test_an_external_group_whose_size_is_set_is_refused(self, violations):
        values = raw()
        values["warm"]["ownership"] = "external"
        (message,) = violations(ownership.RULE, values, change=self._edit("warm-web", frozenset({"minSize"})))
        assert "would still set desiredCapacity, maxSize" in message


class TestPlainSecrets:
    def test_the_sample_holds_none(self, violations):
        assert violations(plain_secrets.RULE) == []

    @pytest.mark.parametrize(
        ("key", "text", "what"),
        [
            ("aws:secretKey", "wJalrXUtnFEMI/K7MDENG", "aws:secretKey holds a secret"),
            ("app:db", '{"password": "hunter2hunter2"}', "app:db.password holds a secret"),
            ("app:keys", '["AKIA' + "ABCDEFGHIJKLMNOP" + '"]', "app:keys[0] holds an AWS access key"),
            ("app:pem", "-----BEGIN RSA PRIVATE KEY-----\nx", "holds a private key"),
            ("app:uri", "qemu+tcp://ops:pa55word@hv1/system", "holds a password in a URI"),
            ("app:script", "export DB_PASSWORD=hunter2hunter2\n", "holds an assigned password or token"),
        ],
    )
    def test_a_secret_is_named_by_place_and_never_shown(self, violations, key, text, what):
        (message,) = violations(plain_secrets.RULE, plain={key: text})
        assert what in message
        assert "hunter2" not in message
        assert "AKIA" not in message

    @pytest.mark.parametrize(
        ("key", "text"),
        [
            ("aws:secretKey", "lab"),
            ("app:uri", "qemu+ssh://ops@hv1/system"),
            ("app:script", "export DB_PASSWORD=$(fetch-secret db)\n"),
            ("app:script", "token: arn:aws:secretsmanager:us-east-1:1:secret:x\n"),
        ],
    )
    def test_placeholders_and_references_pass(self, violations, key, text):
        assert violations(plain_secrets.RULE, plain={key: text}) == []

    def test_exceptions_are_by_key(self, violations):
        plain = {"app:token": "abcdefghijk"}
        assert len(violations(plain_secrets.RULE, plain=plain)) == 1
        assert violations(plain_secrets.RULE, plain=plain, settings={"allowed": ["app:token"]}) == []
