"""An envelope frees sizes within its limits; every other value of the stack file stays as it was approved."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from reconciler.approval.bound_values import bound_values
from reconciler.approval.envelope import Envelope, bound_text, outside, parse_envelope
from reconciler.plan.file import PlanFile, TierLine
from stacks.contract import Tier

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONFIG: dict[str, Any] = {
    "aws:region": "us-east-1",
    "app:since": date(2026, 1, 1),
    "tiercast:plan": {"id": "a"},
    "tiercast:demand": {
        "stepSeconds": 3600,
        "classes": {"gold": {"latencyMs": 400, "promisedShare": 0.01, "requestsPerSecond": [1, 2]}},
    },
    "tiercast:hot": {
        "hypervisors": [{"name": "hv1", "uri": "qemu:///system", "cores": 8}],
        "slots": [{"hypervisor": "hv1", "number": 1, "flavour": "small"}],
        "boot": {"kernel": "/boot/k"},
    },
    "tiercast:warm": {
        "ownership": "floor",
        "launch": {"imageId": "ami-1", "userData": {"secure": "v1:abc"}, "healthCheckType": "EC2"},
        "groups": [
            {
                "name": "web",
                "instanceType": "m5.large",
                "size": {"min": 2, "desired": 2, "max": 4},
                "pool": {"state": "Stopped", "maxGroupPreparedCapacity": 5},
            }
        ],
        "targetTracking": {"cpuPercent": 60},
    },
    "tiercast:routing": {"weights": {"hot": 20}},
}
TIERS = {"hot": {"min": 0, "max": 4}, "warm": {"min": 1, "max": 8}}
GROUNDS = {"the program": "p", "the account": "1"}


def changed(path: str, value: Any) -> dict[str, Any]:
    """CONFIG with the value at a path (`tiercast:warm/groups/0/size/max`)."""
    found = copy.deepcopy(CONFIG)
    *above, last = path.split("/")
    part: Any = found
    for key in above:
        part = part[int(key)] if isinstance(part, list) else part.setdefault(key, {})
    part[int(last) if isinstance(part, list) else last] = value
    return found


def bound(config: dict[str, Any], tiers: Any = TIERS, **grounds: str) -> dict[str, str]:
    return bound_values(config, freed=[Tier(t) for t in tiers], grounds={**GROUNDS, **grounds})


def envelope(**values: Any) -> Envelope:
    base = {"approved_by": "ann", "until": NOW + timedelta(days=1), "tiers": TIERS, "bound_to": bound(CONFIG)}
    return parse_envelope({**base, **values}, "approved.yaml")


def plan(config: dict[str, Any] = CONFIG, hot: int = 1, warm: int = 2) -> PlanFile:
    lines = [
        TierLine(tier=tier, kinds={}, before=1, after=count, usd_before=0, usd_after=0, reason="")
        for tier, count in (("hot", hot), ("warm", warm))
    ]
    return PlanFile(
        fleet="f", stack="lab", created_at=NOW, valid_until=NOW, cutoff=NOW, tiers=tuple(lines), classes=(),
        usd_per_hour_before=0, usd_per_hour_after=5, config=config,
    )  # fmt: skip


def held(config: dict[str, Any] = CONFIG, of: Envelope | None = None, **sizes: int) -> list[str]:
    return outside(plan(config, **sizes), of or envelope(), NOW, bound=bound(config, (of or envelope()).tiers))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tiercast:warm/groups/0/size", {"min": 3, "desired": 5, "max": 8}),
        ("tiercast:warm/groups/0/pool/maxGroupPreparedCapacity", 8),
        ("tiercast:hot/slots", [{"hypervisor": "hv1", "number": n, "flavour": "small"} for n in (1, 2)]),
        ("tiercast:hot/slots", []),
        ("tiercast:demand/classes/gold/requestsPerSecond", [7, 9]),
        ("tiercast:plan/id", "b"),
        ("tiercast:pins", {"freeze": {}}),
    ],
)
def test_sizes_and_forecasts_are_free(path: str, value: Any) -> None:
    assert held(changed(path, value), hot=2, warm=5) == []


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("tiercast:warm/launch/imageId", "ami-2", "tiercast:warm.launch.imageId was changed"),
        ("tiercast:warm/launch/userData", {"secure": "v1:xyz"}, "tiercast:warm.launch.userData was changed"),
        ("tiercast:warm/launch/healthCheckType", "ELB", "tiercast:warm.launch.healthCheckType was changed"),
        ("tiercast:warm/launch/keyName", "mallory", "tiercast:warm.launch.keyName was added"),
        ("tiercast:warm/ownership", "exact", "tiercast:warm.ownership was changed"),
        ("tiercast:warm/groups/0/instanceType", "m5.metal", "tiercast:warm.groups[web].instanceType was changed"),
        ("tiercast:warm/groups/0/pool/state", "Running", "tiercast:warm.groups[web].pool was changed"),
        ("tiercast:warm/targetTracking/cpuPercent", 90, "tiercast:warm.targetTracking.cpuPercent was changed"),
        ("tiercast:hot/boot/kernel", "/tmp/k", "tiercast:hot.boot.kernel was changed"),
        ("tiercast:hot/hypervisors/0/uri", "qemu+ssh://x/system", "tiercast:hot.hypervisors[hv1].uri was changed"),
        ("tiercast:routing/weights/hot", 0, "tiercast:routing.weights.hot was changed"),
        ("tiercast:demand/classes/gold/latencyMs", 9000, "tiercast:demand.classes.gold was changed"),
        ("aws:region", "eu-west-1", "aws:region was changed"),
        ("app:since", date(2026, 1, 2), "app:since was changed"),
    ],
)
def test_every_other_value_stays_bound_and_is_named(path: str, value: Any, key: str) -> None:
    assert held(changed(path, value)) == [f"{key} after the envelope was approved"]


def test_program_pack_and_place_stay_bound() -> None:
    other = bound(CONFIG, **{"the program": "q"})
    assert outside(plan(), envelope(), NOW, bound=other) == ["the program was changed after the envelope was approved"]


@pytest.mark.parametrize(
    ("config", "sizes", "words"),
    [
        (CONFIG, {"warm": 9}, "warm would have 9 instances, approved are 1 to 8"),
        (CONFIG, {"hot": 5}, "hot would have 5 instances, approved are 0 to 4"),
        (
            changed("tiercast:warm/groups/0/size", {"min": 2, "desired": 2, "max": 20}),
            {},
            "warm could grow to 20 instances, approved are 1 to 8",
        ),
        (
            changed("tiercast:warm/groups/0/size", {"min": 0, "desired": 2, "max": 4}),
            {},
            "warm could shrink to 0 instances, approved are 1 to 8",
        ),
        (
            changed("tiercast:warm/groups/0/pool/maxGroupPreparedCapacity", 9),
            {},
            "warm could hold 9 instances with its ready pools, approved are 1 to 8",
        ),
    ],
)
def test_sizes_beyond_the_limits_are_held(config: dict[str, Any], sizes: dict[str, int], words: str) -> None:
    assert held(config, **sizes) == [words]


def test_the_size_of_a_group_that_somebody_else_owns_is_not_judged() -> None:
    base = changed("tiercast:warm/ownership", "external")
    wide = copy.deepcopy(base)
    wide["tiercast:warm"]["groups"][0]["size"]["max"] = 99
    assert held(wide, envelope(bound_to=bound(base))) == []


def test_a_tier_that_the_envelope_does_not_name_is_not_free() -> None:
    narrow = envelope(tiers={"warm": TIERS["warm"]}, bound_to=bound(CONFIG, ["warm"]))
    more = changed("tiercast:hot/slots", [])
    assert held(more, narrow) == ["tiercast:hot.slots was changed after the envelope was approved"]
    assert held(CONFIG, narrow, hot=2) == ["hot would change and is not in the envelope"]


@pytest.mark.parametrize("unbound", [None, {}])
def test_an_envelope_that_is_bound_to_nothing_holds_every_plan(unbound: Any) -> None:
    (said,) = held(CONFIG, envelope(bound_to=unbound))
    assert "is not bound to a configuration: preview a plan, then run `tiercast envelope FILE`" in said


def test_an_envelope_that_ended_or_is_absent_holds_every_plan() -> None:
    late = outside(plan(), envelope(until=NOW - timedelta(hours=1)), NOW, bound={})
    assert late == ["the envelope of ann ended at 2026-11-24T11:00:00+00:00"]
    assert outside(plan(), None, NOW, bound={}) == ["no envelope was approved"]


def test_a_price_beyond_the_limit_is_held() -> None:
    assert held(CONFIG, envelope(usd_per_hour=4)) == ["it would cost 5.00 USD/hour, approved are 4.00"]


def test_many_differences_are_counted() -> None:
    found = held({key: value for key, value in CONFIG.items() if key != "tiercast:warm"}, warm=2)
    assert found[-1].endswith("more values differ from those that the envelope was approved with")
    assert len(found) == 6


def test_binding_a_file_keeps_its_comments_and_replaces_what_it_was_bound_to() -> None:
    text = (
        "# reviewed in #12\napproved_by: ann  # on call\nuntil: 2026-11-25T12:00:00Z\ntiers: {warm: {min: 1, max: 8}}\n"
    )
    once = bound_text(text, {"a": "1"})
    assert once.startswith(text)
    assert bound_text(once, {"b": "2"}) == text + "bound_to:\n  b: '2'\n"
