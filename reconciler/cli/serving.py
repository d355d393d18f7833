"""How `tiercast reconcile` repeats its runs: its options, what it prints between runs, and how signals end it."""

from __future__ import annotations

import random
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import click

from reconciler.adapters.exporter import Exporter, serving
from reconciler.adapters.stopping import Stopping
from reconciler.cli import failures, options
from reconciler.errors import Interrupted, TiercastError, UsageError
from reconciler.fleet.types import read_duration
from reconciler.loop import RunResult
from reconciler.loop.schedule import NextRun, Schedule
from reconciler.loop.service import RunService, RunWatch, serve
from reconciler.report.metrics import figures_of
from reconciler.report.service_state import RunEnd, ServiceState, limit_of


@dataclass(frozen=True, kw_only=True)
class ServingOptions:
    """The options that say when runs start, how long one may take, and where metrics are served."""

    every: str | None
    runs: int | None
    jitter: str
    run_timeout: str | None
    metrics: str | None
    seed: int
    as_json: bool


class Serving:
    """The runs of one command: one run, so many, or a service that runs until it is stopped.

    Raises:
        UsageError: the options contradict each other.
    """

    def __init__(self, chosen: ServingOptions, *, name: str) -> None:
        self._chosen = chosen
        self._runs = chosen.runs or (1 if chosen.every is None else None)
        every = _duration("--every", chosen.every or "0s")
        self._schedule = Schedule(every=every, jitter=_duration("--jitter", chosen.jitter))
        self._limit = None if chosen.run_timeout is None else _duration("--run-timeout", chosen.run_timeout)
        if self._limit == timedelta(0):
            raise UsageError("--run-timeout must be longer than 0.")
        if self._runs is None and not every:
            raise UsageError("--every must be longer than 0, or --runs must be given.")
        if chosen.metrics is not None and chosen.every is None:
            raise UsageError("--metrics needs --every: after a single run nobody could read the metrics.")
        self.stopping = Stopping(lambda text: options.say(text, err=True))
        # The same on every start of this service, and another one on the next machine.
        self._luck = random.Random(f"{chosen.seed}/{socket.gethostname()}/{name}")
        self._exporter = Exporter(
            ServiceState(began=options.now(), limit=limit_of(every, self._schedule.jitter, self._limit)), options.now
        )

    def decided(self, done: RunResult) -> None:
        """Show the figures of a run's decision in the metrics."""
        if done.decision is not None and self._chosen.metrics is not None:
            held = done.summary is None and bool(done.held)
            self._exporter.decided(figures_of(done.decision, maintenance=held))

    def run(self, once: Callable[[], int]) -> int:
        """Call `once` as often and when the options say; returns the command's exit code.

        Raises:
            The error of the last run. Interrupted: SIGINT, or a second signal.
        """

        def bounded() -> int:
            with self.stopping.limited(self._limit):
                return once()

        with self.stopping.listening(), ExitStack() as stack:
            if self._chosen.metrics is not None:
                url = stack.enter_context(serving(self._exporter, self._chosen.metrics))
                options.say(f"metrics at {url}/metrics, health at {url}/healthz", err=True)
            service = RunService(
                schedule=self._schedule,
                runs=self._runs,
                clock=time.monotonic,
                wait=self.stopping.wait,
                luck=self._luck,
                watches=(_Terminal(self._runs, as_json=self._chosen.as_json), _ToMetrics(self._exporter)),
            )
            try:
                code = serve(service, bounded)
            except Interrupted:
                if self._ends_well and not self.stopping.aborted:
                    return 0
                raise
        if self.stopping.signal == signal.SIGINT:
            raise Interrupted("The service was stopped.")
        return code

    @property
    def _ends_well(self) -> bool:
        """Whether SIGTERM is how this command is meant to end: a service that nobody else would end."""
        return self._runs is None and self.stopping.signal == signal.SIGTERM


class _Terminal(RunWatch):
    """Prints why a run failed and when the next one starts."""

    def __init__(self, runs: int | None, *, as_json: bool) -> None:
        self._of, self._as_json = "" if runs is None else f" of {runs}", as_json

    def ended(self, end: RunEnd, following: NextRun | None) -> None:
        """Print it on standard error, with --json also as a document."""
        if following is None:
            return
        pause = timedelta(seconds=round(following.pause))
        if end.error is not None:
            error = failures.as_error(end.error)
            if not isinstance(end.error, TiercastError):
                traceback.print_exception(end.error)
            options.say(f"run {end.number}{self._of} failed: {error} The next run starts in {pause}.", err=True)
            if self._as_json:
                click.echo(failures.document(error))
        if following.missed:
            options.say(
                f"run {end.number}{self._of} took {timedelta(seconds=round(end.seconds))}: {following.missed} due runs were "
                "skipped.",
                err=True,
            )


class _ToMetrics(RunWatch):
    """Counts runs in the metrics."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def ended(self, end: RunEnd, following: NextRun | None) -> None:
        """Count it."""
        self._exporter.ended(end, following.missed if following is not None else 0)


def _duration(option: str, text: str) -> timedelta:
    try:
        return read_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
