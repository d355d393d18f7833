"""A small fleet of its own on a lab of its own: a project, a fleet file, a history up to now, and the commands on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from ruamel.yaml import YAML

from lab import env, hypervisors, sights, up, values
from lab.model import Lab

ROOT = Path(__file__).resolve().parents[2]
HEALTH = {"path": "/healthz", "port": 80}


@dataclass(kw_only=True)
class FleetOnLab:
    """A project on a lab. `variables` are added to the environment of every command."""

    root: Path
    lab: Lab
    variables: dict[str, str] = field(default_factory=dict)

    def call(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command in the project."""
        given = self._environment()
        return subprocess.run(
            command, cwd=self.root, env=given, capture_output=True, text=True, timeout=timeout, check=False
        )

    def start(self, *command: str, variables: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a command in the project, with more variables."""
        pipe = subprocess.PIPE
        given = {**self._environment(), **variables}
        return subprocess.Popen(command, cwd=self.root, env=given, stdout=pipe, stderr=pipe, text=True)

    def _environment(self) -> dict[str, str]:
        given = {**os.environ, **env.environment(self.lab), "TIERCAST_FLEET": str(self.root / "fleet.yaml")}
        given = {k: v for k, v in given.items() if not k.startswith("PULUMI_OPTION_")} | self.variables
        given["PYTHONPATH"] = str(ROOT)
        given["COLUMNS"] = "200"
        return given

    def tiercast(self, *arguments: str, code: int | None = None) -> str:
        """Run tiercast; its output on one line each way. `code`: the exit code that it must have."""
        done = self.call(sys.executable, "-m", "reconciler.cli", *arguments)
        text = " ".join((done.stdout + done.stderr).split())
        assert "Traceback" not in text, text
        assert code is None or done.returncode == code, f"exit {done.returncode}: {text[-3000:]}"
        return text

    def reconcile(self, code: int = 0) -> str:
        """One run that applies its plan."""
        return self.tiercast("reconcile", "--mode", "apply", "--no-policies", code=code)

    def status(self, code: int | None = None) -> dict[str, Any]:
        """`tiercast status --json`."""
        done = self.call(sys.executable, "-m", "reconciler.cli", "status", "--json")
        assert code is None or done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def virsh(self, host: int, *arguments: str) -> str:
        """libvirt's client on a hypervisor of the lab; it must succeed."""
        done = self.call("virsh", "--connect", self.lab.hypervisors[host].uri, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def vms(self) -> dict[str, bool]:
        """Every domain, and whether it runs."""
        return {name: on for h in self.lab.hypervisors for name, on in hypervisors.machines(h).items()}

    def aws(self, service: str) -> Any:
        """A client of the lab's cloud."""
        session = boto3.Session(region_name=self.lab.region, aws_access_key_id="lab", aws_secret_access_key="lab")
        return session.client(service, endpoint_url=self.lab.cloud_endpoint)  # type: ignore[call-overload]

    def group(self, tier: str) -> dict[str, Any]:
        """The tier's group in the cloud."""
        groups = self.aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        found: dict[str, Any] = next(g for g in groups if g["AutoScalingGroupName"].startswith(f"{tier}-"))
        return found

    def prints(self) -> dict[str, Any]:
        """What must not change: machines and account, the backend's files without tiercast's lock, and the stack file."""
        kept = [path for path in self.lab.backend.rglob("*") if path.is_file() and ".tiercast" not in path.parts]
        return {
            "world": sights.fingerprint(self.lab),
            "backend": {str(path): path.read_bytes() for path in kept},
            "stack file": self.stack_file.read_bytes() if self.stack_file.exists() else b"",
        }

    @property
    def stack_file(self) -> Path:
        return self.root / f"Pulumi.{self.lab.stack}.yaml"

    def configure(self, change: Callable[[dict[str, Any]], None] = lambda fleet: None) -> None:
        """Write the fleet file, changed by `change`."""
        fleet = fleet_of(self.lab)
        change(fleet)
        with (self.root / "fleet.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(fleet, file)

    def until(self, holds: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.5)

    def all_ready(self) -> bool:
        """Whether every recorded VM is ready."""
        return all(i["ready"] for i in self.status()["instances"])


def fleet_of(lab: Lab) -> dict[str, Any]:
    """A fleet with two hot VMs, a warm and a cold group, at sizes that their minimums decide."""
    hot = values.stack_values(lab)["hot"]
    launch = {"image_id": "ami-12c6146b", "zones": ["us-east-1a"]}
    tracking = {"cpu_percent": 60}
    return {
        "step": "1h",
        "horizon": "2h",
        "validity": "2h",
        "history": {"paths": ["history.csv"], "kind": "series", "max_age": "3h"},
        "qos": {
            "gold": {"latency": "2s", "percentile": 0.95, "violating_share": 0.05, "tiers": ["hot", "warm", "cold"]}
        },
        "applications": [{"match": "*", "qos": "gold", "service_time": "50ms"}],
        "guards": {"cooldown_down": "0s", "churn_share": 1.0},
        "tiers": {
            "hot": {
                "hypervisors": [plain(host) for host in hot["hypervisors"]],
                "flavours": [{"name": "standard", "vcpu": 1, "memory_mib": 128}],
                "boot": hot["boot"],
                "domain_type": hot["domainType"],
                "machine": hot["machine"],
                "overlay": hot["overlay"],
                "unreachable": "skip",
                "boot_time": "5s",
                "health": HEALTH,
                "min": 2,
                "max": 4,
            },
            "warm": {
                "instance_types": ["c6i.large"],
                "launch": launch,
                "ready_pool": None,
                "target_tracking": tracking,
                "min": 1,
                "max": 6,
            },
            "cold": {
                "instance_types": ["m6i.large", "m5.large"],
                "spot_share": 1.0,
                "launch": launch,
                "target_tracking": tracking,
                "min": 2,
                "max": 6,
            },
        },
        "tags": {"team": "shop"},
        "config": values.aws_config(lab),
    }


def plain(host: Mapping[str, Any]) -> dict[str, Any]:
    """A hypervisor with the fleet file's own spelling of its keys."""
    names = {"memoryMib": "memory_mib", "basePort": "base_port"}
    return {names.get(key, key): value for key, value in host.items()}


def write_history(root: Path, hours: int = 24 * 15) -> None:
    """An hourly history of a small load that ends with the last whole hour."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [f"{(end - timedelta(hours=hours - k)).isoformat()},u,shop,{3600 + 50 * (k % 24)}" for k in range(hours)]
    text = "timestamp,user_id,application_id,requests\n" + "\n".join(rows) + "\n"
    (root / "history.csv").write_text(text, encoding="utf-8")


@contextmanager
def fleet_on_lab(root: Path) -> Iterator[FleetOnLab]:
    """The project in `root` with its lab, which is taken down at the end."""
    shutil.copy(ROOT / "Pulumi.yaml", root)
    for name in ("stacks", "policies", ".venv"):
        (root / name).symlink_to(ROOT / name)
    write_history(root)
    lab = up.up(root, directory=root / "lab", domain_type="qemu")
    site = FleetOnLab(root=root, lab=lab)
    try:
        site.configure()
        yield site
    finally:
        up.down(lab.directory)
