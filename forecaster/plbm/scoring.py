"""Compares kept forecasts with actuals: the running score of each series.

The rule: a forecast is scored once per step, at the horizon at which it was made; steps without a value are skipped.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.demand import LEVELS
from forecaster.hierarchy.modelled import whole_names
from forecaster.hierarchy.structure import Structure, pair_values, series_values, whole_values
from forecaster.history.history import Floats, History
from forecaster.plbm.state import HIGH, LOW, Fitted, PlbmState
from forecaster.series.loss import pinball
from forecaster.series.paths import levels_of


def scored(state: PlbmState, structure: Structure, newer: History) -> tuple[dict[str, Fitted], int]:
    """Fits of `state` with their scores after the steps of `newer` that they had forecast, and how many steps those were.

    `structure` is that of `state`: its series are read off the newer history by name.
    """
    out, count = dict(state.fitted), 0
    if not state.fresh or not newer.length:
        return out, 0
    values = _values(state, structure, newer)
    for name, made in state.fresh.items():
        known, row = state.fitted.get(name), values.get(name)
        if known is None or row is None:
            continue
        first = int((state.history.end - newer.start) // newer.step)
        came = row[max(first, 0) :][: len(made.quantiles)]
        quantiles = made.quantiles[: len(came)]
        seen = np.isfinite(came)
        if first < 0 or not seen.any():
            continue
        count += int(seen.sum())
        level = levels_of(came[seen], quantiles[seen], np.asarray(LEVELS))
        inside = (came[seen] >= quantiles[seen, LOW] - 1e-9) & (came[seen] <= quantiles[seen, HIGH] + 1e-9)
        losses = pinball(came[seen], quantiles[seen], np.asarray(LEVELS)).mean(axis=1)
        out[name] = replace(known, score=known.score.after(level, inside, losses, came[seen]))
    return out, count


def _values(state: PlbmState, structure: Structure, newer: History) -> dict[str, Floats]:
    """(n,) of each of the old structure's series, big pairs and wholes in the newer history."""
    place = {pair: k for k, pair in enumerate(state.history.pairs)}
    codes = np.array([structure.codes[place[p]] if p in place else -1 for p in newer.pairs], dtype=np.int64)
    then, calendar = replace(structure, codes=codes), state.settings.calendar
    found = dict(zip(structure.series, series_values(newer, then, calendar), strict=True))
    found |= dict(zip(whole_names(structure), whole_values(newer, then, calendar), strict=True))
    new_place = {pair: k for k, pair in enumerate(newer.pairs)}
    big = [(k, new_place.get(state.history.pairs[k])) for k in structure.big]
    for old, new in big:
        if new is not None:
            user, application = state.history.pairs[old]
            found[f"{user} × {application}"] = pair_values(newer, [new], calendar)[0]
    return found
