"""`PLBM.get_recommendations` with the real sizing: instances per tier and type with intervals, as API and as command."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from forecaster.history.frame import history_from_frame
from forecaster.plbm import PLBM
from reconciler.cli import main
from reconciler.demand.forecaster_settings import declared_costs, settings_of
from reconciler.demand.grouping import nodes_of
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.plan.recommend import sizer
from reconciler.prices.catalogue import builtin

START = datetime(2024, 1, 1, tzinfo=UTC)
LAUNCH = {"image_id": "ami-1", "zones": ["us-east-1a", "us-east-1b"]}
FLEET = {
    "step": "1h",
    "horizon": "6h",
    "history": {"paths": ["demand.csv"], "window": "4w"},
    "qos": {
        "gold": {"latency": "600ms", "percentile": 0.95, "tiers": ["warm", "cold"]},
        "bronze": {"latency": "3s", "percentile": 0.9, "violating_share": 0.05, "tiers": ["cold"]},
    },
    "applications": [
        {"match": "shop", "qos": "gold", "service_time": "100ms"},
        {"match": "*", "qos": "bronze", "service_time": "100ms"},
    ],
    "tiers": {
        "warm": {"instance_types": ["m5.large"], "launch": LAUNCH, "ready_pool": None},
        "cold": {"instance_types": ["c5.large", "m6i.large"], "launch": LAUNCH},
    },
}


def demand(scale: float = 1.0) -> pd.DataFrame:
    """Ten days of two users on a shop and one on mail."""
    rng = np.random.default_rng(0)
    wave = 1 + 0.6 * np.sin(2 * np.pi * np.arange(240) / 24)
    times = pd.date_range(START, periods=240, freq="h")
    parts = [("ann", "shop", 400_000), ("bob", "shop", 200_000), ("ann", "mail", 300_000)]
    frames = [
        pd.DataFrame({"timestamp": times, "user_id": user, "application_id": application}).assign(
            requests=np.round(scale * level * wave * np.exp(0.1 * rng.standard_normal(240)))
        )
        for user, application, level in parts
    ]
    return pd.concat(frames)


def fleet() -> Fleet:
    return parse_fleet(FLEET, "fleet.yaml")


def recommended(scale: float) -> dict[tuple[str, str], tuple[int, int, int]]:
    """(low, count, high) by tier and type."""
    history, said = history_from_frame(demand(scale)), fleet()
    plbm = PLBM(settings_of(said), node_of=nodes_of(said, history.pairs))
    plbm.train(history, declared=declared_costs(said, history.pairs))
    size = sizer(said, builtin(), history, now=history.end)
    return {(r.tier, r.instance_type): (r.low, r.count, r.high) for r in plbm.get_recommendations(size)}


def test_each_tier_and_type_has_a_count_inside_its_interval_and_more_demand_takes_more() -> None:
    once, thrice = recommended(1.0), recommended(3.0)
    assert {tier for tier, _ in once} == {"warm", "cold"}
    for low, count, high in once.values():
        assert 0 <= low <= count <= high
    assert sum(high for _, _, high in once.values()) > sum(low for low, _, _ in once.values())
    for low, count, _ in thrice.values():
        assert low <= count
    assert sum(c for _, c, _ in thrice.values()) > 2 * sum(c for _, c, _ in once.values())


def test_a_pair_that_no_rule_fits_is_one_sentence() -> None:
    said = parse_fleet({**FLEET, "applications": FLEET["applications"][:1]}, "fleet.yaml")  # type: ignore[index]
    with pytest.raises(InputError, match="no rule matches user 'ann' and application 'mail'"):
        sizer(said, builtin(), history_from_frame(demand()), now=START + timedelta(days=10))


def test_the_command_prints_them_with_the_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    demand().to_csv(tmp_path / "demand.csv", index=False)
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(FLEET))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_STACK", "dev")

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as done:
            main(list(words))
        found = capsys.readouterr()
        return int(done.value.code or 0), found.out + found.err

    assert run("train")[0] == 0
    code, said = run("forecast", "--instances", "--json")
    assert code == 0
    rows = json.loads(said)["instances"]
    assert {row["tier"] for row in rows} == {"warm", "cold"}
    assert all(row["low"] <= row["count"] <= row["high"] for row in rows)
    code, said = run("forecast", "--instances")
    assert code == 0
    assert "m5.large" in said
    words = ("forecast", "--instances", "--user", "ann", "--application", "shop", "--at", "2024-01-11T01:00Z")
    assert run(*words)[0] == 64
