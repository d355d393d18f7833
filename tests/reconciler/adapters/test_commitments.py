"""What the account holds is used before more is bought, and the last answer stands in when AWS is silent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.prices.commitments import with_held
from reconciler.errors import InputError, Unavailable
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.prices.catalogue import builtin
from stacks.contract import Commitment, Reservation

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Answer = tuple[Sequence[Commitment], Sequence[Reservation]]


def fleet(**warm: object) -> Fleet:
    launch = {"image_id": "ami", "zones": ["us-east-1a"]}
    return parse_fleet(
        {
            "step": "1h",
            "history": {"paths": ["h.csv"]},
            "qos": {"gold": {"latency": "250ms"}},
            "applications": [{"match": "*", "qos": "gold"}],
            "tiers": {"warm": {"instance_types": ["m5.large"], "launch": launch, **warm}},
        },
        "fleet.yaml",
    )


def answer() -> Answer:
    return (
        [
            Commitment(instance_type="m5.large", count=3, usd_per_hour=0.06),
            Commitment(instance_type="r5.large", count=9, usd_per_hour=0.08),
        ],
        [Reservation(instance_type="m5.large", zone=z, count=2) for z in ("us-east-1a", "us-east-1b")],
    )


def silent() -> Answer:
    raise Unavailable("AWS DescribeReservedInstances did not answer: timeout")


def test_reserved_instances_of_the_fleet_s_types_are_taken_and_capacity_beyond_them_at_the_on_demand_price(
    tmp_path: Path,
) -> None:
    held = with_held(fleet(commitments_from="aws"), builtin(), ask=answer, kept=tmp_path / "c.json", now=NOW)
    found = held.fleet.tiers.warm.commitments
    assert [(c.instance_type, c.count, c.usd_per_hour) for c in found] == [
        ("m5.large", 3, 0.06),
        ("m5.large", 1, builtin().price("m5.large", "on_demand")),
    ]
    assert held.notes == ()


def test_the_last_answer_is_used_with_its_time_when_aws_is_silent_and_nothing_kept_is_an_error(tmp_path: Path) -> None:
    asked, kept = fleet(commitments_from="aws"), tmp_path / "c.json"
    with pytest.raises(Unavailable):
        with_held(asked, builtin(), ask=silent, kept=kept, now=NOW)
    first = with_held(asked, builtin(), ask=answer, kept=kept, now=NOW)
    again = with_held(asked, builtin(), ask=silent, kept=kept, now=NOW)
    assert again.fleet == first.fleet
    assert "commitments are as of 2026-11-24T12:00:00+00:00" in again.notes[0]
    kept.write_text("{")
    with pytest.raises(Unavailable):
        with_held(asked, builtin(), ask=silent, kept=kept, now=NOW)


def test_a_declared_list_is_not_asked_for_and_both_at_once_are_refused(tmp_path: Path) -> None:
    listed = [{"instance_type": "m5.large", "count": 1, "usd_per_hour": 0.05}]
    declared = fleet(commitments=listed)
    assert with_held(declared, builtin(), ask=silent, kept=tmp_path / "c.json", now=NOW).fleet is declared
    with pytest.raises(InputError, match="remove either it or the list"):
        fleet(commitments=listed, commitments_from="aws")
