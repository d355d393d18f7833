"""Several stacks in one fleet file: what is common, what differs, and what is refused."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.history.source import read_demand
from reconciler.adapters.project import find_project
from reconciler.errors import InputError
from reconciler.fleet.file import parse_fleet
from reconciler.fleet.stacks import of_stack

LAUNCH = {"image_id": "ami-1", "zones": ["us-east-1a"]}
RAW: dict[str, Any] = {
    "step": "1h",
    "history": {"paths": ["h.csv"], "max_age": "1h"},
    "qos": {"gold": {"latency": "2s", "tiers": ["cold"]}},
    "applications": [{"match": "*", "qos": "gold"}],
    "tiers": {"cold": {"instance_types": ["m5.large", "m6i.large"], "spot_share": 0.5, "launch": LAUNCH}},
    "guards": {"step_limit": 4},
    "config": {"aws:region": "us-east-1", "vendor:account": "4711"},
    "stacks": {
        "east": None,
        "west": {
            "region": "us-west-2",
            "history": {"users": ["west-*"]},
            "tiers": {"cold": {"instance_types": ["m5.large"], "launch": {"zones": ["us-west-2a"]}, "max": 7}},
            "guards": {"step_limit": None},
        },
    },
}


def changed(**stacks: Any) -> dict[str, Any]:
    return {**deepcopy(RAW), "stacks": {**RAW["stacks"], **stacks}}


def test_a_stack_without_keys_of_its_own_is_the_top_of_the_file() -> None:
    fleet = parse_fleet(RAW, "fleet.yaml", stack="east")
    assert fleet == parse_fleet({key: value for key, value in RAW.items() if key != "stacks"}, "fleet.yaml")


def test_the_part_of_a_stack_is_laid_over_the_top() -> None:
    fleet = parse_fleet(RAW, "fleet.yaml", stack="west")
    assert fleet.config == {"aws:region": "us-west-2", "vendor:account": "4711"}
    assert fleet.history.users == ("west-*",)
    assert fleet.history.paths == ("h.csv",)
    cold = fleet.tiers.cold
    assert (cold.instance_types, cold.max, cold.spot_share) == (("m5.large",), 7, 0.5)
    assert cold.launch is not None
    assert (cold.launch.image_id, cold.launch.zones) == ("ami-1", ("us-west-2a",))
    assert fleet.guards.step_limit is None
    assert fleet.qos == parse_fleet(RAW, "fleet.yaml", stack="east").qos


def test_a_file_without_stacks_serves_every_stack() -> None:
    plain = {key: value for key, value in RAW.items() if key != "stacks"}
    assert of_stack(plain, "any", "fleet.yaml") == plain


@pytest.mark.parametrize(
    ("raw", "stack", "said"),
    [
        (RAW, "north", "fleet.yaml, stacks: there is no stack 'north'; it has east, west."),
        (RAW, None, "the file declares several stacks: east, west."),
        ({**RAW, "stacks": []}, "east", "fleet.yaml, stacks: expected names of stacks"),
        (changed(west=["x"]), "west", "fleet.yaml, stacks.west: expected keys such as `region`"),
        (changed(west={"qos": {}}), "east", "stacks.west: `qos` can't differ per stack"),
        (changed(**{"a/b": {}}), "east", "stacks.a/b: it is no name of a stack"),
        (changed(west={"tiers": {"cold": {"max": 0}}}), "west", "stacks.west.tiers.cold.max"),
    ],
)
def test_a_mistake_under_stacks_names_its_key(raw: dict[str, Any], stack: str | None, said: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_fleet(raw, "fleet.yaml", stack=stack)
    assert said in str(refused.value)


def test_a_mistake_in_one_stack_does_not_stop_the_other() -> None:
    assert parse_fleet(changed(west={"tiers": {"cold": {"max": 0}}}), "fleet.yaml", stack="east")


def test_a_hypervisor_belongs_to_one_stack() -> None:
    host = {"name": "hv", "uri": "qemu+ssh://hv/system", "cores": 4, "memory_mib": 4096}
    hot = {"hot": {"hypervisors": [host], "flavours": [{"name": "s", "vcpu": 1, "memory_mib": 512}]}}
    with pytest.raises(InputError, match=r"stacks\.west\.tiers: it has the same hypervisor as stack 'east'"):
        parse_fleet(changed(east={"tiers": hot}, west={"tiers": hot}), "fleet.yaml", stack="east")


def test_a_secret_of_a_stack_is_refused_with_its_key() -> None:
    host = {"name": "hv", "uri": "qemu+ssh://u:hunter22@hv/system", "cores": 4, "memory_mib": 4096}
    raw = changed(west={"tiers": {"hot": {"hypervisors": [host]}}})
    with pytest.raises(InputError) as refused:
        parse_fleet(raw, "fleet.yaml", stack="east")
    assert "stacks.west.tiers.hot.hypervisors[0].uri holds a password" in str(refused.value)
    assert "--path 'tiercast:hot.hypervisors[0].uri'" in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_only_the_users_and_applications_that_a_stack_names_count(tmp_path: Path) -> None:
    rows = ["timestamp,user_id,application_id,requests"]
    for hour in range(48):
        rows += [
            f"2026-01-0{1 + hour // 24}T{hour % 24:02}:00Z,{u},shop,{n}" for u, n in (("east-1", 5), ("west-1", 7))
        ]
    (tmp_path / "h.csv").write_text("\n".join(rows) + "\n")
    both, west = (
        read_demand(parse_fleet(RAW, "fleet.yaml", stack=stack), base=tmp_path, as_of=None)
        for stack in ("east", "west")
    )
    assert both.pairs == (("east-1", "shop"), ("west-1", "shop"))
    assert west.pairs == (("west-1", "shop"),)
    assert set(west.total()) == {7.0}
    assert (west.start, west.length) == (both.start, both.length)
    nobody = parse_fleet(changed(west={"history": {"users": ["north-*"]}}), "fleet.yaml", stack="west")
    with pytest.raises(InputError, match="no user and application of the history match"):
        read_demand(nobody, base=tmp_path, as_of=None)


def test_the_named_stack_chooses_the_part_also_with_its_organisation(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(RAW, sort_keys=False))
    found = find_project(tmp_path, stack="acme/p/west", fleet=None).read_fleet()
    assert found.config["aws:region"] == "us-west-2"
