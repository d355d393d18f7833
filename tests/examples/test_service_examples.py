"""The examples of docs/service.md by their text: units that systemd accepts, rules and panels that Prometheus accepts."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from reconciler.report.metrics import METRICS
from tests.examples.service_files import (
    CHECKOUT,
    EXAMPLES,
    alerts,
    command_of,
    container,
    cronjob,
    dashboard,
    expressions,
    metrics_in,
    unit,
)

UNITS = ("tiercast.service", "tiercast-run.service", "tiercast-run.timer")
PROMETHEUS = EXAMPLES / "prometheus"


def tool(*words: str | Path, folder: Path = PROMETHEUS) -> str:
    """Output of a program that must succeed."""
    done = subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = tmp_path / "capacity" / ".venv" / "bin" / "tiercast"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in UNITS:
        text = (EXAMPLES / "systemd" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(CHECKOUT, str(tmp_path / "capacity")))
    said = tool("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", *(tmp_path / n for n in UNITS))
    assert said == ""
    (tmp_path / UNITS[0]).write_text("[Service]\nExecStrat=/bin/true\n")
    with pytest.raises(AssertionError):
        tool("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", tmp_path / UNITS[0])


@pytest.mark.parametrize("name", ["tiercast.service", "tiercast-run.service"])
def test_systemd_ends_a_run_after_its_step_and_keeps_the_passphrase_out_of_sight(name: str) -> None:
    service = unit(name)["Service"]
    assert service["KillMode"] == ["mixed"], "the engine must not get SIGTERM beside tiercast"
    assert service["TimeoutStopSec"] == ["15min"]
    assert any("PULUMI_CONFIG_PASSPHRASE_FILE=%d/passphrase" in one for one in service["Environment"])
    assert "--run-timeout" in command_of(name)
    assert not re.search(r"PASSPHRASE=|SECRET|TOKEN", (EXAMPLES / "systemd" / "prod.env").read_text())


def test_a_unit_is_no_failure_where_changes_wait_and_no_restart_helps_wrong_options() -> None:
    assert unit("tiercast-run.service")["Service"]["SuccessExitStatus"] == ["2"]
    assert unit("tiercast.service")["Service"]["RestartPreventExitStatus"] == ["64"]
    assert unit("tiercast.service")["Service"]["Restart"] == ["on-failure"]


def test_the_cron_job_runs_one_at_a_time_and_may_end_its_step() -> None:
    spec = cronjob()["spec"]
    job = spec["jobTemplate"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert job["backoffLimit"] == 0
    pod = job["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 600
    assert job["activeDeadlineSeconds"] > 600, "longer than --run-timeout"
    passphrase = next(v for v in pod["volumes"] if v["name"] == "passphrase")
    assert passphrase["secret"]["secretName"]
    assert "PULUMI_CONFIG_PASSPHRASE" not in {one["name"] for one in container()["env"]}


CODES = [(0, 0), (2, 0), (1, 1), (3, 3), (130, 130)]


@pytest.mark.parametrize(("code", "ends"), CODES)
def test_the_cron_job_is_red_where_a_run_failed_or_was_refused(tmp_path: Path, code: int, ends: int) -> None:
    stand_in(tmp_path, f"exit {code}")
    assert shell(tmp_path).wait(30) == ends


def test_the_cron_job_passes_sigterm_on_and_waits_for_the_end(tmp_path: Path) -> None:
    stand_in(tmp_path, "trap 'sleep 0.5; : > ended; exit 130' TERM\n: > ready\nwhile :; do sleep 0.05; done")
    running = shell(tmp_path)
    try:
        for _ in range(600):
            if (tmp_path / "ready").exists():
                break
            time.sleep(0.05)
        running.terminate()
        assert running.wait(30) == 130
    finally:
        running.kill()
        running.wait(30)
    assert (tmp_path / "ended").exists()


def stand_in(folder: Path, body: str) -> None:
    """A program in the place of tiercast."""
    program = folder / ".venv" / "bin" / "tiercast"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def shell(folder: Path) -> subprocess.Popen[bytes]:
    """The container's command in a folder."""
    return subprocess.Popen([*container()["command"], *container()["args"]], cwd=folder)


def test_prometheus_accepts_configuration_and_rules_and_each_rule_fires_when_it_should() -> None:
    tool("promtool", "check", "config", "prometheus.yml")
    tool("promtool", "check", "rules", "alerts.yml")
    tool("promtool", "test", "rules", "alerts_test.yml")
    tested = set(re.findall(r"alertname: (\w+)", (PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8")))
    assert tested == {rule["alert"] for rule in alerts()}


def test_prometheus_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:number{k}", "expr": target["expr"].replace("$stack", "prod")}
        for k, target in enumerate(t for panel in dashboard()["panels"] for t in panel["targets"])
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in tool("promtool", "check", "rules", path)


def test_rules_and_panels_use_metrics_that_exist_and_the_dashboard_shows_all_that_people_watch() -> None:
    served = {metric.name for metric in METRICS}
    used = {name: metrics_in(text) for name, text in expressions().items()}
    assert {name: sorted(found - served) for name, found in used.items() if found - served} == {}
    shown = set().union(*used.values())
    assert sorted(served - shown) == ["tiercast_last_run_timestamp_seconds", "tiercast_run_errors_total"]


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    board = dashboard()
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "stack"}
    assert board["uid"]
    assert board["schemaVersion"] >= 36
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) == 23
