"""What was checked is what runs: the files that decide an update are copied first, and later edits reach no copy."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from reconciler.adapters.private_copy import private_copy
from reconciler.adapters.project import Project, find_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "repository" / "project"
    for name, text in {
        "Pulumi.yaml": "name: p\nruntime: python\nmain: stacks/\n",
        "Pulumi.prod.yaml": "config: {}\n",
        "fleet.yaml": "version: 1\n",
        "stacks/__main__.py": "program",
        "stacks/__pycache__/x.pyc": "cache",
        "policies/PulumiPolicy.yaml": "runtime: python\n",
        "policies/rule.py": "rule",
        "policies/config.prod.json": json.dumps(
            {
                "latency-slo": {"forecastFile": "../.tiercast/{stack}/demand.json"},
                "month-cost": {"spendFile": "../../spend.json"},
            }
        ),
        ".tiercast/prod/demand.json": "demand",
        "../spend.json": "spend",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return find_project(root, stack="prod", fleet=None)


def test_edits_made_meanwhile_reach_no_copy(project: Project) -> None:
    with private_copy(project) as copy:
        for path in (project.stack_file, project.root / "stacks/__main__.py", project.root / "policies/rule.py"):
            path.write_text("edited", encoding="utf-8")
        assert copy.stack_file.read_text(encoding="utf-8") == "config: {}\n"
        assert (copy.root / "stacks/__main__.py").read_text(encoding="utf-8") == "program"
        engine = copy.engine()
        assert engine.policy_pack is not None
        assert (engine.policy_pack / "rule.py").read_text(encoding="utf-8") == "rule"
        assert engine.root == copy.root
        assert engine.environment["PYTHONPATH"].startswith(str(copy.root))


def test_files_that_the_packs_configuration_names_are_copied_too(project: Project) -> None:
    with private_copy(project) as copy:
        engine = copy.engine()
        assert engine.policy_pack is not None
        assert (engine.policy_pack / "../.tiercast/prod/demand.json").read_text(encoding="utf-8") == "demand"
        assert (engine.policy_pack / "../../spend.json").read_text(encoding="utf-8") == "spend"


def test_the_copy_is_private_has_no_caches_and_is_deleted(project: Project) -> None:
    with private_copy(project) as copy:
        top = next(p for p in copy.root.parents if p.name.startswith("tiercast-apply-"))
        assert stat.S_IMODE(top.stat().st_mode) == 0o700
        assert not (copy.root / "stacks/__pycache__").exists()
    assert not top.exists()


def test_plan_and_ledger_stay_where_they_are(project: Project) -> None:
    with private_copy(project) as copy:
        assert copy.work == project.work
        assert copy.fleet_path == project.fleet_path


def test_an_error_of_the_update_is_not_taken_for_one_of_the_copy(project: Project) -> None:
    with pytest.raises(ConnectionError, match="the engine is gone"), private_copy(project):
        raise ConnectionError("the engine is gone")
