"""Signals and the time limit of a run, with real signals to this process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from reconciler.adapters.stopping import Stopping
from reconciler.errors import Interrupted, RunTimeout


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stopping(said: list[str]) -> Iterator[Stopping]:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    made = Stopping(said.append)
    with made.listening():
        yield made
    assert {one: signal.getsignal(one) for one in before} == before


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0)  # lets the handler run


def test_the_first_signal_ends_the_wait_and_the_run_before_its_next_step(stopping: Stopping, said: list[str]) -> None:
    stopping.before("preview")
    send(signal.SIGTERM)
    began = time.monotonic()
    assert stopping.wait(60.0)
    assert time.monotonic() - began < 5.0
    with pytest.raises(Interrupted, match="before the step 'apply'"):
        stopping.before("apply")
    assert (stopping.signal, stopping.aborted) == (signal.SIGTERM, False)
    assert said == ["SIGTERM: tiercast stops after the current step. A second signal aborts the step."]


def test_the_second_signal_aborts_the_step(stopping: Stopping) -> None:
    def twice() -> None:
        with stopping.limited(None):
            send(signal.SIGINT)
            send(signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(Interrupted, match="aborted by a second signal"):
        twice()
    assert stopping.aborted


def test_a_run_that_takes_too_long_is_ended_and_may_be_repeated(stopping: Stopping) -> None:
    with (
        pytest.raises(RunTimeout, match=r"did not end within 0:00:00.1") as caught,
        stopping.limited(timedelta(seconds=0.1)),
    ):
        time.sleep(30)
    assert caught.value.retryable
    assert not stopping.asked


@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning")  # JAX warns of forks once another test has imported it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_forked_child_is_ended_by_the_signal_itself(stopping: Stopping, said: list[str]) -> None:
    ready, begun = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(begun, b"x")  # a signal that comes before a child has begun is dropped by Python itself
        time.sleep(30)
        os._exit(0)
    os.read(ready, 1)
    os.close(ready)
    os.close(begun)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert said == []
    assert not stopping.asked


def test_a_run_within_its_limit_is_left_alone(stopping: Stopping) -> None:
    with stopping.limited(timedelta(seconds=0.1)):
        pass
    time.sleep(0.2)
    assert not stopping.asked
