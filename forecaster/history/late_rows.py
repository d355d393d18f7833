"""The new rows of a source that is read again: newer steps, and rows that arrived late.

The rule: a source may have lost its oldest part (rotated logs).

- No known value is forgotten, and no count of a log shrinks.
- A value of a series that differs from the known one is a correction.
- The first step of a source that begins after the known history may be incomplete, so it is ignored.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.history.history import Bools, Floats, History, Ints
from forecaster.history.quality import Finding


def news(history: History, known: History) -> History | None:
    """The steps of `history` that `known` does not have, and those of its cells that came late; None: nothing is new.

    Both have the same step. The quality summary counts the rows that are new and the steps that changed.
    """
    newest = int((known.end - history.start) // history.step)
    late = (history.position < newest) & _late(history, known)
    first = int(min(history.position[late].min(), newest)) if late.any() else newest
    if first >= history.length:
        return None
    keep = late | (history.position >= newest)
    before = np.concatenate(([0], np.cumsum(keep)))
    cells = replace(
        history,
        offsets=before[history.offsets].astype(np.int64),
        position=history.position[keep],
        requests=history.requests[keep],
        censored=history.censored[keep],
        utilisation={name: values[keep] for name, values in history.utilisation.items()},
    ).tail(history.length - max(first, 0))
    # The whole source was read again: only what is new in it counts as new.
    rows = max(history.quality.rows - known.quality.rows, 0)
    treatment = "steps whose rows arrived late or were corrected after they were first read."
    finding = Finding(kind="late", count=int(late.sum()), where="sources read again", treatment=treatment)
    return replace(cells, quality=replace(history.quality, rows=rows, findings=()).with_findings([finding]))


def _late(history: History, known: History) -> Bools:
    """(cells,) True for cells of `history` in steps of `known` that say something else there."""
    shift = int((history.start - known.start) // history.step)
    owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
    at = history.position + shift
    inside = (at >= 0) & (history.position >= (1 if shift > 0 else 0)) & np.isfinite(history.requests)
    before = _known_values(known, _places(history, known)[owner], at)
    log = history.zero_absent[owner]
    return np.asarray(inside & np.where(log, history.requests > np.nan_to_num(before), history.requests != before))


def _places(history: History, known: History) -> Ints:
    """(P,) place of each pair of `history` in `known`, -1 for those that it does not have."""
    place = {pair: k for k, pair in enumerate(known.pairs)}
    return np.array([place.get(pair, -1) for pair in history.pairs], dtype=np.int64)


def _known_values(known: History, pair: Ints, at: Ints) -> Floats:
    """(cells,) what `known` has for the pairs at the steps `at`, NaN where it has no cell."""
    owner = np.repeat(np.arange(len(known.pairs)), np.diff(known.offsets))
    keys = owner * known.length + known.position
    wanted = pair * known.length + at
    found = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    if not len(keys):
        return np.full(len(wanted), np.nan)
    same = (pair >= 0) & (at >= 0) & (at < known.length) & (keys[found] == wanted)
    return np.where(same, known.requests[found], np.nan)
