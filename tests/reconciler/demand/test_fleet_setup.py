"""The fleet file meets the forecaster: calendar, classes as labels, declared costs, forecasts of given groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from forecaster.demand import LEVELS
from forecaster.history.frame import history_from_frame
from reconciler.demand.forecaster_settings import calendar_of, declared_costs, forecast_grouping, nodes_of, settings_of
from reconciler.fleet.file import parse_fleet

START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=240)
FLEET = parse_fleet(
    {
        "step": "1h",
        "horizon": "4h",
        "history": {"paths": ["x.csv"], "window": "4w"},
        "calendar": {
            "timezone": "Europe/Berlin",
            "events": [{"name": "sale", "start": END, "end": END + timedelta(hours=2), "effect": 2.0}],
        },
        "qos": {"gold": {"latency": "300ms"}, "bronze": {"latency": "3s"}},
        "applications": [
            {"match": "shop", "user": "ann", "qos": "gold", "service_time": "100ms"},
            {"match": "*", "qos": "bronze"},
        ],
        "tiers": {"cold": {"instance_types": ["m6i.large"], "launch": {"image_id": "ami-1", "zones": ["a"]}}},
    },
    "fleet.yaml",
)
PAIRS = [("ann", "shop"), ("bob", "shop"), ("ann", "mail")]


def test_an_application_of_two_classes_is_two_nodes() -> None:
    node_of = nodes_of(FLEET, PAIRS)
    assert [node_of(*pair) for pair in PAIRS] == [("shop@gold", "gold"), ("shop@bronze", "bronze"), ("mail", "bronze")]
    assert node_of("eve", "mail") == ("mail", "bronze")


def test_calendar_horizon_and_declared_costs_come_from_the_fleet() -> None:
    assert calendar_of(FLEET).events[0].effect == 2.0
    assert settings_of(FLEET).horizon == 4
    assert declared_costs(FLEET, PAIRS)["shop"].vcpu_seconds == 0.1
    assert "mail" not in declared_costs(FLEET, PAIRS)


def test_given_groups_are_forecast_with_the_calendar() -> None:
    rng = np.random.default_rng(0)
    times = pd.date_range(START, periods=240, freq="h")
    frames = [
        pd.DataFrame({"timestamp": times, "user_id": u, "application_id": a, "requests": rng.poisson(60, 240)})
        for u, a in PAIRS
    ]
    history = history_from_frame(pd.concat(frames))
    codes = [0 if application == "mail" else 1 for _, application in history.pairs]
    forecast = forecast_grouping(history, ["mail", "shops"], ["bronze", "gold"], codes, FLEET)
    assert forecast.applications == ("mail", "shops")
    middle = forecast.quantiles[:, :, LEVELS.index(0.5)]
    np.testing.assert_allclose(middle, [[120, 120, 60, 60], [240, 240, 120, 120]], rtol=0.15)
