"""The stack configuration's definition: what it takes, what it refuses and in which words."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from samples import config, raw

from stacks import contract
from stacks.contract import ContractError, Ownership, StackConfig, demand_digest, json_schema, parse, stale

ROOT = Path(__file__).parents[2]
UNTIL = datetime(2026, 11, 24, 2, tzinfo=UTC)

labels = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\Z")
counts = st.integers(0, 500)


@st.composite
def sizes(draw: st.DrawFn, ownership: str) -> dict[str, int]:
    low, middle, high = sorted(draw(st.tuples(counts, counts, counts)))
    return (
        {"min": middle, "desired": middle, "max": middle}
        if ownership == "exact"
        else {
            "min": low,
            "desired": middle,
            "max": high,
        }
    )


@st.composite
def stacks(draw: st.DrawFn) -> dict[str, Any]:
    ownership = draw(st.sampled_from([o.value for o in Ownership]))
    names = draw(st.lists(labels, max_size=3, unique=True))
    warm = {
        "ownership": ownership,
        "launch": {"imageId": "ami-1", "zones": ["z-1"], "userData": draw(st.text(max_size=20))},
        "groups": [{"name": n, "instanceType": "m5.large", "size": draw(sizes(ownership))} for n in names],
    }
    rates = sorted(draw(st.lists(st.floats(0, 1e6), min_size=2, max_size=2)))
    demand = raw()["demand"]
    demand["classes"] = {draw(labels): {**demand["classes"]["gold"], "requestsPerSecond": rates}}
    return raw(warm=warm, demand=demand)


@given(stacks())
def test_what_is_written_reads_back_as_the_same_and_is_written_as_the_same_bytes(values: dict[str, Any]):
    first = parse(values)
    text = json.dumps(first.to_config(), sort_keys=True)
    second = parse(json.loads(text))

    assert second == first
    assert json.dumps(second.to_config(), sort_keys=True) == text
    assert demand_digest(second.demand) == first.plan.forecast_digest


@given(stacks())
def test_the_json_schema_accepts_what_the_contract_writes(values: dict[str, Any]):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(parse(values).to_config(), json_schema())


def test_keys_are_written_in_their_order():
    assert list(config(tags={"team": "search"}).to_config()) == [
        key for key in contract.KEYS if key not in contract.PERSONAL_KEYS
    ]


def test_the_checked_in_schema_is_the_generated_one():
    stored = (ROOT / "stacks" / "contract.schema.json").read_text()
    assert stored == json.dumps(json_schema(), indent=2, sort_keys=True) + "\n", (
        "run `python -m stacks.contract > stacks/contract.schema.json`"
    )


def test_pulumi_yaml_declares_exactly_the_contracts_keys_with_type_and_description():
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    fields = StackConfig.model_fields
    required = {contract.to_key(name) for name, field in fields.items() if field.is_required()}

    assert (project["runtime"]["name"], project["main"]) == ("python", "stacks/")
    assert list(project["config"]) == list(contract.KEYS)
    for key, entry in project["config"].items():
        assert entry["type"] == ("integer" if key == "schemaVersion" else "object")
        assert entry["description"].endswith(".")
        assert ("default" not in entry) == (key in required), key


def test_the_defaults_of_pulumi_yaml_mean_absence():
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    defaults = {key: entry["default"] for key, entry in project["config"].items() if "default" in entry}
    bare = {key: raw()[key] for key in ("plan", "demand")}

    assert parse({**defaults, **bare}) == parse(bare)


def _without(path: str) -> dict[str, Any]:
    values = raw()
    *parents, last = path.split(".")
    node = values
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node[key]
    del node[last]
    return values


def _with(path: str, value: Any) -> dict[str, Any]:
    values = raw()
    node: Any = values
    *parents, last = path.split(".")
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node[key]
    node[last] = value
    return values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (_with("surprise", 1), ["tiercast:surprise", "not permitted"]),
        (_with("warm.groups.0.size.mim", 1), ["tiercast:warm.groups.0.size.mim", "not permitted"]),
        (_without("plan.validUntil"), ["tiercast:plan.validUntil", "required"]),
        (_with("plan.validUntil", "2026-11-24T02:00:00"), ["tiercast:plan.validUntil", "timezone"]),
        (_with("warm.groups.0.size.min", 5), ["min 5", "max 4", "does not hold"]),
        (_with("cold.groups.0.size.max", 9), ["'burst'", "ownership exact"]),
        (_with("hot.slots.0.hypervisor", "hv9"), ["hypervisor 'hv9'", "'hv1', 'hv2'"]),
        (_with("hot.slots.0.flavour", "huge"), ["flavour 'huge'", "'big', 'small'"]),
        (_with("hot.slots.0.number", 1), ["same hypervisor and number"]),
        (_with("hot.slots.0.hypervisor", "hv2"), ["overlay uses a port", "'hv2'", "basePort"]),
        (_with("hot.boot.cmdline", [{"a": "1", "b": "2"}]), ["use one key per map"]),
        (_without("warm.launch"), ["launch"]),
        (_with("warm.launch.subnets", []), ["subnets"]),
        (_without("warm.groups.0.pool.maxGroupPreparedCapacity"), ["maxGroupPreparedCapacity", "required"]),
        (_with("warm.reservations", raw()["warm"]["reservations"] * 2), ["two reservations"]),
        (_with("tags", {"stack": "mine"}), ["['stack']", "set by tiercast"]),
        (_with("demand.classes.gold.requestsPerSecond", [3, 2]), ["must not cross"]),
        (_with("demand.classes.gold.levels", [0.5]), ["1 levels but 2 quantiles"]),
        (_with("schemaVersion", 3), ["schemaVersion is 3", "Upgrade tiercast"]),
        (_with("schemaVersion", "one"), ["expected a whole number", "'one'"]),
        (_with("override", {"reason": "short", "until": "2026-11-24T09:00:00Z"}), ["override.reason", "10"]),
    ],
)
def test_a_fault_is_named_by_its_key(values: dict[str, Any], words: list[str]):
    with pytest.raises(ContractError) as error:
        parse(values)
    for word in words:
        assert word in str(error.value)


def test_every_fault_is_reported_at_once():
    values = _with("surprise", 1)
    del values["plan"]["id"]
    with pytest.raises(ContractError) as error:
        parse(values)
    assert len(str(error.value).splitlines()) == 2


def test_two_tiers_may_not_be_forwarded_at_the_same_address():
    slot = [{"hypervisor": "hv1", "number": 2, "flavour": "small"}]
    with pytest.raises(ContractError, match=r"cold-hv1-002 and hot-hv1-002 .* 127\.0\.0\.1:20002"):
        config(cold={"metal": {**raw()["hot"], "slots": slot}})


def _version_1(window_share: float | None) -> dict[str, Any]:
    """The sample as version 1 wrote it, with the digest that version 1 took of its demand section."""
    old = {**raw(), "schemaVersion": 1}
    section = config().demand.model_dump(mode="json", by_alias=True)
    for one in section["classes"].values():
        one["violatingShare"] = one.pop("promisedShare")
        del one["allowedShare"]
        one["windowShare"] = window_share
    digest = hashlib.sha256(json.dumps(section, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    for one in section["classes"].values() if window_share is None else ():
        del one["windowShare"]  # an absent share was not written
    return {**old, "demand": section, "plan": {**old["plan"], "forecastDigest": digest}}


@pytest.mark.parametrize("window_share", [None, 0.004])
def test_version_1_is_lifted_to_promised_and_allowed_shares(window_share: float | None):
    lifted = parse(_version_1(window_share))
    assert lifted.schema_version == 2
    assert [c.promised_share for c in lifted.demand.classes.values()] == [
        c.promised_share for c in config().demand.classes.values()
    ]
    assert {c.allowed_share for c in lifted.demand.classes.values()} == {window_share or 0.01}
    assert lifted.plan.forecast_digest == demand_digest(lifted.demand)


def test_a_demand_section_that_was_edited_in_version_1_still_disagrees_with_its_digest():
    old = _version_1(None)
    old["demand"]["classes"]["gold"]["violatingShare"] = 0.5
    lifted = parse(old)
    assert lifted.plan.forecast_digest == old["plan"]["forecastDigest"] != demand_digest(lifted.demand)


@pytest.mark.parametrize("demand", [None, "much", {"classes": {"gold": 3}}, {"stepSeconds": 60, "classes": []}])
def test_version_1_without_a_demand_section_is_a_fault_and_no_crash(demand: object):
    with pytest.raises(ContractError, match="tiercast:demand"):
        parse({**_version_1(None), "demand": demand})


def test_a_version_without_a_lift_asks_for_a_new_file():
    with pytest.raises(ContractError, match=r"too old to upgrade\. Run `tiercast plan`"):
        parse({**raw(), "schemaVersion": 0})


def test_an_expired_plan_is_refused_with_what_to_do():
    assert stale(config(), UNTIL) is None
    refusal = stale(config(), UNTIL + timedelta(seconds=1))
    assert refusal is not None
    assert "valid until 2026-11-24T02:00:00+00:00" in refusal
    assert "tiercast plan" in refusal


def test_an_override_holds_until_its_end_only():
    until = UNTIL + timedelta(hours=1)
    held = config(override={"reason": "launch night, ops on call", "until": until.isoformat()})

    assert stale(held, until) is None
    assert "override ended" in (stale(held, until + timedelta(seconds=1)) or "")
