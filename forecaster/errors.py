"""The root of every error that tiercast raises on purpose, and the errors of the forecaster.

`reconciler.errors` draws the whole tree. The root is here because every other part may import this module, and this
module imports none of them.

An error knows three facts: its exit code, its remedy and whether a retry helps. Only the command line reads
`exit_code`, and only the loop of `tiercast reconcile --every` reads `retryable`.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["ForecastError", "HistoryError", "ModelStoreError", "TiercastError"]


#: The password of a URI, after its scheme and user.
_PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")


class TiercastError(Exception):
    """Root of all errors raised on purpose. No message shows the password of a URI: libraries quote addresses as they are.

    Attributes:
        problem: the sentence that says what is wrong.
        remedy: what to do. A class has a general one; an error may carry its own, which then ends its message.
        exit_code: exit code of a command that ends with this error.
        retryable: whether the same call may succeed later although nobody changes anything.
    """

    exit_code = 1
    retryable = False
    remedy = "Correct what the message names, then run the command again."

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        problem = _PASSWORD.sub(r"\1:[secret]@", problem)
        self.problem = problem
        if remedy:
            self.remedy = remedy
        super().__init__(f"{problem} {remedy}" if remedy else problem)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with `args`, which fails where __init__ takes something else; an error
        # of a task must come back from its process whole.
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[TiercastError], args: tuple[Any, ...]) -> TiercastError:
    return kind.__new__(kind, *args)


class ForecastError(TiercastError):
    """The forecaster can't do what was requested; the message says what it can do."""


class HistoryError(ForecastError):
    """The history can't be used; the message names the file, row or column, what was expected and what to do."""

    remedy = "Correct the history at the place that the message names, then run the command again."


class ModelStoreError(ForecastError):
    """A saved model is missing, incomplete or of another version."""

    remedy = "Run `tiercast train` to fit and save a new model."
