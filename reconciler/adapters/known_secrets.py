"""The secrets that this process's environment holds, so that text of other programs can be searched for them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from stacks.plain_secrets import NAMES

#: Holds the name of a file with the passphrase.
_PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"


def known_secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the variables whose names say so (`…_PASSPHRASE`, `…_TOKEN`, `…_ACCESS_KEY`), and the passphrase file's."""
    found = [value for name, value in environment.items() if NAMES.search(name)]
    if path := environment.get(_PASSPHRASE_FILE):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found.append(Path(path).read_text(encoding="utf-8").strip())
    return tuple(found)
