"""Errors of the reconciler, split by the reaction they call for.

    TiercastError
    ├── UserError            the user can mend it: one sentence, exit 1, no traceback
    │   ├── InputError       a file, line or key is wrong (location, expected, remedy)
    │   └── UsageError       the command line is wrong: exit 64
    ├── PolicyRefused        a mandatory policy said no: exit 3 (violations)
    ├── StaleApproval        what was approved is not what would run now: exit 1
    └── Unavailable          the world did not answer; `retryable` tells the loop to try again
        └── SourceSilent     the source of demand cannot be reached

Only the loop retries and only the CLI maps errors to exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence


class TiercastError(Exception):
    """Root of all errors raised on purpose. `retryable` is read by the loop, `exit_code` by the CLI."""

    retryable = False
    exit_code = 1


class UserError(TiercastError):
    """Something a person can mend; the message is a full sentence that says how."""


class InputError(UserError):
    """A file, line or key is not as expected.

    `location` names the file with its line or key, `problem` says what was found and what was expected, `remedy`
    what to do about it.
    """

    def __init__(self, location: str, problem: str, remedy: str = "") -> None:
        self.location = location
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{location}: {problem}" + (f" {remedy}" if remedy else ""))


class UsageError(UserError):
    """The command line is wrong; sysexits' EX_USAGE, so that 2 keeps meaning "changes"."""

    exit_code = 64


class PolicyRefused(TiercastError):
    """A mandatory policy refused the plan; `violations` holds one message per violation."""

    exit_code = 3

    def __init__(self, violations: Sequence[str]) -> None:
        self.violations = tuple(violations)
        super().__init__("refused by policy: " + "; ".join(violations))


class StaleApproval(TiercastError):
    """The approved plan no longer describes what would run."""


class Unavailable(TiercastError):
    """A source, engine or cloud did not answer; trying again may help."""

    retryable = True


class SourceSilent(Unavailable):
    """The history cannot be reached: a lost mount, a removed file, a disk that fails. Not a mistake in its rows."""
