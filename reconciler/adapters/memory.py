"""The memory of a stack's forecasts as a file: written all or nothing. After a truncated file the tests restart, with a note."""

from __future__ import annotations

import json
from pathlib import Path

from reconciler.adapters.files import read_text, write_text
from reconciler.trust.memory import RunMemory, from_json, to_json
from stacks.yaml_text import load_json


def read_memory(path: Path) -> tuple[RunMemory | None, tuple[str, ...]]:
    """The kept memory and a sentence where it can't be used; None where there is none."""
    if not path.exists():
        return None, ()
    try:
        return from_json(load_json(read_text(path, "the forecasts' scores"))), ()
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None, (
            f"{path.name} can't be read (truncated, or of another version): the tests of the forecasts start again",
        )


def write_memory(path: Path, memory: RunMemory) -> None:
    """Keep a memory. Raises `InputError` where it can't be written; the old one is intact then."""
    write_text(path, json.dumps(to_json(memory), sort_keys=True, separators=(",", ":")) + "\n")
