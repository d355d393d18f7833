"""What a service knows of its runs, and whether it is healthy. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from reconciler.errors import PolicyRefused, StackLocked

#: How a run can end: done; changes that wait for an approval; refused by a policy; another run held the lock; failed.
Outcome = Literal["done", "changes", "refused", "busy", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("done", "changes", "refused", "busy", "failed")

#: Intervals within which a run must have succeeded.
HEALTHY_INTERVALS = 3


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended.

    Attributes:
        number: of the run, from 1.
        seconds: how long it took.
        code: its exit code; 1 if it failed.
        error: why it failed; None if it did not.
    """

    number: int
    seconds: float
    code: int
    error: Exception | None = None

    @property
    def outcome(self) -> Outcome:
        """How it ended, in a word."""
        if isinstance(self.error, StackLocked):
            return "busy"
        if self.code == 3 or isinstance(self.error, PolicyRefused):
            return "refused"
        if self.error is not None:
            return "failed"
        return "changes" if self.code == 2 else "done"


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """A service's runs so far.

    Attributes:
        began: when the service started.
        limit: how old the last success may be before the service counts as unhealthy.
        ended: outcome → number of runs.
        errors: class of an error → number of runs that ended with it.
        missed: due times that passed while a run was busy.
        last_error: class of the error of the last run; "" if it had none.
        last_success: when the last run ended as done or with changes that wait.
        last_end, last_seconds: when the last run ended, and how long it took.
    """

    began: datetime
    limit: timedelta
    ended: Mapping[Outcome, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    missed: int = 0
    last_error: str = ""
    last_success: datetime | None = None
    last_end: datetime | None = None
    last_seconds: float | None = None

    def after(self, end: RunEnd, *, missed: int, at: datetime) -> ServiceState:
        """The state after a run that ended at `at`, and the due times missed meanwhile."""
        outcome, kind = end.outcome, type(end.error).__name__ if end.error is not None else ""
        return replace(
            self,
            ended={**self.ended, outcome: self.ended.get(outcome, 0) + 1},
            errors={**self.errors, kind: self.errors.get(kind, 0) + 1} if kind else self.errors,
            missed=self.missed + missed,
            last_error=kind,
            last_success=at if outcome in ("done", "changes") else self.last_success,
            last_end=at,
            last_seconds=end.seconds,
        )


def limit_of(every: timedelta, jitter: timedelta, longest: timedelta | None) -> timedelta:
    """How old the last success may be: so many intervals, the jitter, and the time limit of a run."""
    return HEALTHY_INTERVALS * every + jitter + (longest or timedelta(0))


def health(state: ServiceState, now: datetime) -> tuple[bool, str]:
    """Whether the service is healthy at `now`, and a sentence that says why. The sentence names no more than an error's class."""
    age = now - (state.last_success or state.began)
    since = f"{_whole(age)} ago"
    last = f"; the last run ended with {state.last_error}" if state.last_error else ""
    if age <= state.limit:
        begun = f"the last run succeeded {since}" if state.last_success else f"the service started {since}"
        return True, f"healthy: {begun}{last}"
    never = "no run has succeeded" if state.last_success is None else f"the last run that succeeded ended {since}"
    return False, f"unhealthy: {never}, and one must every {_whole(state.limit)}{last}"


def _whole(span: timedelta) -> str:
    return str(timedelta(seconds=round(span.total_seconds())))
