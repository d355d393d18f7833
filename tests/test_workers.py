"""Tests that must share a process do, whatever the others are spread over."""

from __future__ import annotations

import pytest
from workers import group_of


@pytest.mark.parametrize(
    "file", ["tests/e2e/test_demo.py", "tests/stacks/test_engine.py", "tests/lab/test_plugin_cloud.py"]
)
def test_all_tests_of_daemons_share_one_process(file: str) -> None:
    assert group_of(f"{file}::test_any[case]") == "daemons"


def test_tests_share_a_process_with_those_that_share_their_fixture_and_no_others() -> None:
    shared, alone = "tests/reconciler/onepool/test_onepool.py", "tests/reconciler/onepool/test_onepool_leaks.py"
    assert group_of(f"{shared}::test_a[x]") == group_of(f"{shared}::test_b") == shared
    assert group_of(f"{alone}::test_a[x]") != group_of(f"{alone}::test_a[y]")
