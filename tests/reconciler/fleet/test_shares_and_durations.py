"""Shares and durations mean the same on the command line and in fleet.yaml."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from reconciler.cli import backtest
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.fleet.types import read_duration, read_share


def fleet(share: Any = 0.01, **guards: Any) -> Fleet:
    return parse_fleet(
        {
            "step": "1h",
            "history": {"paths": ["h.csv"]},
            "qos": {"gold": {"latency": "1s", "percentile": "99%", "violating_share": share}},
            "applications": [{"match": "*", "qos": "gold"}],
            "tiers": {"cold": {"instance_types": ["m5.large"], "launch": {"image_id": "a", "zones": ["z"]}}},
            "guards": guards,
        },
        "fleet.yaml",
    )


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.7%", 0.007), (" 2.5 % ", 0.025), ("0.01", 0.01)])
def test_a_share_is_the_same_number_in_the_file_and_on_the_command_line(text: str, share: float) -> None:
    assert float(read_share(text)) == fleet(text).qos["gold"].violating_share == share
    assert fleet(share).qos["gold"].violating_share == share
    assert fleet().qos["gold"].percentile == 0.99


def test_a_share_of_all_is_one_where_all_is_allowed() -> None:
    assert fleet(churn_share="100%").guards.churn_share == 1
    with pytest.raises(InputError, match=r"guards\.churn_share"):
        fleet(churn_share="120%")


@pytest.mark.parametrize("text", ["x%", "%", "1%%", "nan%", "0%", "100%", "", "many"])
def test_what_is_no_share_is_refused_in_both(text: str) -> None:
    with pytest.raises(InputError, match="violating_share"):
        fleet(text)
    said = CliRunner().invoke(
        backtest.command,
        [
            "--history",
            "h.csv",
            "--allocations",
            "a.csv",
            "--pool",
            "--unit",
            "1",
            "--from",
            "2026-01-01",
            "--ask",
            text,
        ],
    )
    assert "--ask" in str(said.exception) or "--ask" in said.output


@pytest.mark.parametrize("value", [5, "5", 0, "1.5"])
def test_a_duration_needs_a_unit(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        read_duration(value)
    with pytest.raises(InputError, match="cooldown_up: expected a duration such as"):
        fleet(cooldown_up=value)
    assert fleet(cooldown_up="5m").guards.cooldown_up == timedelta(minutes=5)
