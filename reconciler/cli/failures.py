"""Reports an error of a command: a sentence on standard error and, with `--json`, a document on standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from reconciler.errors import Interrupted, TiercastError, UsageError, UserError
from reconciler.observe.redaction import printable

DEFECT = "This is a bug in tiercast: report it with the traceback on standard error."


def as_error(raised: BaseException) -> TiercastError:
    """An error of click, an interruption or a bug as a `TiercastError`. An error that already is one is returned as is."""
    if isinstance(raised, TiercastError):
        return raised
    if isinstance(raised, click.UsageError):
        remedy = f"See `{raised.ctx.command_path} --help`." if raised.ctx is not None else ""
        return UsageError(raised.format_message(), remedy=remedy)
    if isinstance(raised, click.ClickException):
        return UserError(raised.format_message())
    if isinstance(raised, click.Abort | KeyboardInterrupt):
        return Interrupted("The command was interrupted.")
    return TiercastError(f"{type(raised).__name__}: {raised}", remedy=DEFECT)


def document(error: TiercastError) -> str:
    """The error as one line of ASCII JSON, as docs/errors.md describes it. ASCII keeps control characters escaped."""
    body: dict[str, Any] = {
        "kind": type(error).__name__,
        "message": str(error),
        "remedy": error.remedy,
        "exit_code": error.exit_code,
        "retryable": error.retryable,
    }
    for name in ("location", "violations"):
        value = getattr(error, name, None)
        if value is not None:
            body[name] = list(value) if name == "violations" else value
    return json.dumps({"error": body})


def wants_json(root: click.Group, arguments: Sequence[str]) -> bool:
    """Whether `--json` was given to a command that prints JSON. (`backtest --json FILE` writes a file instead.)"""
    words = list(arguments)
    words = words[: words.index("--")] if "--" in words else words
    if "--json" not in words:
        return False
    command: click.Command | None = root
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
    parameters = command.params if command is not None else []
    return not any("--json" in p.opts and not getattr(p, "is_flag", False) for p in parameters)


def report(raised: BaseException, *, as_json: bool) -> int:
    """Report the error that ended a command and return the exit code."""
    error = as_error(raised)
    if isinstance(raised, click.ClickException):
        raised.show()  # with the command's usage line
    else:
        click.echo(printable(f"error: {error}"), err=True)
    if as_json:
        click.echo(document(error))
    return error.exit_code
