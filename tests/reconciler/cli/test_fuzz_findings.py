"""What mutated files have found: each ends in one sentence that names the file and the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.explain import _last_basis
from reconciler.errors import InputError
from reconciler.fleet.file import parse_fleet
from reconciler.plan.file import parse_plan, plan_id
from tests.reconciler.cli.fuzzed_files import project_in, write_project
from tests.reconciler.fleet.test_fleet import small


def edited_plan(folder: Path, change: Any) -> dict[str, Any]:
    """The plan of a project, changed, with the id that belongs to its new content."""
    project = write_project(folder)
    plan: dict[str, Any] = json.loads(project.plan_file.read_bytes())
    change(plan)
    plan["id"] = plan_id(plan)
    project.plan_file.write_text(json.dumps(plan))
    return plan


def test_a_plan_whose_configuration_no_program_would_accept_is_not_explained(tmp_path: Path) -> None:
    edited_plan(tmp_path, lambda plan: plan["config"].update({"tiercast:demand": "x"}))
    with pytest.raises(
        InputError, match=r"plan\.json: its configuration is not valid: tiercast:demand: .*tiercast plan"
    ):
        _last_basis(project_in(tmp_path))


@pytest.mark.parametrize("level", ["0.99s", "1.5", "nan", ""])
def test_a_plan_with_a_level_that_is_none_is_no_plan(tmp_path: Path, level: str) -> None:
    plan = edited_plan(tmp_path, lambda plan: plan["classes"][0]["requests_per_second"].update({level: 1.0}))
    with pytest.raises(InputError, match="expected a level between 0 and 1"):
        parse_plan(plan, "plan.json")


@pytest.mark.parametrize("path", ["a\nb.csv", "a\0b.csv", "\x1b[2J.csv"])
def test_a_path_with_control_characters_is_refused_with_its_key(path: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_fleet(small(history={"paths": [path]}), "fleet.yaml")
    assert "history.paths[0]: expected one line of text without control characters" in str(caught.value)
