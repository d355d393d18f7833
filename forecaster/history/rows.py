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
    """One cell per pair and step: `position` counts from step number `first` (since 1970)."""

    step: timedelta
    first: int
    length: int
    pair: Ints
    position: Ints
    requests: Floats
    censored: Bools
    utilisation: Mapping[str, Floats]
    findings: tuple[Finding, ...]
