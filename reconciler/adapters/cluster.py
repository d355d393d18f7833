"""A Dask cluster as a runner of the forecaster's tasks.

The rule: tasks are pure, so a task whose worker dies is run again elsewhere by the scheduler; only a scheduler that
does not answer is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from forecaster.parallel import Runner
from reconciler.errors import Unavailable, UserError

T = TypeVar("T")
R = TypeVar("R")
#: Workers that a task may outlive before it is blamed for their deaths.
RETRIES = 5


@contextmanager
def dask_runner(address: str, *, timeout: float = 5.0) -> Iterator[Runner]:
    """A runner on the cluster whose scheduler is at `address` (tcp://host:port).

    Raises:
        UserError: the `cluster` extra is not installed, or a task was lost with every worker that tried it.
        Unavailable: the scheduler does not answer within `timeout` seconds, or has no workers.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise UserError("--cluster needs Dask; install it with `pip install 'tiercast[cluster]'`.") from None
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as problem:
        raise Unavailable(f"the Dask scheduler at {address} does not answer ({problem}); check --cluster.") from None

    def run(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        futures = [client.submit(function, item, pure=False, retries=RETRIES) for item in items]
        try:
            return list(client.gather(futures))
        except KilledWorker as problem:
            raise UserError(
                f"a task lost every worker that tried it ({problem}); give the workers more memory."
            ) from None

    try:
        if not client.scheduler_info()["workers"]:
            raise Unavailable(
                f"the Dask scheduler at {address} has no workers; start some with `dask worker {address}`."
            )
        yield run
    finally:
        client.close()
