"""Tests that must share a process do, whatever the others are spread over."""

from __future__ import annotations

import re

from workers import ROOT, group_of


def test_all_tests_of_daemons_share_one_process() -> None:
    files = [file.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("test_*.py")]
    marked = [f for f in files if re.search(r"pytestmark.*mark\.(lab|engine)", (ROOT / f).read_text(encoding="utf-8"))]
    assert len(marked) >= 5
    assert {group_of(f"{file}::test_any[case]") for file in marked} == {"daemons"}


def test_tests_share_a_process_with_those_that_share_their_fixture_and_no_others() -> None:
    shared, alone = "tests/reconciler/onepool/test_onepool.py", "tests/reconciler/onepool/test_onepool_leaks.py"
    assert group_of(f"{shared}::test_a[x]") == group_of(f"{shared}::test_b") == shared
    assert group_of(f"{alone}::test_a[x]") != group_of(f"{alone}::test_a[y]")
