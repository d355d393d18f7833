"""A project of its own on a lab of its own: how the tests run tiercast, the plain CLI and AWS clients in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import yaml

from lab import env, up, values
from lab.model import Lab

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = {"image_id": "ami-12c6146b", "zones": ["us-east-1a"]}


@dataclass(frozen=True, kw_only=True)
class Site:
    """The project's folder, its lab, and variables beside those of the lab."""

    root: Path
    lab: Lab
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        found = {**os.environ, **env.environment(self.lab), **self.variables, "COLUMNS": "200"}
        found.pop("PYTHONPATH", None)  # the copy's program is what runs
        return {**found, "PULUMI_OPTION_POLICY_PACK_CONFIG": str(self.root / "pack.json")}

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )

    def tiercast(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.call(sys.executable, "-m", "reconciler.cli", *arguments)

    def done(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """The output of a command of tiercast that must end with one of `codes`."""
        found = self.tiercast(*arguments)
        assert found.returncode in codes, (arguments, found.returncode, found.stdout[-3000:], found.stderr[-3000:])
        return " ".join(found.stdout.split())

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """An AWS client of the lab's account."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.lab.cloud_endpoint,
            aws_access_key_id="lab",
            aws_secret_access_key="lab",
        )

    def groups(self, region: str = "us-east-1") -> list[dict[str, Any]]:
        """The auto scaling groups of a region."""
        return list(self.client("autoscaling", region).describe_auto_scaling_groups()["AutoScalingGroups"])

    def write_fleet(self, **parts: Any) -> None:
        """A fleet file with one class; `parts` add or replace keys at its top."""
        tiers = parts.pop("tiers")
        fleet = {
            "step": "1h",
            "horizon": "2h",
            "validity": "1h",
            "history": {"paths": ["h.csv"], "kind": "series", "max_age": "6h"},
            "qos": {"gold": {"latency": "2s", "percentile": 0.95, "tiers": sorted(tiers, key=list(tiers).index)}},
            "applications": [{"match": "*", "qos": "gold", "service_time": "100ms"}],
            "guards": {"cooldown_down": "0s", "churn_share": 1},
            "config": values.aws_config(self.lab),
            "tiers": tiers,
            **parts,
        }
        (self.root / "fleet.yaml").write_text(yaml.safe_dump(fleet, sort_keys=False))

    def write_history(self, requests: int = 36_000) -> None:
        """Three weeks of hours with the same demand, up to the last full hour."""
        end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        rows = ["timestamp,user_id,application_id,requests"]
        rows += [
            f"{(end - timedelta(hours=k)).isoformat()},u,shop,{requests + 50 * (k % 24)}" for k in range(504, 0, -1)
        ]
        (self.root / "h.csv").write_text("\n".join(rows) + "\n")

    def stack_config(self, stack: str = "lab") -> Mapping[str, Any]:
        """The configuration in the stack file."""
        found = yaml.safe_load((self.root / f"Pulumi.{stack}.yaml").read_text())["config"]
        assert isinstance(found, dict)
        return found


def make_site(root: Path) -> Site:
    """A copy of the repository's project, with a lab in it that runs."""
    shutil.copy(ROOT / "Pulumi.yaml", root)
    for name in ("stacks", "policies"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("reconciler", "forecaster", ".venv"):
        (root / name).symlink_to(ROOT / name)
    regions = {"regions": ["us-east-1", "us-west-2"]}
    pack = {"all": "mandatory", "provenance": {"requirePin": False}, "allowed-regions": regions}
    (root / "pack.json").write_text(json.dumps(pack))
    site = Site(root=root, lab=up.up(root, directory=root / "lab", domain_type="qemu"))
    site.write_history()
    return site
