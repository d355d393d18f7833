"""A patch is one that git applies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.report.proposal import patch_of


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1\nb: 2\nc: 3\n", "a: 1\nb: 5\nc: 3\n"),
        (None, "a: 1\n"),
        ("a: 1", "a: 2"),
        ("a: 1\n", "a: 1\nb: é\n"),
        ("".join(f"k{n}: {n}\n" for n in range(50)), "".join(f"k{n}: {n * (n % 20 == 0)}\n" for n in range(50))),
    ],
    ids=["changed", "new file", "no end of line", "not ASCII", "several hunks"],
)
def test_git_applies_the_patch(tmp_path: Path, before: str | None, after: str) -> None:
    if before is not None:
        (tmp_path / "Pulumi.dev.yaml").write_text(before)
    (tmp_path / "p.patch").write_text(patch_of({"Pulumi.dev.yaml": (before, after), "same.yaml": ("x", "x")}))
    subprocess.run(["git", "apply", "p.patch"], cwd=tmp_path, check=True)
    assert (tmp_path / "Pulumi.dev.yaml").read_text() == after


def test_nothing_changed_is_an_empty_patch() -> None:
    assert patch_of({"a": ("x", "x")}) == ""
