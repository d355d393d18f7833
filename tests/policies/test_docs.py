"""docs/policies.md says of every policy what it is called, how severe it is, how it is set, and what it says."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from samples import raw

from policies import tagging
from policies.pack import RULES
from policies.pack_config import read_pack_config
from policies.resources import GROUP, Resource
from policies.rule import PriceSettings
from policies.trusted import DemandSettings

ALL = (*RULES, tagging.RULE)
TEXT = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
SHARED = {
    key for kind in (PriceSettings, DemandSettings) for key in kind.model_json_schema(by_alias=True)["properties"]
}
#: Policy → (its settings, the beginning of what it says then), from the table of examples.
EXAMPLES = {
    row[1].strip(" `"): (json.loads(row[2].strip(" `") or "{}"), row[3].strip().rstrip("…"))
    for row in (
        line.split("|") for line in TEXT.partition("## An example of each")[2].partition("\n## ")[0].splitlines()
    )
    if len(row) == 5 and row[1].startswith(" `")
}


def _sample(name: str) -> dict[str, Any]:
    """What is wrong with the stack that a policy's example judges; nothing where its settings alone refuse it."""
    if name == "fresh-forecast":
        return {"now": datetime(2026, 11, 24, 3, tzinfo=UTC)}
    if name == "configuration-agrees":
        return {"change": _edited(minSize=1)}
    if name == "one-owner":
        return {"change": _edited(launchTemplate={"id": "x", "version": "$Latest"})}
    if name in ("latency-slo", "violation-risk"):
        demand = copy.deepcopy(raw()["demand"])
        demand["classes"]["gold"]["requestsPerSecond"] = [300, 900]
        return {"values": raw(demand=demand)}
    if name == "spare-hosts":
        demand = copy.deepcopy(raw()["demand"])
        demand["classes"]["gold"]["requestsPerSecond"] = [250, 250]
        hot = {**raw()["hot"], "overlay": ""}
        hot["slots"] = [{"hypervisor": h, "number": n, "flavour": "big"} for h in ("hv1", "hv2") for n in (1, 2)]
        return {"values": raw(demand=demand, hot=hot, warm=None, cold=None)}
    if name == "diversification":
        cold = copy.deepcopy(raw()["cold"])
        cold["groups"][0] |= {"instanceTypes": ["m5.large"], "onDemandBase": 0, "onDemandShareAboveBase": 0}
        return {"values": raw(cold=cold)}
    if name == "no-plain-secrets":
        return {"plain": {"app:db": '{"password": "hunter2hunter2"}'}}
    return {}


def _edited(**inputs: Any) -> Any:
    def change(resources: list[Resource]) -> list[Resource]:
        return [
            replace(r, inputs={**r.inputs, **inputs}) if r.type == GROUP and r.name == "warm-web" else r
            for r in resources
        ]

    return change


def test_every_policy_has_a_row_with_severity_and_settings():
    for rule in ALL:
        (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{rule.name}` | {rule.severity} |")]
        for setting in set(rule.schema()) - SHARED - {"commitments"}:
            assert f"`{setting}`" in row, (rule.name, setting)


def test_shared_settings_are_described():
    assert all(f"`{setting}`" in TEXT for setting in SHARED)


def test_every_policy_has_an_example():
    assert list(EXAMPLES) == [rule.name for rule in ALL]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_policy_says_what_its_example_shows(rule, violations):
    settings, says = EXAMPLES[rule.name]
    found = violations(rule, **_sample(rule.name), settings=settings)
    assert any(message.startswith(says) for message in found), found


def test_the_policy_of_your_own_refuses_at_the_weekend(violations):
    code = TEXT.partition("```python\n")[2].partition("```")[0]
    known: dict[str, Any] = {}
    exec(compile(code, "docs/policies.md", "exec"), known)
    assert violations(known["RULE"], now=datetime(2026, 11, 24, 1, tzinfo=UTC)) == []
    saturday = datetime(2026, 11, 28, 1, tzinfo=UTC)
    assert violations(known["RULE"], now=saturday) == ["It is day 5 of the week; wait for Monday."]


def test_the_example_of_a_whole_configuration_can_be_used():
    whole = json.loads(TEXT.partition("```json\n")[2].partition("```")[0])
    found = read_pack_config(whole, [rule.name for rule in ALL])
    kinds = {rule.name: rule.settings for rule in ALL}
    typed = {name: kinds[name].model_validate(settings) for name, settings in found.settings.items()}
    assert typed.keys() == found.settings.keys() != set()
