"""The fleet file is read strictly, and every fault is a sentence that names its key."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.errors import InputError
from reconciler.fleet.file import parse_fleet


def small(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "step": "5m",
        "history": {"paths": ["h.csv"]},
        "qos": {"gold": {"latency": "200ms"}, "rest": {"latency": "2s"}},
        "applications": [{"match": "shop-*", "user": "vip", "qos": "gold"}, {"match": "*", "qos": "rest"}],
        "tiers": {"cold": {"instance_types": ["m7i.large"], "launch": {"image_id": "ami-1", "zones": ["us-east-1a"]}}},
    }
    return {**base, **changes}


def test_the_commented_example_is_valid() -> None:
    text = files("reconciler").joinpath("templates/fleet.yaml").read_text(encoding="utf-8")
    fleet = parse_fleet(YAML(typ="safe", pure=True).load(text), "fleet.yaml")
    assert list(fleet.qos) == ["gold", "silver", "bronze"]
    assert fleet.tiers.cold.launch == fleet.tiers.warm.launch


def test_the_first_rule_that_fits_user_and_application_counts() -> None:
    fleet = parse_fleet(small(), "fleet.yaml")
    assert [fleet.rule(u, a).qos for u, a in [("vip", "shop-eu"), ("bob", "shop-eu"), ("vip", "blog")]] == [  # type: ignore[union-attr]
        "gold",
        "rest",
        "rest",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step": "5 parsecs"}, "step: expected a duration such as"),
        ({"colour": "red"}, "colour: is not a known key"),
        (
            {"applications": [{"match": "*", "qos": "platinum"}]},
            "names QoS class 'platinum'; known classes are gold, rest",
        ),
        ({"tiers": {"cold": {"instance_types": ["m7i.large"]}}}, "tiers.cold has `instance_types` but no `launch`"),
        ({"tiers": {"warm": {"launch": {"image_id": "a", "zones": ["z"]}}}}, "no `instance_types`: name at least one"),
        (
            {"tiers": {"hot": {"hypervisors": [{"name": "a", "uri": "u", "cores": 1, "memory_mib": 1}]}}},
            "no `flavours`",
        ),
        ({"tiers": {}}, "all three are empty"),
        ({"horizon": "1m"}, "shorter than one step"),
    ],
)
def test_a_fault_is_one_sentence_that_names_the_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_fleet(small(**changes), "fleet.yaml")
    assert str(caught.value).startswith("fleet.yaml: ")
    assert words in str(caught.value)


def test_an_empty_file_points_to_the_example() -> None:
    with pytest.raises(InputError, match="tiercast init"):
        parse_fleet(None, "fleet.yaml")


def test_durations_are_read_with_their_units() -> None:
    fleet = parse_fleet(small(step="90s", horizon="1.5h", validity="2d"), "fleet.yaml")
    assert (fleet.step, fleet.horizon, fleet.validity) == (
        timedelta(seconds=90),
        timedelta(minutes=90),
        timedelta(days=2),
    )
