"""The command line. Each command is one file with a click command and one line in `COMMANDS`.

Only this package maps errors to exit codes; docs/errors.md lists them.
"""

from __future__ import annotations

import importlib
import sys

import click

from reconciler.cli import failures
from reconciler.errors import TiercastError

#: name → (module:attribute, summary). A module is imported only when its command is called, which keeps help fast.
COMMANDS = {
    "init": ("reconciler.cli.init:command", "Write a commented fleet.yaml."),
    "train": ("reconciler.cli.train:command", "Fit the models on the history and keep them."),
    "forecast": ("reconciler.cli.forecast:command", "Print or write demand quantiles per application."),
    "score": ("reconciler.cli.score:command", "Score past forecasts against the actuals."),
    "explain-forecast": ("reconciler.cli.explain_forecast:command", "Explain how a forecast was made."),
    "plan": ("reconciler.cli.plan:command", "Forecast, size the tiers and write Pulumi.<stack>.yaml."),
    "preview": (
        "reconciler.cli.preview:command",
        "Show the changes of a plan, their cost and risk, and run the policies.",
    ),
    "approve": ("reconciler.cli.approve:command", "Sign a previewed plan with an SSH key."),
    "envelope": (
        "reconciler.cli.envelope:command",
        "Bind an envelope, within which scheduled runs may act, to a configuration.",
    ),
    "up": ("reconciler.cli.up:command", "Apply the approved plan and nothing else."),
    "reconcile": (
        "reconciler.cli.reconcile:command",
        "Plan, preview, and apply as far as the mode allows. Use it for scheduled runs.",
    ),
    "pin": ("reconciler.cli.pin:pin", "Set the number of instances of a tier by hand, until a time."),
    "freeze": ("reconciler.cli.pin:freeze", "Keep the running instances of every tier, until a time."),
    "unpin": ("reconciler.cli.pin:unpin", "Remove the pin of a tier, or the freeze."),
    "adopt": ("reconciler.cli.adopt:command", "Take groups and VMs that exist already into the stack."),
    "release": ("reconciler.cli.release:command", "Forget everything that the stack holds, and leave it running."),
    "explain": ("reconciler.cli.explain:command", "Explain the current sizes, or the sizes of a past plan."),
    "history": ("reconciler.cli.history:command", "List decisions and changes, and show why a resource changed."),
    "shadow-report": (
        "reconciler.cli.shadow_report:command",
        "Compare shadow plans with what ran, and say whether promotion is justified.",
    ),
    "status": ("reconciler.cli.status:command", "Compare what runs with what was planned."),
    "replay": ("reconciler.cli.replay:command", "Decide a past plan again from its kept inputs and compare."),
    "backtest": ("reconciler.cli.backtest:command", "Replay a past period and report its cost and violations."),
    "policy": ("reconciler.cli.policy:policy", "Run the policy pack against a stack file without a cloud."),
    "lab": ("reconciler.cli.lab:lab", "Run the embedded lab: engine, cloud and hypervisors on this machine."),
    "doctor": ("reconciler.cli.doctor:doctor", "List what is missing on this machine and how to install it."),
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tiercast")
def root() -> None:
    """Capacity ahead of demand, as reviewed infrastructure code."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the documented code.

    A user's mistake is one sentence on standard error, never a traceback; with `--json` it is also one JSON document on
    standard output.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = root.main(args=given, prog_name="tiercast", standalone_mode=False)
    except (TiercastError, click.ClickException, click.Abort, KeyboardInterrupt) as error:
        sys.exit(failures.report(error, as_json=failures.wants_json(root, given)))
    except Exception as defect:
        if failures.wants_json(root, given):
            click.echo(failures.document(failures.as_error(defect)))
        raise
    sys.exit(code if isinstance(code, int) else 0)
