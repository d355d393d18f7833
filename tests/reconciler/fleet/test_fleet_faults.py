"""What is contradictory or out of place in a fleet file is told in the file's own words."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.errors import InputError
from reconciler.fleet.file import parse_fleet
from tests.reconciler.fleet.test_fleet import small

LAUNCH = {"image_id": "ami-1", "zones": ["us-east-1a"]}
HOST = {"name": "a", "uri": "qemu:///system", "cores": 4, "memory_mib": 8192}

FLAVOUR = {"name": "s", "vcpu": 1, "memory_mib": 512}


def hot(**changes: Any) -> dict[str, Any]:
    return {"hot": {"hypervisors": [HOST], "flavours": [FLAVOUR], **changes}}


def freeze(**keys: str) -> dict[str, Any]:
    return {"guards": {"freeze": [{"why": "holidays", **keys}]}}


def told(changes: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        parse_fleet(small(**changes), "fleet.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            freeze(start="2026-02-01T00:00Z", end="2026-01-01T00:00Z"),
            "guards.freeze[0]: the end, 2026-01-01T00:00:00+00:00, is not after the start",
        ),
        (freeze(start="2026-02-01T00:00", end="2026-03-01T00:00Z"), "guards.freeze[0].start: has no time zone"),
        (freeze(start="2026-02-01T00:00Z"), "guards.freeze[0]: give either `start` and `end`, or `weekly`"),
        (freeze(weekly="Fri 18:00 to Mon 06:00"), "guards.freeze[0]: give either"),
        (freeze(weekly="weekends", timezone="UTC"), "`weekly` is 'weekends'; expected two times such as"),
        (freeze(weekly="Fri 18:00 to Mon 06:00", timezone="Mars"), "timezone: 'Mars' is not a time zone"),
        ({"validity": "0s"}, "validity: expected a duration above 0"),
        ({"step": "0m"}, "step: expected a duration above 0"),
        ({"horizon": "999999999999w"}, "horizon: 999999999999w is too long"),
        ({"calendar": {"timezone": "Mars"}}, "calendar.timezone: 'Mars' is not a time zone"),
        (
            {"qos": {"gold": {"latency": "1s", "tiers": ["hot", "warm"]}, "rest": {"latency": "1s"}}},
            "qos.gold may only use hot, warm, which `tiers` does not declare; declare one of them, or let the class "
            "use cold",
        ),
        ({"qos": {"gold": {"latency": "1s", "tiers": []}, "rest": {"latency": "1s"}}}, "qos.gold.tiers: is empty"),
        (
            {"tiers": {"warm": {"instance_types": ["m5.large", "m5.large"], "launch": LAUNCH}}},
            "tiers.warm.instance_types names m5.large twice",
        ),
        (
            {"tiers": {"warm": {"instance_types": ["m5.large"], "launch": LAUNCH, "min": 5, "max": 2}}},
            "tiers.warm: `min` 5 is above `max` 2; lower `min` or raise `max`",
        ),
        (
            {"tiers": {"cold": {"instance_types": ["m5.large"], "launch": LAUNCH, "on_demand_base": 5, "max": 4}}},
            "tiers.cold: `on_demand_base` 5 is above `max` 4; lower `on_demand_base` or raise `max`",
        ),
        (
            {"tiers": {"warm": {"min": 2}, "cold": {"instance_types": ["m5.large"], "launch": LAUNCH}}},
            "tiers.warm has `min` 2 but nothing to run; give it instance types, or remove `min`",
        ),
        ({"tiers": hot(hypervisors=[HOST, HOST])}, "tiers.hot.hypervisors names a twice; name each once"),
        ({"tiers": hot(flavours=2 * [FLAVOUR])}, "tiers.hot.flavours names s twice; name each once"),
        ({"guards": {"usd_per_hour": math.inf}}, "guards.usd_per_hour: should be a finite number"),
        ({"guards": {"hysteresis": 1.5}}, "guards.hysteresis: should be less than or equal to 1"),
        ({"guards": {"hysteresis": -0.1}}, "guards.hysteresis: should be greater than or equal to 0"),
        ({"tiers": {"cold": {"headroom": math.inf}}}, "tiers.cold.headroom: should be a finite number"),
        ({"tiers": hot(min=101)}, "tiers.hot: `min` 101 is above `max` 100"),
        (
            {"tiers": hot(spare_hosts=1)},
            "tiers.hot: `spare_hosts` is 1 of 1 hypervisor, which leaves no host to plan with; expected at most 0",
        ),
    ],
)
def test_a_contradiction_is_one_sentence_that_names_the_key(changes: dict[str, Any], words: str) -> None:
    assert words in told(changes)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"tiers": hot(boot={"kernel": "vmlinuz"})}, "tiers.hot.boot.initrd: is missing"),
        ({"tiers": hot(hypervisors="a")}, "tiers.hot.hypervisors: expected a list"),
        ({"tiers": hot(boot={"source": "a.qcow2"})}, "tiers.hot.boot.cloud_init: is missing"),
        (
            {"calendar": {"events": [{"name": "a", "start": "2026-01-01T00:00Z", "end": "2026-01-02T00:00Z",
                                      "effect": "lern"}]}},
            "calendar.events[0].effect: ",
        ),
    ],
)  # fmt: skip
def test_keys_are_the_file_s_own_and_no_names_of_ours(changes: dict[str, Any], key: str) -> None:
    text = told(changes)
    assert key in text
    assert not any(word in text for word in ("function-after", "BaseVolume", "DirectKernel", "constrained", "Tuple"))


def test_a_weekly_freeze_follows_the_wall_clock_of_its_zone() -> None:
    fleet = parse_fleet(small(**freeze(weekly="Fri 18:00 to Mon 06:00", timezone="Europe/Berlin")), "fleet.yaml")
    window = fleet.guards.freeze[0].window()
    assert window.covers(datetime(2026, 7, 3, 16, 30, tzinfo=UTC))  # Friday 18:30 in summer
    assert not window.covers(datetime(2026, 1, 2, 16, 30, tzinfo=UTC))  # Friday 17:30 in winter
    assert window.covers(datetime(2026, 7, 6, 3, 30, tzinfo=UTC))  # Monday 05:30
