"""The shape of the code base: rooms list their modules, words have one meaning, and nothing imports in a circle."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("forecaster", "reconciler", "stacks", "policies", "lab", "benchmarks")
#: Package → most pairs of its rooms that may import each other.
ARROWS = {"reconciler": 95, "forecaster": 35}


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Dotted name and file of every module of a package."""
    for file in sorted((ROOT / package).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imports(package: str) -> dict[str, set[str]]:
    """Module → modules of the same package that it imports, inside functions too."""
    known = dict(modules(package))
    found: dict[str, set[str]] = {}
    for name, file in known.items():
        found[name] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
                found[name] |= {t if t in known else node.module for t in targets if node.module.startswith(package)}
            elif isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names if alias.name.startswith(f"{package}.")}
        found[name].discard(name)
    return found


@pytest.mark.parametrize("package", ARROWS)
def test_no_module_imports_in_a_circle(package: str) -> None:
    try:
        TopologicalSorter(imports(package)).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("package", ARROWS)
def test_few_rooms_know_each_other(package: str) -> None:
    pairs = {
        (name.split(".")[1], target.split(".")[1])
        for name, targets in imports(package).items()
        for target in targets
        if "." in name and "." in target
    }
    arrows = {(a, b) for a, b in pairs if a != b}
    assert len(arrows) <= ARROWS[package]


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for name, file in modules(package):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize(
    "room", sorted(file.parent for file in (ROOT / "reconciler").rglob("__init__.py")), ids=lambda room: room.name
)
def test_a_room_lists_its_modules(room: Path) -> None:
    if room.name == "cli":
        pytest.skip("a command is a line in COMMANDS")
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    listed = re.findall(r"^- `(\w+)`: ", text, flags=re.MULTILINE)
    there = {file.stem for file in room.glob("*.py") if file.stem != "__init__"}
    there |= {file.parent.name for file in room.glob("*/__init__.py")}
    assert sorted(listed) == sorted(there)
