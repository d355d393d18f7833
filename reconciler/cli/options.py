"""Options that several commands share, and how times are read."""

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
    """An ISO 8601 time; one without a zone is UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 time such as 2013-06-15T12:00Z.", param, ctx)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Since(Instant):
    """A time, or how long ago it was (2d, 12h)."""

    name = "TIME|DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        with contextlib.suppress(ValueError):
            ago = read_duration(value)
            try:
                return now() - ago
            except OverflowError:
                self.fail(f"{value} is longer ago than the year 1.", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no duration such as 2d or 12h, and no ISO 8601 time.", param, ctx)


stack = click.option("--stack", help="Stack to work on; default: PULUMI_STACK.")
fleet = click.option(
    "--fleet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Fleet file; default: TIERCAST_FLEET or fleet.yaml.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
as_of = click.option("--as-of", type=Instant(), help="Use only history before this time (replay); default: all of it.")

no_policies = click.option(
    "--no-policies", is_flag=True, help="Run without the policy pack; ledger and reports state that no policies ran."
)

jobs = click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Local processes that fit.")
cluster = click.option(
    "--cluster", metavar="ADDRESS", help="Fit on the Dask cluster whose scheduler is there (tcp://host:port)."
)


def fits(function: F) -> F:
    """--jobs and --cluster, for commands that fit models."""
    return jobs(cluster(function))


def project(function: F) -> F:
    """--stack and --fleet, for commands that work on a project."""
    return stack(fleet(function))


def bundled(kind: type[T]) -> Callable[[Callable[[T], R]], Callable[..., R]]:
    """Hand a command its options as one `kind`, a dataclass whose fields are named as click names the parameters."""

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
    """Hold the stack's lock; says where it was left by a run that died."""
    with project.locked(command, now=now()) as recovered:
        if recovered:
            say(f"note: {recovered}", err=True)
        yield


def say(text: str, *, err: bool = False) -> None:
    """Print a line that may hold names from data: no control character in them reaches the terminal."""
    click.echo(printable(text), err=err)


def now() -> datetime:
    """The wall clock, read once per command at its edge, to whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
