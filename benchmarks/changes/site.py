"""A project on a lab of its own: plans of any size are written as `tiercast plan` writes them, previewed and applied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab import env, paths, up, values
from lab.model import Lab
from reconciler.adapters.files import write_json, write_text
from reconciler.adapters.project import Project, find_project
from reconciler.loop.written import rendered, write_plan
from reconciler.observe.stack_state import MACHINE
from reconciler.plan.file import ClassLine, PlanFile, TierLine, config_values
from reconciler.plan.inventory import recorded_slots
from reconciler.plan.placement import Upset, place
from reconciler.prices.catalogue import builtin
from stacks.contract import Demand, StackConfig, Tier, demand_digest, parse

TYPE = "m5.large"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a fleet, and what its instances are made of.

    Attributes:
        hot: VMs. warm, cold: instances; `warm` of each of `groups` groups.
        build: changes the machines' overlay; image: the user data of the groups.
        cores: of each hypervisor.
        kernel: path of the kernel; None: the lab's own.
    """

    hot: int
    warm: int
    cold: int
    build: str = "1"
    image: str = "1"
    cores: int = 16
    kernel: str | None = None
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The project and its lab."""

    lab: Lab
    project: Project

    def plan(self, shape: Shape, *, now: datetime | None = None) -> PlanFile:
        """Write the plan of a shape and its stack file; slots are placed from what the state holds."""
        now = (now or datetime.now(UTC)).replace(microsecond=0)
        config = self._config(shape, now)
        engine = self.project.engine()
        engine.ensure_stack()
        state = engine.state()
        seen = recorded_slots(config, state)
        slots = seen.slots.get(Tier.HOT, ())
        builds = {r.name: r.outputs.get("build") for r in state if r.type == MACHINE}
        old = frozenset(slot for slot in slots if builds.get(slot.name("hot")) != config.hot.build(slot))
        hosts, kinds = config.hot.hypervisors, config.hot.flavours
        found = place(hosts, kinds, {"small": shape.hot}, slots, upset=Upset(replaced=old))
        config = config.model_copy(update={"hot": config.hot.model_copy(update={"slots": found.slots})})
        after = {Tier.HOT: shape.hot, Tier.WARM: shape.warm, Tier.COLD: shape.cold}
        plan = PlanFile(
            fleet="changes",
            stack=self.lab.stack,
            created_at=now,
            valid_until=config.plan.valid_until,
            cutoff=now,
            tiers=tuple(
                TierLine(
                    tier=tier.value,
                    kinds={"small" if tier is Tier.HOT else TYPE: count},
                    before=seen.total(tier),
                    after=count,
                    usd_before=0,
                    usd_after=0,
                    reason="the benchmark wants it",
                )
                for tier, count in after.items()
            ),
            classes=(_CLASS,),
            usd_per_hour_before=0,
            usd_per_hour_after=0,
            config=config_values(config, values.aws_config(self.lab)),
        ).identified()
        stated = {**plan.config["tiercast:plan"], "id": plan.id}
        plan = plan.model_copy(update={"config": {**plan.config, "tiercast:plan": stated}})
        write_plan(self.project, plan, rendered(self.project, plan))
        return plan

    def _config(self, shape: Shape, now: datetime) -> StackConfig:
        raw = values.stack_values(self.lab)["hot"]
        hosts = [{**host, "cores": shape.cores} for host in raw["hypervisors"]]
        overlay = raw["overlay"].replace("</xsl:stylesheet>", f"<!-- {shape.build} -->\n</xsl:stylesheet>")
        boot = {**raw["boot"], **({"kernel": shape.kernel} if shape.kernel else {})}
        launch = {"imageId": "ami-12c6146b", "zones": ["us-east-1a"], "userData": f"#!/bin/sh\n# {shape.image}\n"}
        hot = {**raw, "hypervisors": hosts, "overlay": overlay, "boot": boot, "slots": [], "health": {"path": "/"}}
        return parse(
            {
                "plan": {
                    "id": "",
                    "createdAt": now.isoformat(),
                    "cutoff": now.isoformat(),
                    "validUntil": (now + timedelta(hours=2)).isoformat(),
                    "forecastDigest": demand_digest(Demand.model_validate(_DEMAND)),
                    "catalogueDigest": builtin().digest(),
                },
                "demand": _DEMAND,
                "hot": {**hot, "flavours": [{"name": "small", "vcpu": 1, "memoryMib": 128}]},
                "warm": {
                    "ownership": "exact",
                    "launch": launch,
                    "groups": [
                        {"name": f"web{n or ''}", "instanceType": TYPE, "size": _exactly(shape.warm)}
                        for n in range(shape.groups)
                    ],
                },
                "cold": {
                    "ownership": "floor",
                    "launch": launch,
                    "targetTracking": {"cpuPercent": 60},
                    "groups": [
                        {
                            "name": "burst",
                            "instanceTypes": [TYPE, "m6i.large"],
                            "size": {"min": shape.cold, "desired": shape.cold, "max": shape.cold + 2},
                            "onDemandBase": 1,
                            "onDemandShareAboveBase": 0.5,
                        }
                    ],
                },
            }
        )


def _exactly(count: int) -> dict[str, int]:
    return {"min": count, "desired": count, "max": count}


_DEMAND: dict[str, Any] = {
    "stepSeconds": 3600,
    "classes": {
        "gold": {
            "latencyMs": 400,
            "percentile": 0.95,
            "promisedShare": 0.01,
            "allowedShare": 0.01,
            "tiers": ["hot", "warm", "cold"],
            "levels": [0.5, 0.99],
            "requestsPerSecond": [1.0, 2.0],
            "service": {"meanMs": 50},
            "roundTripMs": {"hot": 1, "warm": 10, "cold": 20},
        }
    },
}
_CLASS = ClassLine(
    name="gold",
    latency_target_ms=400,
    percentile=0.95,
    latency_ms=100,
    promised_share=0.01,
    allowed_share=0.01,
    expected_share=0.001,
    shortfall_probability=0.001,
    requests_per_second={"0.5": 1.0},
)


@contextmanager
def site(folder: Path) -> Iterator[Bench]:
    """A project in `folder` with the program and the policy pack of this checkout, on a lab that ends with the block."""
    root = folder / "project"
    root.mkdir(parents=True)
    source = paths.repository_root()
    shutil.copy(source / "Pulumi.yaml", root)
    for part in ("stacks", "policies"):
        shutil.copytree(source / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".venv").symlink_to(source / ".venv")
    pack = {"all": "mandatory", "provenance": {"catalogueDigest": builtin().digest(), "requirePin": False}}
    write_json(folder / "pack.json", pack)
    write_text(root / "fleet.yaml", "version: 1\n")
    lab = up.up(root, directory=folder / "lab", domain_type="qemu")
    variables = {**env.environment(lab), "PULUMI_OPTION_POLICY_PACK_CONFIG": str(folder / "pack.json")}
    try:
        with _environment(variables):
            yield Bench(lab=lab, project=find_project(root, stack=lab.stack, fleet=None))
    finally:
        up.down(lab.directory)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with `variables` in it: the engine inherits it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
