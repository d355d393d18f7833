"""From history files to the stack file: what is unknown shrinks nothing, with the real forecaster; the engine is a fake."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import yaml
from hypothesis import given, seed, settings

from forecaster.errors import HistoryError
from reconciler.adapters import ledger
from reconciler.adapters.project import Project
from reconciler.adapters.world import read
from reconciler.adapters.world.domains import HostRead
from reconciler.errors import UserError
from reconciler.loop import make_plan
from reconciler.observe.preview import StateResource
from reconciler.observe.stack_state import DOMAIN, GROUP
from reconciler.plan.file import PlanFile
from reconciler.record.entries import Decided
from reconciler.trust import feedback
from tests.reconciler.plan.unknown_demand import HOUR, START, Situation, mistakes, shrunk, situations

#: Cases of one part; `make test-properties` runs ten parts.
CASES = 5


def state_of(situation: Situation) -> list[StateResource]:
    """What runs, as the engine's state has it."""
    observed = situation.observed()

    def made(kind: str, name: str, inputs: dict[str, int], outputs: dict[str, int]) -> StateResource:
        return StateResource(
            urn=f"urn:pulumi:dev::p::{kind}::{name}", type=kind, id=name, inputs=inputs, outputs=outputs
        )

    machines = [
        made(DOMAIN, f"{tier}-{slot.hypervisor}-{slot.number:03d}", {"vcpu": 2, "memory": 2048}, {})
        for tier, slots in observed.slots.items()
        for slot in slots
    ]
    groups = [
        made(GROUP, f"{tier}-{name}", {}, {"desiredCapacity": count})
        for (tier, name), (_, count) in observed.groups.items()
    ]
    return [*machines, *groups]


def write(folder: Path, rows: list[tuple[str, str, str, str]]) -> None:
    lines = ["timestamp,user_id,application_id,requests", *(",".join(row) for row in rows)]
    (folder / "h.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def planned(situation: Situation, folder: Path) -> PlanFile | None:
    """The plan of the run, after an earlier one that kept its memory; None where the run ends in a user's error."""
    (folder / "fleet.yaml").write_text(yaml.safe_dump(situation.fleet()), encoding="utf-8")
    project = Project(root=folder, name="p", stack="dev", config_dir=folder, fleet_path=folder / "fleet.yaml")
    ledger.append(project.ledger_file, Decided(at=START, event="shadow"))
    if situation.remembered is not None:
        hours = situation.length - situation.remembered
        write(folder, situation.rows(hours, whole=True))
        make_plan(project, as_of=None, now=START + hours * HOUR)
    write(folder, situation.rows())
    before = project.stack_file.read_bytes() if project.stack_file.exists() else b""
    try:
        return make_plan(project, as_of=None, now=situation.now)
    except (UserError, HistoryError):
        assert (project.stack_file.read_bytes() if project.stack_file.exists() else b"") == before
        return None


def host_read(silent: dict[str, str], name: str) -> HostRead:
    """A host that does not answer, or one that there is no client to ask with."""
    return HostRead(error=silent[name]) if name in silent else HostRead(error="no client", asked=False)


@pytest.mark.generated
def test_no_plan_shrinks_a_tier_on_demand_that_is_not_known(cases_seed: int) -> None:
    counts: Counter[str] = Counter()

    @seed(cases_seed)
    @settings(max_examples=CASES, derandomize=False, database=None)
    @given(situations(longest=24 * 4))
    def judged(situation: Situation) -> None:
        engine = SimpleNamespace(ensure_stack=lambda: None, state=lambda: state_of(situation))
        silent = {situation.silent_host: "no route"} if situation.silent_host else {}
        with (
            tempfile.TemporaryDirectory() as folder,
            patch.object(Project, "engine", lambda self: engine),
            patch.object(read, "read_domains", lambda hosts, **_: {h.name: host_read(silent, h.name) for h in hosts}),
            patch.object(feedback, "ENOUGH_SCORED", 0),  # else every tier is blocked until forecasts were scored
        ):
            plan = planned(situation, Path(folder))
        counts["planned"] += plan is not None
        if plan is not None:
            assert mistakes(situation, plan, demoted=plan.demoted) == []
            counts["shrank"] += bool(shrunk(situation, plan))

    judged()
    assert counts["planned"] >= CASES / 2, counts
