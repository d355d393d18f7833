"""Errors of the forecaster.

ForecastError            one sentence for the user; the CLI maps it to exit 1
├── HistoryError         the history can't be used as it is (location, problem, remedy)
└── ModelStoreError      a saved model is of another version, or incomplete
"""

from __future__ import annotations


class ForecastError(Exception):
    """Root of the forecaster's errors."""


class HistoryError(ForecastError):
    """The history can't be used; the message names the file, row or column, what was expected and what to do."""


class ModelStoreError(ForecastError):
    """A saved model can't be read: written by another version, or cut short."""
