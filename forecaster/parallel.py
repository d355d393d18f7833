"""Running many independent tasks: one after another, on local processes, or on whatever `Runner` is passed in.

The rule: results come back in the order of the tasks, and are the same wherever they ran. A worker that dies costs time,
not results: its tasks are run again, in the end in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from joblib import Parallel, delayed

T = TypeVar("T")
R = TypeVar("R")
#: How often lost tasks are given to new processes before this one runs them.
ATTEMPTS = 3


class Runner(Protocol):
    """Applies a function to every item and returns the results in order."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """One result per item, in the order of `items`."""
        ...


def in_order(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Runs everything here, one after another."""
    return [function(item) for item in items]


def processes(jobs: int) -> Runner:
    """A runner on `jobs` local processes (joblib's loky); 1: `in_order`."""
    if jobs <= 1:
        return in_order

    def run(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        done: dict[int, R] = {}
        for _ in range(ATTEMPTS):
            left = [k for k in range(len(items)) if k not in done]
            if not left:
                break
            try:
                work = (delayed(_numbered)(function, k, items[k]) for k in left)
                for numbered in Parallel(n_jobs=jobs, return_as="generator_unordered")(work):
                    done.update((numbered,))  # one by one: what came before a worker died is kept
            except (BrokenProcessPool, OSError):
                continue
        for k in range(len(items)):
            if k not in done:
                done[k] = function(items[k])
        return [done[k] for k in range(len(items))]

    return run


def _numbered(function: Callable[[T], R], number: int, item: T) -> tuple[int, R]:
    return number, function(item)
