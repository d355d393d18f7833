"""A running lab for tests and scripts: `with running() as lab: ...`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import up
from lab.model import DomainType, Lab
from lab.progress import Say, silent


@contextmanager
def running(
    root: Path | None = None,
    *,
    directory: Path | None = None,
    domain_type: DomainType | None = None,
    keep: bool = True,
    say: Say = silent,
) -> Iterator[Lab]:
    """The lab in `directory` (default: the checkout's own), started where it does not run yet.

    With `keep` it is left running at the end, so that the next one starts at once; without, it is taken down.
    """
    lab = up.up(root, directory=directory, domain_type=domain_type, say=say)
    try:
        yield lab
    finally:
        if not keep:
            up.down(lab.directory)
