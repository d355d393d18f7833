"""How the tests are spread over processes: which of them must share one, and which run wherever there is time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
#: Tests that start daemons: labs choose free ports one after the other, and share the checkout's own lab.
DAEMONS = ("tests/lab/", "tests/e2e/", "tests/stacks/test_engine.py")


def group_of(test: str) -> str:
    """The name that a test (`tests/folder/test_file.py::test_name[case]`) shares with those that run in its process."""
    file = test.partition("::")[0]
    if file.startswith(DAEMONS):
        return "daemons"
    return file if _shares(file) else test


@cache
def _shares(file: str) -> bool:
    """Whether tests of the file share a fixture, which every process that runs one of them would make again."""
    return 'scope="module"' in (ROOT / file).read_text(encoding="utf-8")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Largest group first, each to the process that runs out of work."""

    def _split_scope(self, nodeid: str) -> Any:
        return group_of(nodeid)
