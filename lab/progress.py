"""Steps of the set-up as they are told to the user: one line for what and why, one for how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


def to_stderr(text: str) -> None:
    """Progress goes to stderr: stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def silent(_text: str) -> None:
    """For tests and `--json`."""


@contextmanager
def step(say: Say, what: str, why: str) -> Iterator[None]:
    """Say what is done and why, then how long it took. Nothing more is said where it fails: the error speaks."""
    say(f"==> {what}: {why}")
    started = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - started:.1f} s")
