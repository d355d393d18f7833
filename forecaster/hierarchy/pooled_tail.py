"""The shape of far tails, pooled over the series of a panel.

A few dozen values beyond a threshold say little about the shape of one series' tail; those of many series together do.

- Each series' errors are normalised as its intervals are (`forecaster.series.conformal`). What exceeds their 0.95 quantile is
  divided by its mean, so that the shape remains and the scale does not.
- Probability-weighted moments of all of them give one shape.
- It is read near ahead, and tails are lighter far ahead. So it is kept within bounds, and near the default while few values
  were seen (docs/models.md has what that gains).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.models import Expert
from forecaster.models.direct import Direct
from forecaster.series.conformal import normalised
from forecaster.series.forecast import SeriesInput, read_stretch
from forecaster.series.knots import scaled
from forecaster.series.tail import PRIOR_SHAPE, TailShape, exceedances, shape_by_moments

Floats = NDArray[np.float64]
#: The model whose errors are pooled, and how many steps ahead: it carries most mixes.
EXPERT, AHEAD = Expert(model=Direct(), power=0.5), 2
#: Series that are looked at, evenly spread over the panel: forty give a thousand exceedances in half a second at most.
MOST_SERIES = 40
#: Shapes that are believed: below, a tail would end; above, timetables whose errors are mostly none reach any shape.
BELIEVED = (0.0, 0.3)
#: Exceedances that weigh as much as the declared shape.
POOL_WEIGHT = 200.0
#: Series and exceedances below which the declared shape stands; exceedances below which a series says nothing.
FEWEST_SERIES, FEWEST_EXCEEDANCES, FEWEST_OF_ONE = 5, 100, 5


def pooled_tail(panel: Sequence[Floats], *, start: datetime, step: timedelta) -> TailShape:
    """The usual shape of the series in `panel`, each (n,) requests from `start` (UTC) on with NaN where unknown.

    The declared shape where the panel is too small to say.
    """
    until = start + (len(panel[0]) if len(panel) else 0) * step
    if len(panel) > MOST_SERIES:
        panel = [panel[k] for k in np.linspace(0, len(panel) - 1, MOST_SERIES).astype(int)]
    found = [part for one in panel if len(part := relative_exceedances(one, start=start, step=step)) >= FEWEST_OF_ONE]
    count = sum(len(part) for part in found)
    if len(found) < FEWEST_SERIES or count < FEWEST_EXCEEDANCES:
        return TailShape(until=until)
    read = float(np.clip(shape_by_moments(np.sort(np.concatenate(found))), *BELIEVED))
    weight = count / (count + POOL_WEIGHT)
    return TailShape(
        shape=weight * read + (1 - weight) * PRIOR_SHAPE, series=len(found), exceedances=count, until=until
    )


def relative_exceedances(values: Floats, *, start: datetime, step: timedelta) -> Floats:
    """Normalised errors above their own 0.95 quantile, less that quantile and over their mean (which is 1 then).

    Empty where there are too few errors, or none exceeds another: a timetable that is met to the letter has no tail.
    """
    first = np.datetime64(start.replace(tzinfo=None), "s")
    times = first + np.arange(len(values)) * np.timedelta64(round(step.total_seconds()), "s")
    stretch = read_stretch(SeriesInput(values=values, times=times, step=step), horizons=(AHEAD,))
    here = scaled(stretch, EXPERT.power)[1]
    errors, _ = normalised(EXPERT.model.ahead(here, AHEAD), here, AHEAD)
    known = np.sort(errors[np.isfinite(errors)])
    if len(known) == 0:
        return known
    _, over = exceedances(known)
    return over / over.mean() if len(over) and over.mean() > 0 else over[:0]
