"""The command line: thin. A command is one file with a click command and one line in `COMMANDS`.

Only this package maps errors to exit codes: 0 nothing to do, 1 error, 2 changes, 3 refused by policy, 64 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import importlib
import sys

import click

from forecaster.errors import ForecastError
from reconciler.errors import TiercastError

#: name → module:attribute; imported only when called, so that `tiercast --help` stays quick.
COMMANDS = {
    "init": "reconciler.cli.init:command",
    "train": "reconciler.cli.train:command",
    "forecast": "reconciler.cli.forecast:command",
    "score": "reconciler.cli.score:command",
    "explain-forecast": "reconciler.cli.explain_forecast:command",
    "plan": "reconciler.cli.plan:command",
    "preview": "reconciler.cli.preview:command",
    "up": "reconciler.cli.up:command",
    "reconcile": "reconciler.cli.reconcile:command",
    "explain": "reconciler.cli.explain:command",
    "status": "reconciler.cli.status:command",
    "backtest": "reconciler.cli.backtest:command",
    "policy": "reconciler.cli.policy:policy",
    "lab": "reconciler.cli.lab:lab",
    "doctor": "reconciler.cli.doctor:doctor",
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tiercast")
def root() -> None:
    """Capacity ahead of demand, as reviewed infrastructure code."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the documented code; a user's mistake is one sentence, never a traceback."""
    try:
        code = root.main(args=arguments, prog_name="tiercast", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(64)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except TiercastError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except ForecastError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
