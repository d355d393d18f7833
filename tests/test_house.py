"""The shape of the code base: rooms list their modules, words have one meaning, and nothing imports in a circle."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("forecaster", "reconciler", "stacks", "policies", "lab", "benchmarks")
#: Package → most pairs of its rooms that may import each other.
ARROWS = {"reconciler": 95, "forecaster": 35}
#: Most modules beside the rooms, lines of a module, lines of a function, and parameters of one without `self` and `cls`.
LOOSE, MODULE, FUNCTION, PARAMETERS = 4, 300, 60, 8


@cache
def tree(file: Path) -> ast.Module:
    """A module as Python reads it."""
    return ast.parse(file.read_text(encoding="utf-8"))


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
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
                found[name] |= {t if t in known else node.module for t in targets if node.module.startswith(package)}
            elif isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names if alias.name.startswith(f"{package}.")}
        found[name].discard(name)
    return found


def arrows(package: str) -> set[tuple[str, str]]:
    """Ordered pairs of different rooms (or modules beside them) of which the first imports from the second."""
    pairs = {
        (name.split(".")[1], target.split(".")[1])
        for name, targets in imports(package).items()
        for target in targets
        if "." in name and "." in target
    }
    return {(a, b) for a, b in pairs if a != b}


def functions(package: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Dotted name and definition of every function and method, inner ones too."""
    for name, file in modules(package):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}.{node.name}", node


@pytest.mark.parametrize("package", ARROWS)
def test_few_modules_lie_beside_the_rooms(package: str) -> None:
    loose = sorted(file.name for file in (ROOT / package).glob("*.py") if file.name != "__init__.py")
    assert len(loose) <= LOOSE, loose


@pytest.mark.parametrize("package", ARROWS)
def test_no_module_imports_in_a_circle(package: str) -> None:
    assert circle(imports(package)) == ""


@pytest.mark.parametrize("package", ARROWS)
def test_no_room_imports_in_a_circle(package: str) -> None:
    knows: dict[str, set[str]] = defaultdict(set)
    for room, other in arrows(package):
        knows[room].add(other)
    assert circle(knows) == ""


def circle(knows: Mapping[str, set[str]]) -> str:
    """A circle in the graph; empty where there is none."""
    try:
        TopologicalSorter(knows).prepare()
    except CycleError as error:
        return " → ".join(error.args[1])
    return ""


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}).count("→") == 3


@pytest.mark.parametrize("package", ARROWS)
def test_few_rooms_know_each_other(package: str) -> None:
    assert len(arrows(package)) <= ARROWS[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_and_functions_are_short(package: str) -> None:
    lines = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in modules(package)}
    assert {name: count for name, count in lines.items() if count > MODULE} == {}
    long = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions(package)}
    assert {name: count for name, count in long.items() if count > FUNCTION} == {}


def test_functions_have_few_parameters() -> None:
    found = {name for package in PACKAGES for name, node in functions(package) if len(parameters(node)) > PARAMETERS}
    assert found == set()


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names of all parameters but the object or class that a method belongs to."""
    given = node.args
    every = [*given.posonlyargs, *given.args, *filter(None, [given.vararg]), *given.kwonlyargs]
    every += filter(None, [given.kwarg])
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def test_one_module_alone_imports_the_libvirt_sdk() -> None:
    """The SDK is no longer maintained: docs/libvirt.md describes the way to another one, which this keeps short."""
    users = [
        name
        for package in PACKAGES
        for name, file in modules(package)
        for node in ast.walk(tree(file))
        if any(found.split(".")[0] == "pulumi_libvirt" for found in _imported(node))
    ]
    assert users == ["stacks.metal"]


def _imported(node: ast.AST) -> list[str]:
    """Modules that a statement imports by their absolute names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for name, file in modules(package):
            for node in ast.walk(tree(file)):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


#: A command of `cli` is a line in COMMANDS instead.
ROOMS = sorted({file.parent for file in (ROOT / "reconciler").rglob("__init__.py")} - {ROOT / "reconciler" / "cli"})


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_lists_its_modules(room: Path) -> None:
    text = ast.get_docstring(tree(room / "__init__.py")) or ""
    listed = re.findall(r"^- `(\w+)`: ", text, flags=re.MULTILINE)
    there = {file.stem for file in room.glob("*.py") if file.stem != "__init__"}
    there |= {file.parent.name for file in room.glob("*/__init__.py")}
    assert sorted(listed) == sorted(there)
