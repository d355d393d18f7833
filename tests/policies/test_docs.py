"""docs/policies.md says of every policy what it is called, how severe it is and how it is set."""

from __future__ import annotations

from pathlib import Path

from policies import tagging
from policies.pack import RULES
from policies.rule import PriceSettings
from policies.trusted import DemandSettings

TEXT = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
SHARED = {
    key for kind in (PriceSettings, DemandSettings) for key in kind.model_json_schema(by_alias=True)["properties"]
}


def test_every_policy_has_a_row_with_severity_and_settings():
    for rule in RULES:
        (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{rule.name}` | {rule.severity} |")]
        for setting in set(rule.schema()) - SHARED - {"commitments"}:
            assert f"`{setting}`" in row, (rule.name, setting)
    assert f"| `{tagging.NAME}` |" in TEXT


def test_shared_settings_are_described():
    assert all(f"`{setting}`" in TEXT for setting in SHARED)
