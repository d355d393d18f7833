"""Rows of a series source as columns, and the cells that come out of them.

A row is one value at one time of one pair of user and application; a cell is one value per pair and step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from forecaster.history.history import Bools, Floats, Ints, Pair
from forecaster.history.quality import Finding


@dataclass(frozen=True, kw_only=True)
class SeriesRows:
    """Rows of the series format as columns: `pair` (rows,) indexes the sorted `pairs`, `micros` are since 1970 UTC."""

    pairs: Sequence[Pair]
    pair: Ints
    micros: Ints
    requests: Floats
    rejected: Floats | None = None
    shed: Bools | None = None
    utilisation: Mapping[str, Floats] = field(default_factory=dict)

    def take(self, keep: Ints | Bools) -> SeriesRows:
        """The rows at `keep` (indices or mask)."""
        return replace(
            self,
            pair=self.pair[keep],
            micros=self.micros[keep],
            requests=self.requests[keep],
            rejected=None if self.rejected is None else self.rejected[keep],
            shed=None if self.shed is None else self.shed[keep],
            utilisation={name: values[keep] for name, values in self.utilisation.items()},
        )

    def name(self, pair: int) -> str:
        """The pair's name for a sentence."""
        user, application = self.pairs[pair]
        return f"user {user}, application {application}"


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Values per pair and step, of a history of `length` steps.

    Attributes:
        step: length of a step.
        length: number of steps.
        pair: (cells,) place of the pair in the history's pairs.
        position: (cells,) number of the step, from 0.
        requests: (cells,) offered requests in the step, NaN where known to be missing.
        censored: (cells,) True where demand is at least `requests`; None: nowhere.
        utilisation: (cells,) means by name, NaN where not measured.
    """

    step: timedelta
    length: int
    pair: Ints
    position: Ints
    requests: Floats
    censored: Bools | None = None
    utilisation: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What cleaning made of rows: `cells`, which begin at step number `first` since 1970, and its `findings`."""

    cells: Cells
    first: int
    findings: tuple[Finding, ...]
