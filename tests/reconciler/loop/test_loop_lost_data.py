"""Missing is not zero: a class or an application that lost its data keeps what it has, and says so in every output."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.demand import outlook
from reconciler.errors import InputError
from reconciler.loop import make_plan
from reconciler.observe.preview import StateResource
from reconciler.plan.file import PlanFile
from reconciler.record.entries import Decided
from reconciler.report.summary import blocked_line
from reconciler.trust import feedback
from tests.reconciler.loop.test_loop_feedback import Model

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEKS = 3 * 168
FLEET = """
step: 1h
validity: 1h
history: {paths: [h.csv], kind: KIND}
qos:
  gold: {latency: 250ms, percentile: 0.95, tiers: [warm]}
  bronze: {latency: 1s, percentile: 0.95, tiers: [cold]}
applications:
  - {match: "shop*", qos: gold, service_time: 50ms}
  - {match: "*", qos: bronze, service_time: 50ms}
guards: {cooldown_down: 0s, churn_share: 1}
tiers:
  warm:
    instance_types: [m5.large]
    launch: {image_id: ami, zones: [us-east-1a]}
    ready_pool: null
  cold:
    instance_types: [m5.large]
    launch: {image_id: ami, zones: [us-east-1a]}
config: {aws:region: us-east-1}
"""

Rows = Callable[[str, int], str | None]


def whole(application: str, k: int) -> str | None:
    """Every application has a value in every step."""
    return f"{72000 + 20000 * np.sin(k * 2 * np.pi / 24):.0f}"


def write(folder: Path, length: int, rows: Rows, names: tuple[str, ...] = ("shop", "batch")) -> datetime:
    lines = ["timestamp,user_id,application_id,requests"]
    for k in range(length):
        for name in names:
            value = rows(name, k)
            if value is not None:
                lines.append(f"{(START + k * HOUR).isoformat()},u,{name},{value}")
    (folder / "h.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return START + length * HOUR


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forecasts of this stack have been scored for long enough."""
    monkeypatch.setattr(feedback, "ENOUGH_SCORED", 0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """30 warm instances for gold and 30 cold ones for bronze, far more than the load needs; run before."""
    monkeypatch.setattr(outlook, "forecast_of", Model())
    (tmp_path / "fleet.yaml").write_text(FLEET.replace("KIND", "series"), encoding="utf-8")
    groups = [
        StateResource(
            urn=f"urn:pulumi:dev::p::aws:autoscaling/group:Group::{name}",
            type="aws:autoscaling/group:Group",
            id=name,
            inputs={},
            outputs={"desiredCapacity": 30},
        )
        for name in ("warm-m5-large", "cold-burst")
    ]
    monkeypatch.setattr(
        Project, "engine", lambda self: SimpleNamespace(ensure_stack=lambda: None, state=lambda: groups)
    )
    made = Project(root=tmp_path, name="p", stack="dev", config_dir=tmp_path, fleet_path=tmp_path / "fleet.yaml")
    ledger.append(made.ledger_file, Decided(at=START, event="shadow"))
    return made


def plan(project: Project, length: int, rows: Rows, names: tuple[str, ...] = ("shop", "batch")) -> PlanFile:
    end = write(project.root, length, rows, names)
    return make_plan(project, as_of=None, now=end)


def sizes(made: PlanFile) -> dict[str, int]:
    return {t.tier: t.after for t in made.tiers}


def test_with_all_its_data_every_tier_shrinks_to_its_load(project: Project, proven: None) -> None:
    made = plan(project, WEEKS, whole)
    assert sizes(made)["warm"] < 10
    assert sizes(made)["cold"] < 10
    assert made.blocked == {}
    assert blocked_line(made) == ""


def lost_for(hours: int, value: str | None = None) -> Rows:
    """`shop` has no row (or `value`) in the last `hours` of the history."""

    def rows(application: str, k: int) -> str | None:
        return value if application == "shop" and k >= WEEKS - hours else whole(application, k)

    return rows


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        pytest.param(whole, ("batch",), id="its rows vanish from the file"),
        pytest.param(lost_for(WEEKS, "nan"), ("shop", "batch"), id="its column is all NaN"),
        pytest.param(lost_for(6), ("shop", "batch"), id="missing for 6 hours"),
        pytest.param(lost_for(72), ("shop", "batch"), id="missing for 3 days"),
        pytest.param(lost_for(24 * 12), ("shop", "batch"), id="missing for 12 days: a class never goes by silence"),
    ],
)
def test_a_class_without_current_data_keeps_its_size_and_the_others_go_on(
    project: Project, proven: None, rows: Rows, names: tuple[str, ...]
) -> None:
    plan(project, WEEKS - 24 * 13, whole)
    made = plan(project, WEEKS, rows, names)
    assert sizes(made)["warm"] == 30
    assert sizes(made)["cold"] < 10
    assert "QoS class gold has had no data since" in made.blocked["warm"]
    assert "cold" not in made.blocked
    assert any("[lost data]" in reason and "gold" in reason for reason in made.reasons)
    assert blocked_line(made).startswith("warm not scaled down: QoS class gold has had no data")


def test_a_class_that_vanished_stays_for_every_later_run_and_goes_by_an_edit(project: Project, proven: None) -> None:
    plan(project, WEEKS, whole)
    for later in (24, 24 * 9, 24 * 30):
        assert sizes(plan(project, WEEKS + later, whole, ("batch",)))["warm"] == 30
    fleet = project.fleet_path.read_text(encoding="utf-8")
    without = [line for line in fleet.splitlines() if "gold" not in line]
    project.fleet_path.write_text("\n".join(without) + "\n", encoding="utf-8")
    assert sizes(plan(project, WEEKS + 24 * 31, whole, ("batch",)))["warm"] == 0


def test_the_floor_counts_the_last_known_load(project: Project, proven: None) -> None:
    plan(project, WEEKS, whole)
    made = plan(project, WEEKS + 24, whole, ("batch",))
    (gold,) = (c for c in made.classes if c.name == "gold")
    last = float(whole("shop", WEEKS - 1) or 0) / 3600
    assert gold.requests_per_second["0.5"] == pytest.approx(last, rel=1e-3)


@pytest.mark.parametrize(("share", "blocks"), [(0.5, True), (0.02, False)])
def test_a_lost_application_blocks_its_class_while_it_is_large_and_for_a_week(
    project: Project, proven: None, share: float, blocks: bool
) -> None:
    def rows(application: str, k: int) -> str | None:
        value = whole("", k)
        assert value is not None
        return f"{float(value) * share:.1f}" if application == "shop-b" else value

    names = ("shop-a", "shop-b", "batch")
    plan(project, WEEKS, rows, names)
    made = plan(project, WEEKS + 48, rows, ("shop-a", "batch"))
    assert ("warm" in made.blocked) is blocks
    assert (sizes(made)["warm"] == 30) is blocks
    assert any(reason.startswith("shop-b has had no data since") for reason in made.reasons)
    later = plan(project, WEEKS + 24 * 8, rows, ("shop-a", "batch"))
    assert "warm" not in later.blocked
    assert sizes(later)["warm"] < 30


def test_a_silent_event_log_of_one_class_is_lost_data_and_not_zero(project: Project, proven: None) -> None:
    text = FLEET.replace("KIND", "events").replace("h.csv]", "h.csv], requests_per_event: 2000")
    project.fleet_path.write_text(text, encoding="utf-8")

    def log(length: int, silent: int) -> datetime:
        lines = ["timestamp,user_id,application_id"]
        for k in range(length):
            names = ("shop", "batch") if k < length - silent else ("batch",)
            times = [(START + k * HOUR + event * timedelta(minutes=2)).isoformat() for event in range(30)]
            lines += [f"{time},u,{name}" for name in names for time in times]
        (project.root / "h.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return START + length * HOUR

    made = make_plan(project, as_of=None, now=log(WEEKS, 48))
    assert sizes(made)["warm"] == 30
    assert "QoS class gold has had no data since" in made.blocked["warm"]
    assert sizes(made)["cold"] < 30


def test_a_stack_whose_memory_was_lost_is_not_scaled_down_until_enough_forecasts_were_scored(project: Project) -> None:
    plan(project, WEEKS, whole)
    project.memory_file.unlink()
    for later in range(1, 7):
        made = plan(project, WEEKS + later, whole)
        assert sizes(made) == {"warm": 30, "cold": 30}
        assert "a scale-down needs 6 scored forecasts" in blocked_line(made)
    made = plan(project, WEEKS + 7, whole)
    assert made.blocked == {}
    assert sizes(made)["warm"] < 10


def test_a_class_that_never_had_data_is_unknown_in_a_series_and_zero_in_an_event_log(
    project: Project, proven: None
) -> None:
    made = plan(project, WEEKS, whole, ("batch",))
    assert sizes(made)["warm"] == 30
    assert "QoS class gold has no data" in made.blocked["warm"]
    text = FLEET.replace("KIND", "events").replace("h.csv]", "h.csv], requests_per_event: 2000")
    project.fleet_path.write_text(text, encoding="utf-8")
    lines = [f"{(START + k * HOUR / 30).isoformat()},u,batch" for k in range(30 * WEEKS)]
    (project.root / "h.csv").write_text(
        "timestamp,user_id,application_id\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    assert "warm" not in make_plan(project, as_of=None, now=START + WEEKS * HOUR).blocked


def test_a_quiet_route_of_an_event_log_is_no_lost_data_however_much_an_event_stands_for(
    project: Project, proven: None
) -> None:
    text = FLEET.replace("KIND", "events").replace("h.csv]", "h.csv], requests_per_event: 2000")
    project.fleet_path.write_text(text, encoding="utf-8")
    lines = [f"{(START + k * HOUR / 30).isoformat()},u,batch" for k in range(30 * WEEKS)]
    # Every day at noon, but not today.
    lines += [f"{(START + day * 24 * HOUR + 12 * HOUR).isoformat()},u,shop" for day in range(20)]
    (project.root / "h.csv").write_text(
        "timestamp,user_id,application_id\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    assert make_plan(project, as_of=None, now=START + WEEKS * HOUR).blocked == {}


def test_a_column_of_counts_that_vanished_is_an_error_and_no_plan(project: Project, proven: None) -> None:
    fleet = project.fleet_path.read_text(encoding="utf-8").replace("kind: series", "kind: auto")
    project.fleet_path.write_text(fleet, encoding="utf-8")
    plan(project, WEEKS, whole)
    before = project.stack_file.read_bytes()
    lines = (project.root / "h.csv").read_text(encoding="utf-8").splitlines()
    bare = [line.rpartition(",")[0] for line in lines]
    (project.root / "h.csv").write_text("\n".join(bare) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"h\.csv: its rows were read as events.*would be 0\.000278 requests/s"):
        make_plan(project, as_of=None, now=START + WEEKS * HOUR)
    assert project.stack_file.read_bytes() == before
