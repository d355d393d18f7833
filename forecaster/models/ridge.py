"""Ridge regression walked through time: refitted block by block on the rows that were known then.

The normal equations of all rows so far are kept, so a walk over a whole history costs one pass plus one small solve per
refit, and another penalty costs the solves alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.models.features import blocks

Floats = NDArray[np.float64]
#: Fewer rows than this say nothing about a regression.
FEWEST = 20


@dataclass(frozen=True, kw_only=True)
class NormalEquations:
    """The regression of a target on `columns` (k, p), as it was known at the start of each of b blocks.

    `filled` (k, 1 + p) columns with the intercept first and zeros where incomplete; `gram` (b, 1 + p, 1 + p), `moment`
    (b, 1 + p) and `weight` (b,) sums over the rows known then; `parts` the rows of each block.
    """

    filled: Floats
    complete: NDArray[np.bool_]
    parts: tuple[slice, ...]
    gram: Floats
    moment: Floats
    weight: Floats

    def forecasts(self, penalty: float) -> Floats:
        """(k,) forecasts with `penalty` on standardised columns; NaN where a column is missing or too little is known."""
        out = np.full(len(self.filled), np.nan)
        ready = np.flatnonzero(self.weight > FEWEST)
        if len(ready):
            solved = _solve(self.gram[ready], self.moment[ready], self.weight[ready], penalty)
            for number, coefficients in zip(ready, solved, strict=True):
                part = self.parts[number]
                # Row by row, not as a matrix product: its last bit would depend on how many rows follow.
                out[part] = (self.filled[part] * coefficients).sum(axis=1)
        out[~self.complete] = np.nan
        return out


def normal_equations(
    columns: Floats,
    target: Floats,
    usable: NDArray[np.bool_],
    rows: NDArray[np.int64],
    n: int,
    h: int,
    *,
    refit: int,
    forget: float = 1.0,
) -> NormalEquations:
    """The equations of `target` (past,) on `columns` (k, p) at the target `rows` (k,), of which `past` are < n.

    A block of `refit` steps that starts at s learns from pairs up to row s - h only: what was known when its first
    forecast was made. `usable` (past,) says which pairs count; `forget` multiplies older rows' weight at each refit.
    """
    complete: NDArray[np.bool_] = np.asarray(np.isfinite(columns).all(axis=1))
    filled = np.column_stack([np.ones(len(columns)), np.where(complete[:, None], columns, 0.0)])
    fine = usable & complete[: len(target)] & np.isfinite(target)
    learned = filled[: len(target)] * fine[:, None]
    answers = np.where(fine, target, 0.0)
    width = filled.shape[1]
    gram, moment, weight, taken = np.zeros((width, width)), np.zeros(width), 0.0, 0
    parts, grams, moments, weights = [], [], [], []
    for part, upto in blocks(rows, n, h, refit):
        if upto > taken:
            new = learned[taken:upto]
            gram = forget * gram + new.T @ new
            moment = forget * moment + new.T @ answers[taken:upto]
            weight = forget * weight + float(fine[taken:upto].sum())
            taken = upto
        parts.append(part)
        grams.append(gram)
        moments.append(moment)
        weights.append(weight)
    return NormalEquations(
        filled=filled,
        complete=complete,
        parts=tuple(parts),
        gram=np.array(grams),
        moment=np.array(moments),
        weight=np.array(weights),
    )


def _solve(gram: Floats, moment: Floats, weight: Floats, penalty: float) -> Floats:
    """Coefficients (b, 1 + p), intercept first, on standardised columns; constant columns get none."""
    count = weight[:, None]
    mean = gram[:, 0] / count
    variance = np.maximum(np.diagonal(gram, axis1=1, axis2=2) / count - mean**2, 0.0)
    scale = np.sqrt(variance) + 1e-9
    centred = gram - count[:, :, None] * mean[:, :, None] * mean[:, None, :]
    centred /= scale[:, :, None] * scale[:, None, :]
    aim = (moment - mean * moment[:, :1]) / scale
    inner = centred[:, 1:, 1:]
    diagonal = np.arange(inner.shape[1])
    inner[:, diagonal, diagonal] += np.where(variance < 1e-12, 1e12, penalty)[:, 1:]
    slope = np.linalg.solve(inner, aim[:, 1:, None])[:, :, 0] / scale[:, 1:]
    intercept = moment[:, 0] / weight - (mean[:, 1:] * slope).sum(axis=1)
    return np.column_stack([intercept, slope])
