"""`tiercast policy`: the pack on a stack file, without engine or cloud."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from samples import raw

from policies.pack import RULES
from policies.pack_config import PackConfigError, read_pack_config
from reconciler.cli.policy import policy
from reconciler.errors import InputError
from reconciler.prices.catalogue import builtin


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """A project with a stack file whose plan was made just now."""
    now = datetime.now(UTC)
    plan = {
        **raw()["plan"],
        "createdAt": now.isoformat(),
        "cutoff": now.isoformat(),
        "validUntil": (now + timedelta(hours=1)).isoformat(),
        "catalogueDigest": builtin().digest(),
    }
    values: dict[str, Any] = {f"tiercast:{key}": value for key, value in raw(plan=plan).items()}
    values["tiercast:hot"]["hypervisors"][1]["uri"] = {"secure": "v1:abc"}
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(yaml.safe_dump({"config": {"aws:region": "us-east-1", **values}}))
    (tmp_path / "Pulumi.yaml").write_text("name: tiercast\n")
    (tmp_path / "policies").mkdir()
    configure(path)
    return path


def configure(stack_file: Path, **policies: Any) -> None:
    """Write the pack's configuration for the stack: the given policies, prices pinned, and the demand not."""
    pins = {"catalogueDigest": builtin().digest(), "requirePin": False}
    path = stack_file.parent / "policies" / "config.dev.json"
    path.write_text(json.dumps({"provenance": pins, **policies}))


def _run(*arguments: str) -> tuple[int | None, str]:
    result = CliRunner().invoke(policy, arguments, standalone_mode=False, catch_exceptions=False)
    return result.return_value, result.output


def test_a_good_file_passes_every_policy(stack_file: Path):
    code, text = _run("test", str(stack_file))
    assert code == 0, text
    assert "passed 13 policies, 5 not configured" in text


def test_a_policy_without_anything_to_judge_by_is_not_configured_rather_than_passed(stack_file: Path):
    found = {p["name"]: p for p in json.loads(_run("test", str(stack_file), "--json")[1])["policies"]}
    idle = {name: p["lacking"] for name, p in found.items() if p["status"] == "not configured"}
    assert idle.keys() == {"month-cost", "tag-cost", "cost-jump", "spare-hosts", "step-limit"}
    assert idle["month-cost"] == "set maxUsdPerMonth"
    text = _run("test", str(stack_file), "--only", "step-limit")[1]
    assert "not configured  step-limit: set currentFile or current" in text
    assert "passed 0 policies, 1 not configured" in text
    configure(stack_file, **{"step-limit": {"current": {"warm": 2}}})
    assert "pass    step-limit" in _run("test", str(stack_file), "--only", "step-limit")[1]


def test_the_packs_configuration_beside_it_is_used(stack_file: Path):
    configure(stack_file, **{"cost-ceiling": {"maxUsdPerHour": 0.1}})
    code, text = _run("test", str(stack_file))
    assert code == 3
    assert "refuse  cost-ceiling" in text
    assert "refused by 1 of 18 policies, 5 not configured" in text


def test_an_advisory_policy_says_and_does_not_refuse(stack_file: Path, tmp_path: Path):
    config = tmp_path / "pack.json"
    limit = {"enforcementLevel": "advisory", "maxUsdPerHour": 0.1}
    config.write_text(json.dumps({"cost-ceiling": limit, "provenance": {"requirePin": False}}))
    code, text = _run("test", str(stack_file), "--config", str(config), "--only", "cost-ceiling", "--json")
    found = json.loads(text)
    assert code == 0
    assert found["refused"] is False
    assert found["usdPerHourAtMost"] == pytest.approx(0.775, abs=0.001)
    (verdict,) = found["policies"]
    assert "the ceiling is 0.10" in verdict["violations"][0]["message"]


def test_an_invalid_configuration_is_refused_with_its_key(stack_file: Path):
    stack_file.write_text(stack_file.read_text().replace("tiercast:warm:", "tiercast:wram:"))
    code, text = _run("test", str(stack_file), "--only", "latency-slo")
    assert code == 3
    assert "tiercast:wram" in text


def test_a_file_of_another_name_is_a_users_mistake(tmp_path: Path):
    path = tmp_path / "stack.yaml"
    path.write_text("config: {}\n")
    with pytest.raises(InputError, match=r"not the name of a stack file"):
        _run("test", str(path))


def test_tags_that_would_be_added_pass_unless_nothing_is_remedied(stack_file: Path):
    settings = {"tags": ["owner"], "defaults": {"owner": "ops"}}
    configure(stack_file, **{"required-tags": settings})
    assert _run("test", str(stack_file), "--only", "required-tags")[0] == 0
    configure(stack_file, **{"required-tags": {**settings, "enforcementLevel": "mandatory"}})
    code, said = _run("test", str(stack_file), "--only", "required-tags")
    assert code == 3
    assert "warm-web: The tag owner is missing." in said


def test_policies_are_listed_with_their_settings():
    _, text = _run("list", "--json")
    assert [row["name"] for row in json.loads(text)] == [*(rule.name for rule in RULES), "required-tags"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ([], "expected an object"),
        ({"cost-celing": "mandatory"}, "unknown policy 'cost-celing'"),
        ({"cost-ceiling": "strict"}, "expected one of advisory, mandatory"),
        ({"cost-ceiling": 5}, "expected a level or an object"),
    ],
)
def test_a_packs_configuration_is_checked(config: Any, words: str):
    with pytest.raises(PackConfigError, match=words):
        read_pack_config(config, ["cost-ceiling"])


def test_all_sets_the_level_of_each_that_has_none_of_its_own():
    found = read_pack_config({"all": "advisory", "b": {"enforcementLevel": "disabled", "x": 1}}, ["a", "b"])
    assert found.levels == {"a": "advisory", "b": "disabled"}
    assert found.settings == {"b": {"x": 1}}


def test_settings_and_prices_that_cannot_be_used_refuse_in_words(stack_file: Path):
    configure(stack_file, **{"required-tags": {"tag": ["team"]}, "cost-ceiling": {"catalogueFile": "gone.yaml"}})
    code, text = _run("test", str(stack_file), "--json")
    found = {policy["name"]: policy["violations"] for policy in json.loads(text)["policies"]}
    assert code == 3
    assert json.loads(text)["usdPerHourAtMost"] is None
    assert "required-tags is not valid at 'tag'" in found["required-tags"][0]["message"]
    assert "catalogueFile has no catalogueDigest" in found["cost-ceiling"][0]["message"]


def test_without_a_configuration_the_policies_that_need_prices_or_demand_refuse(stack_file: Path):
    (stack_file.parent / "policies" / "config.dev.json").unlink()
    code, text = _run("test", str(stack_file), "--json")
    refusing = {p["name"]: p["violations"][0]["message"] for p in json.loads(text)["policies"] if p["violations"]}
    assert code == 3
    assert f"once reviewed: {builtin().digest()}" in refusing["cost-ceiling"]
    assert refusing["latency-slo"].startswith("No forecast is pinned")
