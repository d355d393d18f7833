"""Repeated runs, with a clock that the test moves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from reconciler.errors import InputError, Interrupted, StackLocked, Unavailable
from reconciler.loop.schedule import NextRun, Schedule
from reconciler.loop.service import RunService, serve
from reconciler.report.service_state import RunEnd

BROKEN = InputError("fleet.yaml", "not valid YAML.", "Fix that line.")


@dataclass
class World:
    """A clock, how long each run takes and how it ends, and when somebody asks to stop."""

    outcomes: list[int | Exception]
    takes: float = 10.0
    stop_at: float = 1e9
    time: float = 0.0
    started: list[float] = field(default_factory=list)
    seen: list[tuple[RunEnd, NextRun | None]] = field(default_factory=list)

    def run(self) -> int:
        self.started.append(self.time)
        self.time += self.takes
        found = self.outcomes.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def wait(self, seconds: float) -> bool:
        self.time = min(self.time + seconds, max(self.stop_at, self.time))
        return self.time >= self.stop_at

    def ended(self, end: RunEnd, following: NextRun | None) -> None:
        self.seen.append((end, following))

    def serve(self, runs: int | None = None, jitter: float = 0.0, run: Callable[[], int] | None = None) -> int:
        schedule = Schedule(every=timedelta(seconds=60), jitter=timedelta(seconds=jitter))
        service = RunService(
            schedule=schedule,
            runs=runs,
            clock=lambda: self.time,
            wait=self.wait,
            luck=random.Random(7),
            watches=(self,),
        )
        return serve(service, run or self.run)


def test_a_service_runs_until_it_is_asked_to_stop() -> None:
    world = World(outcomes=[0, 2, 0, 0], stop_at=200.0)
    assert world.serve() == 0
    assert world.started == [0.0, 60.0, 120.0, 180.0]
    assert [end.outcome for end, _ in world.seen] == ["done", "changes", "done", "done"]


def test_a_request_to_stop_during_a_run_starts_no_other_and_names_none() -> None:
    world = World(outcomes=[0], stop_at=5.0)
    assert world.serve() == 0
    assert world.seen[-1][1] is None


def test_a_run_that_is_stopped_between_its_steps_ends_the_service_at_once() -> None:
    world = World(outcomes=[Interrupted("The run was stopped before the step 'apply'.")])
    with pytest.raises(Interrupted):
        world.serve()


def test_with_a_number_of_runs_the_code_is_that_of_the_last_one() -> None:
    assert World(outcomes=[0, 3]).serve(runs=2) == 3
    world = World(outcomes=[BROKEN, 0])
    assert world.serve(runs=2) == 0
    with pytest.raises(InputError):
        World(outcomes=[0, BROKEN]).serve(runs=2)


def test_a_failure_ends_no_service_and_one_that_stays_is_tried_less_often() -> None:
    world = World(outcomes=[BROKEN, BROKEN, BROKEN, Unavailable("hv-a does not answer."), ZeroDivisionError(), 0])
    assert world.serve(runs=6) == 0
    assert world.started == [0.0, 60.0, 240.0, 540.0, 600.0, 660.0]
    assert [end.outcome for end, _ in world.seen] == ["failed"] * 5 + ["done"]


def test_another_run_that_holds_the_lock_is_waited_for_without_a_growing_pause() -> None:
    world = World(outcomes=[StackLocked("This stack is locked by `tiercast up`.")] * 3 + [0])
    assert world.serve(runs=4) == 0
    assert world.started == [0.0, 60.0, 120.0, 180.0]
    assert [end.outcome for end, _ in world.seen] == ["busy"] * 3 + ["done"]


def test_runs_that_take_longer_than_the_interval_do_not_pile_up() -> None:
    world = World(outcomes=[0, 0, 0], takes=150.0)
    assert world.serve(runs=3) == 0
    assert world.started == [0.0, 180.0, 360.0]
    assert [following.missed for _, following in world.seen if following] == [2, 2]


def test_the_jitter_is_the_same_for_the_same_seed_and_within_its_bound() -> None:
    starts = []
    for _ in range(2):
        world = World(outcomes=[0] * 20)
        world.serve(runs=20, jitter=30.0)
        starts.append(world.started)
    assert starts[0] == starts[1]
    late = [start - 60.0 * k for k, start in enumerate(starts[0])]
    assert late[0] == 0.0
    assert all(0.0 <= one <= 30.0 for one in late)
    assert len(set(late[1:])) > 10
