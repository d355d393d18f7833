"""How the tests run a command: its exit code, and what it prints with --json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.cli import main


def run(*words: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main(list(words))
    return int(done.value.code or 0)


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What a command prints with --json, which is JSON without NaN or infinities."""
    capsys.readouterr()
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert isinstance(found, dict)
    return found
