"""When runs start: on time, without piling up, later after errors that stay."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.errors import UsageError
from reconciler.loop.schedule import MOST_BACKOFF, NextRun, Schedule, next_run

FIVE = Schedule(every=timedelta(minutes=5))


def after(now: float, *, due: float = 0.0, failures: int = 0, luck: float = 0.0, of: Schedule = FIVE) -> NextRun:
    return next_run(of, due=due, now=now, failures=failures, luck=luck)


def test_the_time_that_a_run_takes_is_no_part_of_the_interval() -> None:
    assert after(40.0) == NextRun(due=300.0, pause=260.0)
    assert after(310.0, due=300.0) == NextRun(due=600.0, pause=290.0)


def test_due_times_that_passed_while_a_run_was_busy_are_skipped_and_counted() -> None:
    assert after(301.0) == NextRun(due=600.0, pause=299.0, missed=1)
    assert after(1000.0) == NextRun(due=1200.0, pause=200.0, missed=3)


def test_a_run_that_ends_at_a_due_time_misses_none() -> None:
    assert after(300.0) == NextRun(due=300.0, pause=0.0)


def test_jitter_delays_a_start_and_moves_no_due_time() -> None:
    late = Schedule(every=timedelta(minutes=5), jitter=timedelta(seconds=30))
    first = after(0.0, luck=1.0, of=late)
    assert (first.due, first.pause) == (300.0, 330.0)
    assert after(335.0, due=first.due, luck=0.0, of=late) == NextRun(due=600.0, pause=265.0)


def test_a_jitter_as_long_as_the_interval_is_refused() -> None:
    with pytest.raises(UsageError, match="shorter than --every"):
        Schedule(every=timedelta(minutes=5), jitter=timedelta(minutes=5))


def test_the_pause_doubles_with_each_failure_up_to_a_bound() -> None:
    pauses = [after(0.0, failures=count).pause for count in range(1, 40)]
    assert pauses[:3] == [300.0, 600.0, MOST_BACKOFF.total_seconds()]
    assert set(pauses[2:]) == {MOST_BACKOFF.total_seconds()}
    daily = Schedule(every=timedelta(days=1))
    assert after(0.0, failures=9, of=daily).pause == 86400.0


def test_a_backoff_is_no_missed_run() -> None:
    assert after(1.0, failures=3).missed == 0


def test_without_an_interval_the_next_run_starts_at_once() -> None:
    assert after(7.0, of=Schedule(every=timedelta(0))) == NextRun(due=7.0, pause=0.0)
