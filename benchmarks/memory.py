"""How much memory a stretch of code takes at its peak, on top of what the process held before.

Resident memory is sampled by a thread: high-water marks of the kernel can't be reset everywhere. Memory that was freed
before and is used again doesn't show, nor do peaks of a few milliseconds: a lower bound.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds between two samples.
EVERY = 0.01


def _resident() -> float:
    """MiB resident now; NaN where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def peak_above() -> Iterator[Callable[[], float]]:
    """Gives a function that returns, after the block, the MiB that the peak lay above the start."""
    before = _resident()
    peak, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(EVERY):
            peak[0] = max(peak[0], _resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: max(0.0, peak[0] - before)
    finally:
        done.set()
        watcher.join()
        peak[0] = max(peak[0], _resident())
