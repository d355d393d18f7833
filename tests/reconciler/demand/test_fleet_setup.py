"""The fleet file meets the forecaster: calendar, horizon, declared costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.demand.forecaster_settings import calendar_of, declared_costs, settings_of
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


def test_calendar_horizon_and_declared_costs_come_from_the_fleet() -> None:
    assert calendar_of(FLEET).events[0].effect == 2.0
    assert settings_of(FLEET).horizon == 4
    assert declared_costs(FLEET, PAIRS)["shop"].vcpu_seconds == 0.1
    assert "mail" not in declared_costs(FLEET, PAIRS)
