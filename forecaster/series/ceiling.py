"""An upper bound of a forecast's far tail, relative to the largest demand seen so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from forecaster.models.base import Stretch
from forecaster.models.features import whole_seasons

Floats = NDArray[np.float64]
#: Days after which a time of day has a record of its own, and the share of the whole record that it may always reach.
QUIET_DAYS = 7
QUIET_SHARE = 0.1


def ceiling(stretch: Stretch, h: int) -> Floats:
    """Most (n + h,) that a quantile may say: three times the largest value known h steps before.

    On a log scale a step with a tiny predicted error can give sparse counts a far tail of any size; demand that triples
    its record is news that no residual of the past can put a number on. Where a week of days is known, the record is
    that of the same time of day (an hour more or less), or a tenth of the whole one: a night that was always quiet has
    no claim on the noon's tail.
    """
    m = len(stretch) + h
    known = np.where(stretch.observed, stretch.values, 0.0)
    record = np.concatenate([np.full(h, np.inf), np.maximum.accumulate(known)])
    whole = np.where(record > 0, record, np.inf)
    day = stretch.day
    if not day or len(stretch) <= QUIET_DAYS * day:
        return np.asarray(3.0 * whole)
    near = max(1, day // 24)
    hourly = maximum_filter1d(known, 2 * near + 1, mode="nearest")
    rows = np.full(-(-len(known) // day) * day, 0.0)
    rows[: len(known)] = hourly
    by_phase = np.maximum.accumulate(rows.reshape(-1, day), axis=0).ravel()[: len(known)]
    lag = whole_seasons(day, h + near)  # a neighbour lies `near` steps later
    late = np.full(m, np.inf)
    late[lag:] = by_phase[: m - lag]
    late[: QUIET_DAYS * day + lag] = np.inf
    return np.asarray(3.0 * np.minimum(whole, np.maximum(late, QUIET_SHARE * whole)))
