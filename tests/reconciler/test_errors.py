"""The tree of errors: what is drawn is what exists, with its exit code, remedy and retryability, here and in the docs."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import forecaster.errors
import reconciler.errors
from forecaster.errors import TiercastError
from reconciler.errors import (
    ContradictoryBounds,
    InputError,
    PolicyRefused,
    PriceMissing,
    SourceSilent,
    UnknownType,
)

ROOT = Path(__file__).parents[2]
PRODUCT = ("forecaster", "reconciler", "stacks", "policies", "lab")
BRANCH = re.compile(
    r"^ {4}(?P<lines>[│ ]*(?:├── |└── )?)(?P<name>[A-Z]\w+) +(?P<exit>\d+) +(?P<retry>no|yes) +(?P<module>[\w.]+) "
)
INNER = re.compile(r"^ {4}(?P<name>[A-Z]\w+) +(?P<module>[a-z][\w.]+) +\S")


class Drawn(NamedTuple):
    parent: str | None
    exit_code: int
    retryable: bool
    module: str


def drawing() -> tuple[dict[str, Drawn], dict[str, str]]:
    """The tree of `reconciler.errors` by name, and the errors that stay inside a package with their modules."""
    tree: dict[str, Drawn] = {}
    inner: dict[str, str] = {}
    path: list[str] = []
    for line in (reconciler.errors.__doc__ or "").splitlines():
        if found := BRANCH.match(line):
            depth = len(found["lines"]) // 4
            path = [*path[:depth], found["name"]]
            parent = path[depth - 1] if depth else None
            tree[found["name"]] = Drawn(parent, int(found["exit"]), found["retry"] == "yes", found["module"])
        elif found := INNER.match(line):
            inner[found["name"]] = found["module"]
    return tree, inner


TREE, INNER_ERRORS = drawing()


@cache
def sources() -> list[tuple[str, ast.Module]]:
    """Every module of the product with its syntax tree."""
    found = []
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found.append((module, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def written() -> dict[str, str]:
    """Every exception class in the product's source, with its module. Nothing is imported for it."""
    bases: dict[str, tuple[str, set[str]]] = {}
    for module, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names = {
                    b.id if isinstance(b, ast.Name) else b.attr
                    for b in node.bases
                    if isinstance(b, ast.Name | ast.Attribute)
                }
                bases[node.name] = (module, names)
    builtin = vars(importlib.import_module("builtins"))
    found = {name for name, kind in builtin.items() if isinstance(kind, type) and issubclass(kind, BaseException)}
    own: dict[str, str] = {}
    while new := {name: module for name, (module, names) in bases.items() if name not in own and names & found}:
        own |= new
        found |= new.keys()
    return own


def kind_of(name: str) -> type[TiercastError]:
    found = getattr(importlib.import_module(TREE[name].module), name)
    assert issubclass(found, TiercastError)
    return found


def made(name: str) -> TiercastError:
    """An error of that kind, as it is raised."""
    if name == "InputError":
        return InputError("fleet.yaml, step", "expected a duration, found 5.", "Write for instance 5m.")
    if name == "PolicyRefused":
        return PolicyRefused(["cost-ceiling: The stack can cost 5 USD/hour, the ceiling is 4."])
    if name == "UnknownType":
        return UnknownType("m5.mega", ["m5.large", "c5.large"])
    if name == "PriceMissing":
        return PriceMissing("m5.large", "on_demand", "prices.yaml")
    if name == "ContradictoryBounds":
        return ContradictoryBounds("tier warm", 4, 2)
    if name == "PortBusy":
        return kind_of(name)(8001, "the cloud")
    if name == "PartMissing":
        return kind_of(name)("libvirtd", remedy="Install it.")
    if name == "DaemonFailed":
        return importlib.import_module("lab.errors").DaemonFailed("The cloud", "did not start", Path("cloud.log"))
    return kind_of(name)("The file is too large.")


def test_the_drawing_shows_every_error_of_the_product() -> None:
    drawn = {name: row.module for name, row in TREE.items()} | INNER_ERRORS
    assert drawn == written()


@pytest.mark.parametrize("name", TREE)
def test_an_error_is_what_its_drawing_says(name: str) -> None:
    row, kind = TREE[name], kind_of(name)
    assert kind.__module__ == row.module
    assert row.parent == (None if kind is TiercastError else kind.__base__ and kind.__base__.__name__)
    assert (kind.exit_code, kind.retryable) == (row.exit_code, row.retryable)


@pytest.mark.parametrize("name", TREE)
def test_an_error_has_a_sentence_and_a_remedy_and_survives_the_way_from_another_process(name: str) -> None:
    error = made(name)
    assert "\n" not in str(error)
    assert str(error).endswith(".")
    assert error.remedy.endswith(".")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), vars(back)) == (str(error), vars(error))


def test_what_the_modules_export_are_their_errors() -> None:
    ours = {name for name, row in TREE.items() if row.module == "reconciler.errors"}
    assert set(reconciler.errors.__all__) == ours | {"TiercastError"}
    assert set(forecaster.errors.__all__) == {name for name, row in TREE.items() if row.module == "forecaster.errors"}


def test_the_docs_list_the_exit_codes_and_the_retryable_errors() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    codes = {int(code): errors for code, errors in re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]*)\|$", page, re.M)}
    assert set(codes) == {row.exit_code for row in TREE.values()} | {0, 2}
    for code, errors in codes.items():
        if code not in {0, 1, 2}:
            assert set(re.findall(r"`(\w+)`", errors)) == {n for n, row in TREE.items() if row.exit_code == code}
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \|", page, re.M)
    assert {name for name, retry in rows if retry == "yes"} == {n for n, row in TREE.items() if row.retryable}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    line = next(line for line in readme.splitlines() if line.startswith("Exit codes:"))
    assert {int(code) for code in re.findall(r"\b(\d+) \w", line)} == set(codes)


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for module, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield f"{module}:{node.lineno}", node


def ending(text: ast.expr) -> str | None:
    """The literal end of a string expression; None where it is a value."""
    if isinstance(text, ast.Constant):
        return str(text.value)
    if isinstance(text, ast.BinOp):
        return ending(text.right)
    last = text.values[-1] if isinstance(text, ast.JoinedStr) and text.values else None
    return str(last.value) if isinstance(last, ast.Constant) else None


def test_every_wrong_input_names_its_place_the_problem_and_the_remedy() -> None:
    found = list(calls("InputError"))
    assert len(found) > 30
    for where, call in found:
        assert len(call.args) == 3, where
        assert not call.keywords, where
        location, problem, remedy = map(ending, call.args)
        assert location != "", where
        assert problem is None or problem.endswith((".", ")", "\u2026")), (where, problem)
        assert remedy is None or remedy.endswith((".", "…")), (where, remedy)


def test_an_input_error_reads_place_problem_remedy() -> None:
    error = InputError("fleet.yaml, step", "expected a duration, found 5.", "Write for instance 5m.")
    assert str(error) == "fleet.yaml, step: expected a duration, found 5. Write for instance 5m."
    assert (error.location, error.problem, error.remedy) == (
        "fleet.yaml, step",
        "expected a duration, found 5.",
        "Write for instance 5m.",
    )


def test_a_source_that_is_silent_may_answer_later_and_a_wrong_history_does_not() -> None:
    assert SourceSilent("h.csv: no such file.").retryable
    assert not forecaster.errors.HistoryError("h.csv: no column.").retryable


def test_only_the_command_line_reads_exit_codes_and_only_the_loop_of_reconcile_retries() -> None:
    readers: dict[str, set[str]] = {"exit_code": set(), "retryable": set()}
    for module, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in readers:
                readers[node.attr].add(module)
    # A summary has an exit code too: that of a result, not of an error.
    assert readers["exit_code"] - {"reconciler.report.summary"} == {
        "reconciler.cli.adopt",
        "reconciler.cli.failures",
        "reconciler.cli.preview",
        "reconciler.cli.reconcile",
    }
    assert readers["retryable"] == {"reconciler.cli.failures", "reconciler.loop.service"}


def test_no_message_promises_a_retry() -> None:
    promise = re.compile(r"tried again|will retry|is retried|next run finishes", re.I)
    for module, tree in sources():
        if module.startswith("lab.plugins"):  # texts of AWS
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not promise.search(node.value), f"{module}:{node.lineno}"
