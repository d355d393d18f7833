"""`make clean` in a checkout that also holds somebody's own stacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from lab import paths


def checkout(root: Path, *names: str) -> None:
    """A copy of what `make clean` needs, with these files."""
    source = paths.repository_root()
    shutil.copy(source / "Makefile", root)
    shutil.copytree(source / "lab", root / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("kept\n", encoding="utf-8")


def make_clean(root: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(["make", "clean"], cwd=root, env=environment, check=True, capture_output=True)


def test_ledger_and_models_of_other_stacks_stay(tmp_path: Path) -> None:
    others = (".tiercast/prod/ledger.jsonl", ".tiercast/prod/models/current", "Pulumi.prod.yaml", "fleet.yaml")
    labs = (".tiercast/lab/ledger.jsonl", ".tiercast/lab-state/lab.log", "Pulumi.lab.yaml", ".mypy_cache/x")
    checkout(tmp_path, *others, *labs)
    make_clean(tmp_path)
    assert [name for name in others if not (tmp_path / name).exists()] == []
    assert [name for name in labs if (tmp_path / name).exists()] == []


def test_without_other_stacks_nothing_is_left(tmp_path: Path) -> None:
    checkout(tmp_path, ".tiercast/lab/plan.json", ".tiercast/lab-state/lab.log")
    make_clean(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "lab"]
