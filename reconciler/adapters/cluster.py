"""A Dask cluster as a runner of the forecaster's tasks.

The rule: a task that raises is not run again. A task whose worker dies is: the scheduler gives it to other workers, up
to its `allowed-failures`, which is safe because tasks are pure. A scheduler that does not answer is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from forecaster.parallel import Runner
from reconciler.errors import Unavailable, UserError

T = TypeVar("T")
R = TypeVar("R")


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
        raise UserError("--cluster needs Dask.", remedy="Install it with `pip install 'tiercast[cluster]'`.") from None
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as problem:
        raise Unavailable(
            f"the Dask scheduler at {address} does not answer ({problem}).", remedy="Check --cluster and the scheduler."
        ) from None

    def run(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        futures = [client.submit(function, item, pure=False) for item in items]
        try:
            return list(client.gather(futures))
        except KilledWorker as problem:
            raise UserError(
                f"a task lost every worker that tried it ({problem}).", remedy="Give the workers more memory."
            ) from None

    try:
        if not client.scheduler_info()["workers"]:
            raise Unavailable(
                f"the Dask scheduler at {address} has no workers.", remedy=f"Start some with `dask worker {address}`."
            )
        yield run
    finally:
        client.close()
