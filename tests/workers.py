"""How the tests are spread over processes: which of them must share one, and which run wherever there is time."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
#: What starts daemons: they choose free ports one after the other, and share the checkout's own lab.
DAEMONS = re.compile(r"^pytestmark = .*\bmark\.(lab|engine)\b", flags=re.MULTILINE)


def group_of(test: str) -> str:
    """The name that a test (`tests/folder/test_file.py::test_name[case]`) shares with those that run in its process."""
    file = test.partition("::")[0]
    text = _text(file)
    if file.startswith("tests/lab/") or DAEMONS.search(text):
        return "daemons"
    # A fixture that tests of a file share would be made again by every process that runs one of them.
    return file if 'scope="module"' in text else test


@cache
def _text(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Largest group first, each to the process that runs out of work."""

    def _split_scope(self, nodeid: str) -> Any:
        return group_of(nodeid)
