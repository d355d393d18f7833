"""Options that several commands share, and the parsing of times."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.adapters.project import Project, find_project
from reconciler.fleet.types import read_duration
from reconciler.observe.redaction import printable

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
R = TypeVar("R")


class Instant(click.ParamType[datetime]):
    """An ISO 8601 time. A time without a zone is UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not an ISO 8601 time such as 2013-06-15T12:00Z.", param, ctx)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Since(Instant):
    """A time, or a duration before now (2d, 12h)."""

    name = "TIME|DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        with contextlib.suppress(ValueError):
            ago = read_duration(value)
            try:
                return now() - ago
            except OverflowError:
                self.fail(f"{value} is before the year 1.", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither a duration such as 2d nor an ISO 8601 time.", param, ctx)


class Until(Instant):
    """A time, or a duration from now (2d, 12h)."""

    name = "TIME|DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        with contextlib.suppress(ValueError):
            ahead = read_duration(value)
            try:
                return now() + ahead
            except OverflowError:
                self.fail(f"{value} is after the year 9999.", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither a duration such as 2h nor an ISO 8601 time.", param, ctx)


stack = click.option("--stack", help="Stack to work on. Default: PULUMI_STACK.")
fleet = click.option(
    "--fleet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Fleet file. Default: TIERCAST_FLEET, else fleet.yaml.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
as_of = click.option(
    "--as-of", type=Instant(), help="Use only history before this time (replay). Default: all history."
)

no_policies = click.option(
    "--no-policies",
    is_flag=True,
    help="Run without the policy pack. The ledger and the reports state that no policies ran.",
)

allow_dip = click.option(
    "--allow-dip",
    is_flag=True,
    help="Approve the loss of ready capacity that the preview shows, where a change can't be made without one.",
)

jobs = click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Number of local processes that fit models."
)
cluster = click.option(
    "--cluster", metavar="ADDRESS", help="Fit models on the Dask cluster with this scheduler (tcp://host:port)."
)


def fits(function: F) -> F:
    """--jobs and --cluster, for commands that fit models."""
    return jobs(cluster(function))


def project(function: F) -> F:
    """--stack and --fleet, for commands that work on a project."""
    return stack(fleet(function))


def bundled(kind: type[T]) -> Callable[[Callable[[T], R]], Callable[..., R]]:
    """Pass a command its options as one `kind`, a dataclass whose fields have the names of click's parameters."""

    def wrap(function: Callable[[T], R]) -> Callable[..., R]:
        @wraps(function)
        def call(**given: Any) -> R:
            return function(kind(**given))

        return call

    return wrap


def open_project(stack: str | None, fleet: Path | None) -> Project:
    """The project around the working directory."""
    return find_project(Path.cwd(), stack=stack, fleet=fleet)


@contextmanager
def locked(project: Project, command: str) -> Iterator[None]:
    """Hold the stack's lock. Prints a note if a run that died had left the lock."""
    with project.locked(command, now=now()) as recovered:
        if recovered:
            say(f"note: {recovered}", err=True)
        yield


def say(text: str, *, err: bool = False) -> None:
    """Print a line without its control characters, because names in it may come from data."""
    click.echo(printable(text), err=err)


def now() -> datetime:
    """The wall clock in whole seconds, UTC. A command reads it once."""
    return datetime.now(UTC).replace(microsecond=0)
