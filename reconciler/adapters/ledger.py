"""The ledger: every decision and its reasons, one JSON line each, only ever appended."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.adapters.files import unusable


def append(path: Path, *, at: datetime, event: str, detail: Mapping[str, Any]) -> None:
    """Append one line and flush it to disk; concurrent writers do not mix lines.

    Raises:
        InputError: the file cannot be written.
        Unavailable: its disk or mount does not answer.
    """
    line = json.dumps({"at": at.isoformat(), "event": event, **detail}, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        problem = f"the ledger cannot be written: {error.strerror}."
        raise unusable(path, error, problem, "Free the disk or correct the permissions.") from None


def entries(path: Path) -> list[dict[str, Any]]:
    """All whole entries, oldest first; a line cut short by a crash at the end is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows
