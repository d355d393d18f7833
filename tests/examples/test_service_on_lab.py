"""The examples' command lines on a lab: a service that a real Prometheus scrapes and SIGTERM ends, and single runs."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import ports, up
from tests.e2e.site_cases import LAUNCH, Site, make_site
from tests.examples.service_files import EXAMPLES, alerts, command_of, container, dashboard

pytestmark = [pytest.mark.engine, pytest.mark.lab]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A project with one cold group, and an envelope that allows it."""
    made = make_site(tmp_path_factory.mktemp("service"))
    try:
        made.write_fleet(
            tiers={"cold": {"instance_types": ["m5.large", "m6i.large"], "spot_share": 0, "launch": LAUNCH}}
        )
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        approved = {"approved_by": "the reviewer", "until": until, "tiers": {"cold": {"min": 0, "max": 20}}}
        (made.root / "approved.yaml").write_text(yaml.safe_dump(approved))
        made.done("plan")
        made.done("preview", codes=(2,))
        made.done("envelope", "approved.yaml")
        yield made
    finally:
        up.down(made.lab.directory)


def free_port(first: int) -> int:
    return next(port for port in range(first, first + 100) if ports.is_free(port))


@contextmanager
def running(words: list[str], site: Site, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended with the block, whatever happens."""
    with log.open("wb") as output:
        process = subprocess.Popen(words, cwd=site.root, env=site.environment(), stdout=output, stderr=output)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


def waited(what: Callable[[], Any], process: subprocess.Popen[bytes], log: Path, seconds: float = 120.0) -> Any:
    """The first true answer to a question that is asked again and again while a process runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            if found := what():
                return found
        except (OSError, KeyError, IndexError):
            pass
        time.sleep(0.2)
    raise AssertionError(
        f"no answer within {seconds} s, or the process ended ({process.poll()}):\n{log.read_text()[-4000:]}"
    )


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """The samples that Prometheus finds for an expression."""
    found = json.loads(get(f"http://{address}/api/v1/query?query={urllib.parse.quote(expression)}"))
    assert found["status"] == "success", found
    return list(found["data"]["result"])


@contextmanager
def prometheus(site: Site, target: str, folder: Path) -> Iterator[str]:
    """The real Prometheus with the example's configuration, scraping `target` every second."""
    folder.mkdir()
    shutil.copy(EXAMPLES / "prometheus" / "alerts.yml", folder)
    config = yaml.safe_load((EXAMPLES / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address, log = f"127.0.0.1:{free_port(23500)}", folder / "log"
    words = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with running([*words, f"--web.listen-address={address}"], site, log) as process:
        waited(lambda: get(f"http://{address}/-/ready"), process, log)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()


def test_the_service_applies_is_scraped_and_ends_on_sigterm(site: Site, tmp_path: Path) -> None:
    metrics = f"127.0.0.1:{free_port(23400)}"
    words = command_of("tiercast.service")
    words[words.index("--metrics") + 1] = metrics
    log = tmp_path / "service.log"
    program = [sys.executable, "-m", "reconciler.cli", *words]
    with (
        prometheus(site, metrics, tmp_path / "prometheus") as address,
        running(program, site, log) as service,
    ):
        waited(lambda: "healthy: the last run succeeded" in get(f"http://{metrics}/healthz"), service, log)
        selector = '{stack="prod",job="tiercast"}'
        (declared,) = waited(lambda: query(address, f"tiercast_instances_declared{selector}"), service, log)
        assert declared["metric"]["tier"] == "cold"
        (group,) = site.groups()
        assert float(declared["value"][1]) == group["DesiredCapacity"]
        assert query(address, f"tiercast_runs_total{selector}")
        shown = {
            target["expr"].replace("$stack", "prod"): bool(panel)
            for panel in dashboard()["panels"]
            for target in panel["targets"]
        }
        assert all(isinstance(query(address, expression), list) for expression in shown)
        rules = waited(lambda: json.loads(get(f"http://{address}/api/v1/rules"))["data"]["groups"], service, log)
        assert {rule["name"]: rule["health"] for rule in rules[0]["rules"]}.keys() == {r["alert"] for r in alerts()}
        assert all(rule["health"] in ("ok", "unknown") and not rule.get("lastError") for rule in rules[0]["rules"])
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0, log.read_text()
    text = log.read_text()
    assert "SIGTERM: tiercast stops after the current step." in text
    assert "Traceback" not in text
    events = [json.loads(line)["event"] for line in (site.root / ".tiercast/lab/ledger.jsonl").read_text().splitlines()]
    assert events == ["plan", "preview"] * 2 + ["up", "applied"]


def last_event(site: Site) -> str:
    lines = (site.root / ".tiercast/lab/ledger.jsonl").read_text().splitlines()
    return str(json.loads(lines[-1])["event"])


@contextmanager
def updating(site: Site, log: Path, *, requests: int) -> Iterator[subprocess.Popen[bytes]]:
    """The unit's service, without metrics, while it applies a larger size for so much demand."""
    site.write_history(requests=requests)
    words = command_of("tiercast.service")[:-2]
    with running([sys.executable, "-m", "reconciler.cli", *words], site, log) as service:
        waited(lambda: last_event(site) == "up", service, log)
        yield service


def test_sigterm_during_an_update_waits_for_its_end(site: Site, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with updating(site, log, requests=300_000) as service:
        service.send_signal(signal.SIGTERM)
        assert service.wait(120) == 0, log.read_text()
    assert last_event(site) == "applied"


def test_a_second_signal_ends_the_engine_cleanly_and_the_next_run_finishes_the_work(site: Site, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    (before,) = site.groups()
    with updating(site, log, requests=500_000) as service:
        for _ in range(2):
            service.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        assert service.wait(120) == 130, log.read_text()
    assert last_event(site) == "failed"
    assert "Traceback" not in log.read_text()
    assert not list((site.lab.backend / ".pulumi" / "locks").rglob("*.json")), "the engine released its own lock"
    done = site.tiercast(*command_of("tiercast-run.service"))
    assert done.returncode == 0, done.stdout + done.stderr
    (after,) = site.groups()
    assert after["MaxSize"] > before["MaxSize"]


def test_a_run_that_exceeds_its_time_is_ended_and_the_lock_is_free(site: Site) -> None:
    found = site.tiercast("reconcile", "--mode", "propose", "--run-timeout", "2s")
    assert found.returncode == 1
    assert "The run did not end within 0:00:02." in found.stderr
    assert "Traceback" not in found.stderr
    assert list((site.lab.backend / ".tiercast").glob("*.lock")) != []
    assert all(lock.read_text() == "" for lock in (site.lab.backend / ".tiercast").glob("*.lock"))


def test_the_timer_and_the_cron_job_make_one_run(site: Site) -> None:
    done = site.tiercast(*command_of("tiercast-run.service"))
    assert done.returncode in (0, 2), done.stderr
    program = site.root / "bin" / "tiercast"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler.cli "$@"\n')
    program.chmod(0o755)
    (line,) = container()["args"]
    assert re.search(r"\.venv/bin/tiercast reconcile ", line)
    job = site.call(*container()["command"], line.replace(".venv/bin/tiercast", "bin/tiercast"))
    assert job.returncode == 0, job.stderr
