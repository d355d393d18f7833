"""Cost beyond the hour: month, tag, jump."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from samples import raw

from policies import jump, month, tag_cost

#: The sample at planned counts: warm 2 × 0.096, cold 2 on demand and 1 spot at the dearest type's prices, and disks.
PLANNED = 4 * 0.096 + 0.03552 + (5 * 8 + 2 * 8) * 0.08 / 730


class TestMonthCost:
    spend = {"usd": 100.0, "asOf": "2026-11-24T00:00:00Z"}

    def test_is_not_judged_without_a_limit(self, violations):
        assert violations(month.RULE) == []

    def test_adds_the_plans_rate_until_the_months_end(self, violations):
        total = 100 + PLANNED * 7 * 24
        assert violations(month.RULE, settings={"maxUsdPerMonth": total + 0.01, "spend": self.spend}) == []
        (message,) = violations(month.RULE, settings={"maxUsdPerMonth": total - 0.01, "spend": self.spend})
        assert f"By 2026-11-30 the stack will have cost {total:.2f} USD: 100.00 until" in message
        assert "for another 168 hours" in message

    def test_can_take_the_maxima_instead(self, violations):
        settings = {"maxUsdPerMonth": 200, "spend": self.spend}
        assert violations(month.RULE, settings=settings) == []
        assert len(violations(month.RULE, settings={**settings, "basis": "maximum"})) == 1

    def test_reads_the_spend_from_a_file_for_the_stack(self, violations):
        settings = {"maxUsdPerMonth": 101, "spendFile": "spend-{stack}.json"}
        assert len(violations(month.RULE, settings=settings, files={"spend-test.json": json.dumps(self.spend)})) == 1
        (broken,) = violations(month.RULE, settings=settings, files={"spend-test.json": "{}"})
        assert "must hold" in broken

    def test_forgets_the_spend_of_last_month(self, violations):
        spend = {"usd": 5000.0, "asOf": "2026-11-30T23:00:00Z"}
        now = datetime(2026, 12, 1, 1, tzinfo=UTC)
        assert violations(month.RULE, settings={"maxUsdPerMonth": 1000, "spend": spend}, now=now) == []

    def test_refuses_old_or_missing_figures(self, violations):
        (old,) = violations(
            month.RULE, settings={"maxUsdPerMonth": 1, "spend": {**self.spend, "asOf": "2026-11-01T00:00:00Z"}}
        )
        assert "is 553 hours old" in old
        (early,) = violations(
            month.RULE, settings={"maxUsdPerMonth": 1, "spend": {**self.spend, "asOf": "2027-11-01T00:00:00Z"}}
        )
        assert "2027-11-01T00:00:00+00:00, which is in the future" in early
        (none,) = violations(month.RULE, settings={"maxUsdPerMonth": 1})
        assert "Set spend or spendFile" in none

    def test_knows_the_months(self):
        assert month.month(datetime(2026, 12, 31, 23, tzinfo=UTC)) == (
            datetime(2026, 12, 1, tzinfo=UTC),
            datetime(2027, 1, 1, tzinfo=UTC),
        )


class TestTagCost:
    def test_splits_by_the_groups_own_tags(self, violations):
        values = raw()
        values["warm"]["groups"][0]["tags"] = {"team": "search"}
        limits = {"maxUsdPerHour": {"team": {"search": 0.3, "*": 5}}}
        (message,) = violations(tag_cost.RULE, values, settings=limits)
        assert message.startswith("Resources with team=search can cost 0.39 USD/hour, the limit is 0.30")

    def test_limits_teams_and_applications_at_once(self, violations):
        values = raw()
        values["warm"]["groups"][0]["tags"] = {"team": "search", "application": "shop"}
        values["cold"]["groups"][0]["tags"] = {"team": "search", "application": "mail"}
        limits = {"maxUsdPerHour": {"team": {"search": 0.5}, "application": {"shop": 1, "*": 0.3}}}
        assert [m.split(",")[0] for m in violations(tag_cost.RULE, values, settings=limits)] == [
            "Resources with application=mail can cost 0.39 USD/hour",
            "Resources with team=search can cost 0.78 USD/hour",
        ]

    def test_untagged_resources_have_a_limit_too(self, violations):
        (message,) = violations(tag_cost.RULE, settings={"maxUsdPerHour": {"team": {"": 0}}})
        assert "Resources without the tag 'team' can cost 0.78 USD/hour" in message

    def test_is_not_judged_without_limits(self, violations):
        assert violations(tag_cost.RULE) == []


class TestCostJump:
    def test_small_stacks_may_grow(self, violations):
        assert violations(jump.RULE, settings={"approvedUsdPerHour": 0.1}) == []

    def test_a_large_jump_is_refused(self, violations):
        settings = {"approvedUsdPerHour": 0.1, "maxIncreaseUsdPerHour": 0.2}
        (message,) = violations(jump.RULE, settings=settings)
        assert "can cost 0.78 USD/hour, the last approved cost is 0.10 and a plan may raise it to 0.30" in message

    def test_reads_what_was_approved_from_a_verdict_that_was_kept(self, violations):
        settings = {"approvedFile": "{stack}.json", "maxIncreaseUsdPerHour": 0.2}
        assert violations(jump.RULE, settings=settings, files={"test.json": '{"usdPerHourAtMost": 0.7}'}) == []
        (message,) = violations(jump.RULE, settings=settings, files={"test.json": '{"usdPerHourAtMost": 0.1}'})
        assert "the last approved cost is 0.10" in message
        for broken in ("{}", "[]", "{", '{"usdPerHourAtMost": null}'):
            (message,) = violations(jump.RULE, settings=settings, files={"test.json": broken})
            assert "must hold" in message

    @pytest.mark.parametrize("settings", [{}, {"approvedUsdPerHour": 10}])
    def test_nothing_approved_or_cheaper_passes(self, violations, settings):
        assert violations(jump.RULE, settings=settings) == []
