"""A copy of the repository's project on a lab of its own, driven by the plain CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from samples import raw

from lab import env, up, values
from lab.model import Lab
from reconciler.prices.catalogue import builtin

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Project:
    """A copy of the repository's project on a lab; `say` is what the engine printed."""

    root: Path
    lab: Lab

    def configure(self, pack: dict[str, Any] | None = None, **sections: Any) -> None:
        """Write the stack file, and the pack's configuration."""
        path = self.root / "Pulumi.lab.yaml"
        kept = yaml.safe_load(path.read_text()) or {}
        ours = {f"tiercast:{key}": value for key, value in configuration(self.lab, **sections).items()}
        path.write_text(yaml.safe_dump({**kept, "config": {**values.aws_config(self.lab), **ours}}, sort_keys=False))
        pack = pack or {}
        pins = {"catalogueDigest": builtin().digest(), "requirePin": False, **pack.get("provenance", {})}
        (self.root / "pack.json").write_text(json.dumps({"all": "mandatory", **pack, "provenance": pins}))

    def pulumi(self, *arguments: str, policies: bool = True) -> tuple[int, str]:
        """Exit code and output of the plain CLI."""
        environment = {**os.environ, **env.environment(self.lab)}
        environment.pop("PYTHONPATH", None)  # the copy's program is what runs, also where that names the original
        environment |= {"PULUMI_OPTION_POLICY_PACK_CONFIG": "pack.json"} if policies else {}
        if not policies:
            environment = {k: v for k, v in environment.items() if not k.startswith("PULUMI_OPTION_POLICY")}
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def state(self) -> list[str]:
        """URNs in the stack's state."""
        code, text = self.pulumi("stack", "export", policies=False)
        assert code == 0, text
        return sorted(r["urn"] for r in json.loads(text)["deployment"].get("resources", []))


def configuration(lab: Lab, **sections: Any) -> dict[str, Any]:
    """The sample on the lab's hosts, with a plan made now from the pinned prices."""
    now = datetime.now(UTC).replace(microsecond=0)
    hot = {
        **values.stack_values(lab)["hot"],
        "flavours": [{"name": "small", "vcpu": 1, "memoryMib": 128}],
        "slots": [{"hypervisor": lab.hypervisors[0].name, "number": 1, "flavour": "small"}],
    }
    plan = {
        "id": "first",
        "createdAt": now.isoformat(),
        "cutoff": now.isoformat(),
        "validUntil": (now + timedelta(hours=2)).isoformat(),
        "forecastDigest": "",
        "catalogueDigest": builtin().digest(),
    }
    launch = {"imageId": "ami-12c6146b", "zones": ["us-east-1a"]}
    warm, cold = {**raw()["warm"], "launch": launch}, {**raw()["cold"], "launch": launch}
    return raw(**{"hot": hot, "plan": plan, "warm": warm, "cold": cold, **sections})


@contextmanager
def on_a_lab(root: Path) -> Iterator[Project]:
    """The project in `root`, and its lab, which is taken down at the end."""
    shutil.copy(ROOT / "Pulumi.yaml", root)
    shutil.copytree(ROOT / "stacks", root / "stacks")
    (root / "policies").symlink_to(ROOT / "policies")
    (root / ".venv").symlink_to(ROOT / ".venv")
    lab = up.up(root, directory=root / "lab", domain_type="qemu")
    try:
        yield Project(root=root, lab=lab)
    finally:
        up.down(lab.directory)
