"""What mutated files have found: each ends in one sentence that names the file and the key."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from forecaster.errors import HistoryError
from reconciler.adapters import ledger
from reconciler.adapters.history.read import read_history
from reconciler.adapters.memory import read_memory
from reconciler.adapters.runs import read_run
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


def test_a_memory_or_a_ledger_line_that_is_nested_without_end_counts_as_damaged(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    project.memory_file.write_text("[" * 100_000)
    assert read_memory(project.memory_file)[1][0].startswith("memory.json can't be read")
    entries = len(ledger.read(project.ledger_file).entries)
    with project.ledger_file.open("a") as stream:
        stream.write("[" * 100_000 + "\n")
    found = ledger.read(project.ledger_file)
    assert (len(found.entries), len(found.notes)) == (entries, 1)


def test_a_packed_history_or_run_that_is_damaged_inside_is_refused_with_its_name(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-01T{hour:02d}:00:00Z,u,a,{hour}\n" for hour in range(24))
    packed = bytearray(gzip.compress(f"timestamp,user_id,application_id,requests\n{rows}".encode()))
    packed[20:60] = b"\xff" * 40
    (tmp_path / "h.csv.gz").write_bytes(packed)
    with pytest.raises(HistoryError, match=r"h\.csv\.gz: the gzip data is damaged"):
        read_history([tmp_path / "h.csv.gz"], step=timedelta(hours=1))
    project = write_project(tmp_path)
    run = project.runs / "aa1.zip"
    kept = run.read_bytes()
    middle = kept.index(b"inputs.json") + 11
    run.write_bytes(kept[:middle] + b"\xff" * 40 + kept[middle + 40 :])
    with pytest.raises(InputError, match=r"aa1\.zip: the kept inputs cannot be read"):
        read_run(project.runs, "aa1")
    with zipfile.ZipFile(io.BytesIO(kept)) as old, zipfile.ZipFile(run, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"gold"', b'"silver"', 1))
    with pytest.raises(InputError, match=r"the kept inputs cannot be read \(they were changed after the run\)"):
        read_run(project.runs, "aa1")


def test_a_memory_with_a_number_that_no_float_holds_counts_as_damaged(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    memory = json.loads(project.memory_file.read_bytes())
    memory["load"]["gold"] = 10**400
    project.memory_file.write_text(json.dumps(memory))
    assert read_memory(project.memory_file)[1][0].startswith("memory.json can't be read")
