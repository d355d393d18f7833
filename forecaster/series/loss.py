"""The pinball loss, the measure that quantile forecasts are mixed, tuned and scored by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pinball(values: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """(..., levels) losses max(q (y - f), (q - 1)(y - f)) of `quantiles` (..., levels) against `values` (...).

    In the unit of the values; NaN where the value or the quantile is.
    """
    error = values[..., None] - quantiles
    loss = np.asarray(error * levels)
    np.subtract(loss, error, out=loss, where=error < 0)
    return loss
