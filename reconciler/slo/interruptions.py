"""Interruptions of spot capacity: none, or one zone at a time.

Interruptions are rare while a plan is valid. Two zones at once are left out, because their probability is the product of
two small numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Hours of a month, as AWS counts interruptions and bills storage.
HOURS_PER_MONTH = 730.0


@dataclass(frozen=True, kw_only=True)
class Interruptions:
    """The states of interruption.

    Attributes:
        probability: (states,); the first state is "no interruption".
        left: (states, groups) share of each group that stays.
    """

    probability: NDArray[np.float64]
    left: NDArray[np.float64]


def interruption_states(groups: Sequence[tuple[str, float, float]]) -> Interruptions:
    """States for groups given as (zone, probability of an interruption in the zone, share of the group that it takes).

    The probability of a zone is that of its most exposed group. An interruption affects all groups of the zone at once.
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
    """Probability of an interruption within `hours`, at a constant rate that interrupts the share `monthly` per month."""
    if monthly >= 1:
        return 1.0
    return 1 - math.exp(math.log(1 - monthly) * hours / HOURS_PER_MONTH)
