"""Metrics and health over real HTTP, read by the client library's own parser."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.adapters.exporter import Exporter, serving
from reconciler.errors import StackLocked, Unavailable, UsageError
from reconciler.observe.drift import DriftKind
from reconciler.observe.world import Tally
from reconciler.record.entries import ClassEntry, Decided, OptionEntry
from reconciler.report.metrics import METRICS, RunFigures
from reconciler.report.service_state import RunEnd, ServiceState
from stacks.contract import Pins

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SECRET = "CANARY-password"


class Site:
    """An exporter on a free port of this machine, and a clock."""

    def __init__(self) -> None:
        self.now = START
        self.exporter = Exporter(ServiceState(began=START, limit=15 * MINUTE), lambda: self.now)
        self.url = ""

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def values(self) -> dict[str, float]:
        """`name{label values}` → value."""
        code, text = self.get("/metrics")
        assert code == 200
        return {
            f"{s.name}{{{','.join(s.labels.values())}}}": s.value
            for family in text_string_to_metric_families(text)
            for s in family.samples
        }


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with serving(made.exporter, "127.0.0.1:0") as made.url:
        yield made


def figures() -> RunFigures:
    option = OptionEntry(observed=2, wanted=5, planned=3, usd_per_hour=0.1)
    late = ClassEntry(
        promised_share=0.01,
        allowed_share=0.02,
        latency_target_ms=250,
        latency_ms=None,
        expected_share=0.004,
        shortfall_probability=0.1,
    )
    entry = Decided(
        at=START,
        event="plan",
        demoted=True,
        options={"hot/small": option, "hot/large": option, "warm/m5": option},
        classes={"gold": late},
        usd_per_hour=(0.6, 0.9),
    )
    pins = Pins.model_validate(
        {"tiers": {"hot": {"count": 4, "until": START + HOUR, "reason": "sale", "set_by": "ann"}}}
    )
    return RunFigures(
        entry=entry,
        data_end=START - 5 * MINUTE,
        budgets_left={"gold": 0.75},
        tallies={"hot": Tally(running=2, ready=1), "warm": Tally(running=None, ready=None, unknown=3)},
        pins=pins,
        drift={DriftKind.PERSON: 2},
    )


def test_before_the_first_run_there_are_no_sizes_and_the_service_is_healthy(site: Site) -> None:
    assert site.get("/healthz") == (200, "healthy: the service started 0:00:00 ago\n")
    found = site.values()
    assert found["tiercast_healthy{}"] == 1
    assert not [name for name in found if "instances" in name or "timestamp" in name]


def test_a_run_shows_what_it_decided_and_ages_grow_until_the_scrape(site: Site) -> None:
    site.exporter.decided(figures())
    site.exporter.ended(RunEnd(number=1, seconds=12.5, code=2), missed=1)
    site.now = START + 2 * MINUTE
    found = site.values()
    assert found["tiercast_instances_wanted{hot}"] == 10
    assert found["tiercast_instances_declared{hot}"] == 6
    assert found["tiercast_instances_observed{warm}"] == 2
    assert (found["tiercast_instances_running{hot}"], found["tiercast_instances_ready{hot}"]) == (2, 1)
    assert "tiercast_instances_ready{warm}" not in found, "unknown is not 0"
    assert found["tiercast_instances_unknown{warm}"] == 3
    assert (found["tiercast_drift{person}"], found["tiercast_drift{lost}"]) == (2, 0)
    assert (found["tiercast_pinned_instances{hot}"], found["tiercast_frozen{}"]) == (4, 0)
    assert found["tiercast_cost_usd_per_hour{declared}"] == 0.9
    assert found["tiercast_forecast_age_seconds{}"] == 120
    assert found["tiercast_data_age_seconds{}"] == 420
    assert found["tiercast_demoted{}"] == 1
    assert found["tiercast_error_budget_left_ratio{gold}"] == 0.75
    assert found["tiercast_runs_total{changes}"] == 1
    assert found["tiercast_missed_runs_total{}"] == 1
    assert found["tiercast_last_run_duration_seconds{}"] == 12.5
    assert found["tiercast_last_success_timestamp_seconds{}"] == START.timestamp()


def test_health_turns_when_no_run_has_succeeded_for_too_long_and_back(site: Site) -> None:
    error = Unavailable(f"qemu+ssh://user:{SECRET}@hv-a does not answer.")
    site.now = START + 16 * MINUTE
    site.exporter.ended(RunEnd(number=1, seconds=1, code=1, error=error), missed=0)
    code, text = site.get("/healthz")
    assert (code, text) == (
        503,
        "unhealthy: no run has succeeded, and one must every 0:15:00; the last run ended with Unavailable\n",
    )
    found = site.values()
    assert found["tiercast_healthy{}"] == 0
    assert found["tiercast_last_run_error{Unavailable}"] == 1
    assert SECRET not in text + site.get("/metrics")[1]
    site.exporter.ended(RunEnd(number=2, seconds=1, code=0), missed=0)
    assert site.get("/healthz")[0] == 200
    assert "tiercast_last_run_error{Unavailable}" not in site.values()
    assert site.values()["tiercast_run_errors_total{Unavailable}"] == 1


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (RunEnd(number=1, seconds=1, code=3), "refused"),
        (RunEnd(number=1, seconds=1, code=1, error=StackLocked("This stack is locked.")), "busy"),
    ],
)
def test_a_refused_or_busy_run_is_no_success(site: Site, end: RunEnd, outcome: str) -> None:
    site.exporter.ended(end, missed=0)
    assert site.values()[f"tiercast_runs_total{{{outcome}}}"] == 1
    site.now = START + 16 * MINUTE
    assert site.get("/healthz")[0] == 503


def test_every_family_is_announced_with_its_meaning(site: Site) -> None:
    text = site.get("/metrics")[1]
    for family in METRICS:
        assert f"# HELP {family.name} {family.text}" in text


def test_other_paths_name_the_known_ones(site: Site) -> None:
    code, text = site.get("/")
    assert code == 404
    assert "/metrics, /healthz" in text


def test_a_port_that_is_taken_is_one_sentence(site: Site) -> None:
    with (
        pytest.raises(UsageError, match="can't be listened on"),
        serving(site.exporter, site.url.removeprefix("http://")),
    ):
        pass
