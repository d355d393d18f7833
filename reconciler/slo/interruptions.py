"""Interruptions of spot capacity: none, or one zone's at a time.

An interruption is rare within the time that a plan is valid, so two zones at once are left out: their probability is the
product of two small numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A month as AWS counts interruptions and bills storage, hours.
HOURS_PER_MONTH = 730.0


@dataclass(frozen=True, kw_only=True)
class Interruptions:
    """probability: (states,), the first is "no interruption". left: (states, groups), share of each group that stays."""

    probability: NDArray[np.float64]
    left: NDArray[np.float64]


def interruption_states(groups: Sequence[tuple[str, float, float]]) -> Interruptions:
    """States for groups given as (zone, probability of an interruption in it, share that it takes); 0: it takes none.

    A zone's interruption is as probable as that of its most exposed group; groups of one zone go together.
    """
    zones: dict[str, float] = {}
    for zone, probability, share in groups:
        if probability > 0 and share > 0:
            zones[zone] = max(zones.get(zone, 0.0), probability)
    names = sorted(zones)
    left = np.ones((len(names) + 1, len(groups)))
    for state, name in enumerate(names, start=1):
        for column, (zone, probability, share) in enumerate(groups):
            if zone == name and probability > 0:
                left[state, column] = 1 - share
    lost = np.array([zones[name] for name in names])
    if lost.sum() > 1:
        lost = lost / lost.sum()
    return Interruptions(probability=np.concatenate([[1 - lost.sum()], lost]), left=left)


def interrupted_within(monthly: float, hours: float) -> float:
    """Probability of an interruption within `hours`, at a constant rate whose month loses the share `monthly`."""
    if monthly >= 1:
        return 1.0
    return 1 - math.exp(math.log(1 - monthly) * hours / HOURS_PER_MONTH)
