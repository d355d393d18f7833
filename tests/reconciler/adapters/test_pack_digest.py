"""The pack's digest changes with every file that a verdict depends on, wherever it is, and with no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.adapters.pack_digest import deciding_files, pack_digest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the repository's pack with what it imports beside it, as in a checkout of the base branch."""
    for name in ("policies", "stacks", "reconciler"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pinned.yaml").write_text("prices")
    (tmp_path / "demand.json").write_text("{}")
    settings = {"catalogueFile": "../pinned.yaml", "forecastFile": "../demand.json"}
    (tmp_path / "policies" / "config.dev.json").write_text(json.dumps({"latency-slo": settings}))
    return tmp_path / "policies"


def digest(pack: Path) -> str:
    return pack_digest(pack, pack / "config.dev.json", project="shop", stack="dev")


@pytest.mark.parametrize(
    "name",
    [
        "policies/cost.py",
        "policies/PulumiPolicy.yaml",
        "policies/config.dev.json",
        "stacks/contract.py",
        "stacks/program.py",
        "reconciler/__init__.py",
        "reconciler/slo/assess.py",
        "reconciler/slo/gi_g_1.py",
        "reconciler/prices/bill.py",
        "reconciler/prices/__init__.py",
        "reconciler/prices/catalogue.yaml",
        "reconciler/errors.py",
        "pinned.yaml",
    ],
)
def test_every_file_that_decides_counts(pack: Path, name: str) -> None:
    before = digest(pack)
    path = pack.parent / name
    path.write_text(path.read_text() + "\n")
    assert digest(pack) != before


@pytest.mark.parametrize("name", ["reconciler/cli/plan.py", "reconciler/loop/gather.py", "demand.json"])
def test_what_decides_nothing_and_what_is_new_with_every_plan_does_not_count(pack: Path, name: str) -> None:
    before = digest(pack)
    path = pack.parent / name
    path.write_text(path.read_text() + "\n")
    assert digest(pack) == before


def test_imports_of_a_pack_that_stands_alone_are_those_of_the_installed_tiercast(pack: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "policies"
    shutil.copytree(pack, alone)
    assert set(deciding_files(alone)) == set(deciding_files(pack))
    assert deciding_files(alone)["reconciler/errors.py"] == ROOT / "reconciler" / "errors.py"
    assert deciding_files(pack)["reconciler/errors.py"] == pack.parent / "reconciler" / "errors.py"


def test_a_pinned_file_that_vanishes_and_a_newer_package_count(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(pack)
    (pack.parent / "pinned.yaml").unlink()
    gone = digest(pack)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99")
    assert len({before, gone, digest(pack), pack_digest(None, None, project="shop", stack="dev")}) == 4


def test_a_folder_or_a_module_beside_the_pack_that_shadows_a_package_of_others_counts(pack: Path) -> None:
    before = digest(pack)
    (pack.parent / "pydantic.py").write_text("")
    module = digest(pack)
    (pack.parent / "scipy").mkdir()
    (pack.parent / "scipy" / "__init__.py").write_text("")
    assert len({before, module, digest(pack)}) == 3
