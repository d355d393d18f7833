"""The files that are mutated, each with the functions of the commands that read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from policies import tagging
from policies.judge import read_settings
from policies.pack import RULES
from policies.rule import Misconfigured
from reconciler.adapters import ledger
from reconciler.adapters.files import read_text
from reconciler.adapters.history.measured_latency import latency_now
from reconciler.adapters.history.read import read_measurements
from reconciler.adapters.history.rules import history_rules
from reconciler.adapters.history.source import read_demand
from reconciler.adapters.memory import write_memory
from reconciler.adapters.pins import read_pins
from reconciler.adapters.project import Project
from reconciler.adapters.runs import read_run, write_run
from reconciler.adapters.sources.known import source_of
from reconciler.apply import read_plan
from reconciler.apply.bounds import read_envelope
from reconciler.cli import root
from reconciler.cli.explain import _last_basis
from reconciler.cli.policy import _pack_config
from reconciler.demand.lost_data import LastHeard
from reconciler.loop.gather import known_demand
from reconciler.plan.decide import decide
from reconciler.plan.edited import edits
from reconciler.plan.file import PlanFile, plan_id
from reconciler.plan.kept_inputs import inputs_of, replayed
from reconciler.plan.render import read_config, render
from reconciler.prices.catalogue import builtin, load_catalogue
from reconciler.record.entries import Applied, Decided, Failed, ResourceEntry, Started, TierEntry
from reconciler.report.text import plan_tables
from reconciler.trust.demotion import Rung
from reconciler.trust.memory import KEPT_LEVELS, RunMemory
from tests.reconciler.cli import mutations as mutate
from tests.reconciler.plan.test_planning import make_snapshot
from tests.stacks.samples import raw

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = 72
FLEET = """\
step: 1h
horizon: 4h
history: {paths: [h.csv], window: 4w}
qos:
  gold: {latency: 300ms, percentile: 0.95, violating_share: 1%, tiers: [warm, cold]}
  bronze: {latency: 3s, tiers: [cold]}
applications:
  - {match: "shop*", qos: gold, service_time: 100ms}
  - {match: "*", qos: bronze}
guards: {cooldown_down: 5m, churn_share: 1}
tiers:
  warm: {instance_types: [m5.large], launch: {image_id: ami, zones: [us-east-1a]}}
  cold: {instance_types: [m5.large], launch: {image_id: ami, zones: [us-east-1a]}}
config: {aws:region: us-east-1}
"""
ENVELOPE = """\
approved_by: ops
until: 2026-12-01T00:00:00Z
tiers:
  warm: {min: 1, max: 8}
  cold: {min: 0, max: 4}
usd_per_hour: 20
"""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A file of a project: its name, how it is mutated, who reads it, and its weight among the targets."""

    name: str
    mutated: Callable[[Random, bytes], bytes]
    read: Callable[[Project], object]
    weight: int
    source: str = ""


def series() -> bytes:
    """Two applications over three days, with some of the optional columns."""
    lines = ["timestamp,user_id,application_id,requests,rejected,latency_ms,cpu"]
    for k in range(HOURS):
        at = (START + k * HOUR).isoformat()
        lines += [f"{at},u{n},{name},{100 + k},{k % 3},{20 + k}.5,0.25" for n, name in enumerate(("shop", "batch"))]
    return ("\n".join(lines) + "\n").encode()


def events() -> bytes:
    """An event log over six hours."""
    lines = ["timestamp,user_id,application_id,program,parameters,request_id,latency_ms,cpu_seconds"]
    lines += [f"{(START + k * HOUR / 20).isoformat()},u,shop,p,{k % 3},{k // 2},{k},0.5" for k in range(120)]
    return ("\n".join(lines) + "\n").encode()


def _demand(project: Project) -> None:
    fleet = project.read_fleet()
    base, now = project.fleet_path.parent, START + HOURS * HOUR
    found = read_demand(fleet, base=base, as_of=None, now=now)
    found.quality.text()
    json.dumps(found.quality.as_json())
    latency_now(fleet, found, base=base)
    read_measurements(source_of(fleet, base), until=now, rules=history_rules(fleet))


def _fleet(project: Project) -> None:
    fleet = project.read_fleet()
    project.read_catalogue(fleet, now=START)
    _demand(project)


def _stack(project: Project) -> None:
    text = read_text(project.stack_file, "a stack file")
    read_pins(project)
    plan = PlanFile.model_validate_json((project.root / "kept-plan.json").read_bytes())
    render(text, plan.config, own=frozenset(plan.config), location=str(project.stack_file))
    edits(plan, read_config(text, str(project.stack_file)))


def _command(*words: str) -> None:
    root.main(args=[*words], prog_name="tiercast", standalone_mode=False)


def _trial(project: Project) -> None:
    _command("policy", "test", str(project.stack_file))


def _plan(project: Project) -> None:
    plan = read_plan(project.plan_file)
    plan_tables(plan)
    edits(plan, {})
    _last_basis(project)


def _ledger(project: Project) -> None:
    _command("history")
    _command("history", "--resource", "warm-m5-large", "--json")
    _command("explain", "aa1")


def _run(project: Project) -> None:
    inputs, file = read_run(project.runs, "aa1")
    replayed(inputs, location=str(file))


def _memory(project: Project) -> None:
    known = known_demand(project, project.read_fleet(), as_of=None, now=START + HOURS * HOUR, seed=0)
    assert all(np.isfinite(known.judged.forecast.paths).ravel())


def _pack(project: Project) -> None:
    rules = (*RULES, tagging.RULE)
    config = _pack_config(None, project.root / "policies", "dev", [rule.name for rule in rules])
    for rule in rules:
        try:
            read_settings(rule.name, rule.settings, config.settings.get(rule.name, {}), config.places)
        except Misconfigured:
            continue  # a violation of that policy


def _catalogue(project: Project) -> None:
    path = project.root / "prices.yaml"
    load_catalogue(read_text(path, "a price catalogue"), str(path))


def _identified(tree: Any) -> Any:
    """The plan with the id that belongs to its content, so that its content is what is read."""
    return {**tree, "id": plan_id(tree)} if isinstance(tree, dict) else tree


TARGETS = (
    Target(name="fleet.yaml", mutated=mutate.yaml_file, read=_fleet, weight=18),
    Target(name="h.csv", mutated=mutate.csv_file, read=_demand, weight=8, source="series"),
    Target(name="e.csv", mutated=mutate.csv_file, read=_demand, weight=4, source="events"),
    Target(name="h.csv.gz", mutated=mutate.gzip_file, read=_demand, weight=4, source="series"),
    Target(name=".tiercast/dev/runs/aa1.zip", mutated=mutate.zip_file, read=_run, weight=4),
    Target(name="h.parquet", mutated=mutate.parquet_file, read=_demand, weight=8, source="series"),
    Target(name="e.parquet", mutated=mutate.parquet_file, read=_demand, weight=4, source="events"),
    Target(name="Pulumi.dev.yaml", mutated=mutate.yaml_file, read=_stack, weight=8),
    Target(name="Pulumi.dev.yaml", mutated=mutate.yaml_file, read=_trial, weight=1),
    Target(
        name=".tiercast/dev/plan.json",
        mutated=lambda random, data: mutate.json_file(random, data, _identified),
        read=_plan,
        weight=16,
    ),
    Target(name=".tiercast/dev/ledger.jsonl", mutated=mutate.json_lines, read=_ledger, weight=12),
    Target(name=".tiercast/dev/memory.json", mutated=mutate.json_file, read=_memory, weight=3),
    Target(
        name="bounds.yaml", mutated=mutate.yaml_file, read=lambda p: read_envelope(p.root / "bounds.yaml"), weight=8
    ),
    Target(name="policies/config.json", mutated=mutate.json_file, read=_pack, weight=14),
    Target(name="prices.yaml", mutated=mutate.yaml_file, read=_catalogue, weight=6),
)


def project_files() -> Mapping[str, bytes]:
    """Every file of a project that ran before, by name."""
    decision = decide(make_snapshot(20.0, running=2))
    plan = decision.plan.identified()
    stack = {"config": {"aws:region": "us-east-1", **{f"tiercast:{key}": value for key, value in raw().items()}}}
    return {
        "Pulumi.yaml": b"name: demo\nruntime: python\n",
        "fleet.yaml": FLEET.encode(),
        "h.csv": series(),
        "e.csv": events(),
        "bounds.yaml": ENVELOPE.encode(),
        "prices.yaml": files("reconciler.prices").joinpath("catalogue.yaml").read_bytes(),
        "Pulumi.dev.yaml": yaml.safe_dump(json.loads(json.dumps(stack, default=str)), sort_keys=False).encode(),
        ".tiercast/dev/plan.json": plan.model_dump_json(indent=2).encode(),
        "kept-plan.json": plan.model_dump_json(indent=2).encode(),
        "policies/config.json": json.dumps(
            {
                "all": "mandatory",
                "provenance": {"catalogueDigest": builtin().digest(), "requirePin": False},
                "cost-ceiling": {"maxUsdPerHour": 30, "enforcementLevel": "advisory"},
                "required-tags": {"tags": ["team"], "defaults": {"team": "ops"}},
                "step-limit": {"current": {"warm": 2}},
            },
            indent=2,
        ).encode(),
    }


def project_in(folder: Path) -> Project:
    """The project whose files are in a folder."""
    return Project(root=folder, name="demo", stack="dev", config_dir=folder, fleet_path=folder / "fleet.yaml")


def write_project(folder: Path) -> Project:
    """A project whose files all are as tiercast left them."""
    for name, data in project_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    project = project_in(folder)
    made = ResourceEntry(op="create", urn="urn:pulumi:dev::p::aws:autoscaling/group:Group::warm-m5-large")
    for entry in (
        Decided(at=START, event="plan", plan="aa1", tiers={"warm": TierEntry(before=1, after=2, reason="2 carry it.")}),
        Started(at=START, event="up", plan="aa1", steps=1),
        Applied(at=START, event="applied", plan="aa1", steps=1, resources=(made,)),
        Failed(at=START + HOUR, event="failed", plan="ab2", resources=(made,), error="no route"),
    ):
        ledger.append(project.ledger_file, entry)
    write_run(project.runs, inputs_of(decide(make_snapshot(20.0, running=2)), seed=0), now=START)
    next(project.runs.glob("*.zip")).rename(project.runs / "aa1.zip")
    rows = np.outer(np.arange(1.0, 5.0), np.linspace(50, 150, len(KEPT_LEVELS)))
    kept = dict.fromkeys(Rung, rows)
    write_memory(
        project.memory_file,
        RunMemory(
            rules=(3600.0, 1),
            cutoff=START + (HOURS - 5) * HOUR,
            made={"gold": kept, "bronze": kept},
            groups={"shop": kept, "batch": kept},
            qos={"shop": "gold", "batch": "bronze"},
            mixes={"gold": {0: 1.0}, "bronze": {1: 1.0}},
            load={"gold": 0.05, "bronze": 0.05},
            carried={"gold": 1.0, "bronze": 1.0},
            heard=(LastHeard(application="shop", qos="gold", until=START + HOUR, rps=0.05, mean_rps=0.05),),
        ),
    )
    return project
