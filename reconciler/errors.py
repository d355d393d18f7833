"""Every error of tiercast, in one tree.

    error                          exit  retry  module                 meaning
    TiercastError                     1  no     forecaster.errors      any error raised on purpose
    ├── UserError                     1  no     reconciler.errors      the user can fix it
    │   ├── InputError                1  no     reconciler.errors      a file, line or key is wrong
    │   ├── UsageError               64  no     reconciler.errors      the command line is wrong
    │   ├── UnknownType               1  no     reconciler.errors      the catalogue does not list an instance type
    │   ├── PriceMissing              1  no     reconciler.errors      the catalogue lacks a price or a rate
    │   ├── ContradictoryBounds       1  no     reconciler.errors      a minimum is above its maximum
    │   ├── ContradictoryGuards       1  no     reconciler.errors      two guards contradict each other
    │   ├── PackConfigError           1  no     policies.pack_config   the policy pack's configuration is wrong
    │   ├── Misconfigured             1  no     policies.rule          a policy's own settings are wrong
    │   └── LabError                  1  no     lab.errors             something about the lab
    │       ├── PortBusy              1  no     lab.errors             another program uses a port of the lab
    │       ├── PartMissing           1  no     lab.errors             a program or package is missing
    │       └── DaemonFailed          1  no     lab.errors             a daemon of the lab did not start in time
    ├── ForecastError                 1  no     forecaster.errors      the forecaster cannot do what was requested
    │   ├── HistoryError              1  no     forecaster.errors      the history cannot be used
    │   └── ModelStoreError           1  no     forecaster.errors      a saved model is missing, damaged or too old
    ├── PolicyRefused                 3  no     reconciler.errors      a mandatory policy refused the plan
    ├── StaleApproval                 1  no     reconciler.errors      the approved plan no longer matches what would run
    │   └── PinsChanged               1  yes    reconciler.errors      pins were changed after the plan was made
    ├── SignatureRefused              1  no     reconciler.errors      a plan has no valid signature of an allowed key
    ├── CapacityDip                   1  no     reconciler.errors      the change would lower ready capacity, unapproved
    ├── GateFailed                    1  no     reconciler.errors      a backtest is worse than the stored one
    ├── EngineError                   1  no     reconciler.errors      the Pulumi engine stopped with an error
    ├── Interrupted                 130  no     reconciler.errors      the user interrupted the command
    └── Unavailable                   1  yes    reconciler.errors      a system did not answer
        ├── SourceSilent              1  yes    reconciler.errors      the history's files cannot be reached
        ├── StackLocked               1  yes    reconciler.errors      another run holds the stack's lock
        └── RunTimeout                1  yes    reconciler.errors      a run exceeded its time limit

Only the service of `tiercast reconcile --every` retries, and only the command line maps errors to exit codes.

These never reach the command line; their own package catches them:

    ContractError              stacks.contract        the program reports it and ends the update
    TextFault                  stacks.yaml_text       who reads the file reports it with the file's name
    Undecidable                policies.resources     the policy refuses the plan
    NoPythonError              lab.host.python        the language host reports it to the engine
    PluginError                lab.plugins.errors     the plugin reports it to the engine
    UnreachableError           lab.plugins.errors     as PluginError
    PartialFailureError        lab.plugins.errors     as PluginError
"""

from __future__ import annotations

from collections.abc import Sequence

from forecaster.errors import TiercastError

__all__ = [
    "CapacityDip",
    "ContradictoryBounds",
    "ContradictoryGuards",
    "EngineError",
    "GateFailed",
    "InputError",
    "Interrupted",
    "PinsChanged",
    "PolicyRefused",
    "PriceMissing",
    "RunTimeout",
    "SignatureRefused",
    "SourceSilent",
    "StackLocked",
    "StaleApproval",
    "TiercastError",
    "Unavailable",
    "UnknownType",
    "UsageError",
    "UserError",
]


class UserError(TiercastError):
    """A mistake that the user can fix. The message is a full sentence that says how."""


class InputError(UserError):
    """A file, line or key is not as expected.

    Attributes:
        location: the file with its line or key.
        problem: what was found and what was expected.
        remedy: how to fix it.
    """

    def __init__(self, location: str, problem: str, remedy: str) -> None:
        super().__init__(f"{location}: {problem}", remedy=remedy)
        self.location = location
        self.problem = problem


class UsageError(UserError):
    """The command line is wrong. Exit code 64 is EX_USAGE of sysexits, because 2 means "changes"."""

    exit_code = 64
    remedy = "See the command's --help."


class UnknownType(UserError):
    """The catalogue does not list an instance type. `known` holds the names that it lists."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        close = [k for k in known if k.split(".")[0] == name.split(".")[0]] or list(known)
        super().__init__(
            f"instance type '{name}' is not in the price catalogue (which lists {', '.join(close[:8])}"
            f"{', …' if len(close) > 8 else ''}).",
            remedy="Add it to the catalogue file or correct the name.",
        )
        self.name = name


class PriceMissing(UserError):
    """The catalogue lacks a price or an interruption rate that is needed. Zero never replaces it."""

    def __init__(self, name: str, market: str, source: str) -> None:
        rate = "rate" in market
        key = f"types.{name}.interruption_per_month" if rate else f"types.{name}.usd_per_hour.{market}"
        what = "interruption rate" if rate else f"{market.replace('_', ' ')} price"
        super().__init__(
            f"the catalogue ({source}) has no {what} for '{name}'.",
            remedy=f"Add {key} to the catalogue file{'' if rate else ', or use another type or market'}.",
        )
        self.name, self.market = name, market


class ContradictoryBounds(UserError):
    """A minimum is above its maximum."""

    def __init__(self, what: str, low: int, high: int) -> None:
        super().__init__(
            f"{what}: the minimum of {low} is above the maximum of {high}.",
            remedy="Lower the minimum or raise the maximum.",
        )


class ContradictoryGuards(UserError):
    """Two guards contradict each other."""


class PolicyRefused(TiercastError):
    """A mandatory policy refused the plan. `violations` holds one message per violation."""

    exit_code = 3
    remedy = "Change the fleet file so that the plan passes the policy, or ask the policy's owner to change it."

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("refused by policy: " + "; ".join(violations))
        self.violations = tuple(violations)


class StaleApproval(TiercastError):
    """The approved plan no longer matches what would run."""

    remedy = "Run `tiercast plan` and `tiercast preview`, and approve the new plan."


class SignatureRefused(TiercastError):
    """A plan's signature is missing, damaged, expired, or not of a key that may approve."""

    remedy = "Preview the plan and sign it again with `tiercast approve`, or correct the file of allowed signers."


class PinsChanged(StaleApproval):
    """A person changed `tiercast:pins` after the plan was made. The next run follows the change."""

    retryable = True
    remedy = "Run `tiercast plan`: the new plan follows them."


class CapacityDip(TiercastError):
    """The change can't be made without a loss of ready capacity, and nobody approved that. Nothing was changed."""

    remedy = "Give --allow-dip to approve it, or make room on the hosts."


class GateFailed(TiercastError):
    """A backtest is worse than the stored one: its regret or a class's violations exceed the tolerance."""

    remedy = "Find the change that made the plans worse. Store the new result only if the change is intended."


class EngineError(TiercastError):
    """The engine stopped with an error of the program, a provider or the state. The message holds its diagnostics.

    Not retryable: an update may have stopped half-way, so a person should look at the cause before the next update.
    """

    remedy = "Fix what the engine reports, then run the command again. Changes that were already applied stay."


class Interrupted(TiercastError):
    """The user interrupted the command or answered no. Shells use exit code 130 for SIGINT."""

    exit_code = 130
    remedy = "Run the command again."


class Unavailable(TiercastError):
    """A source, engine or cloud did not answer. The same call may succeed later."""

    retryable = True
    remedy = "Check that the system answers, then run the command again."


class SourceSilent(Unavailable):
    """The history can't be read: a mount is lost, a file was removed or a disk fails. Its rows may be correct."""

    remedy = "Check the paths under `history` in fleet.yaml, and check that their disk or mount answers."


class StackLocked(Unavailable):
    """Another run holds the stack's lock. The message names it."""

    remedy = "Wait until that run has ended."


class RunTimeout(Unavailable):
    """A run exceeded `--run-timeout` and was ended. What the engine had already changed stays."""

    remedy = "The next run starts from what exists. If runs need longer, raise --run-timeout."
