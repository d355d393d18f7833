"""The forecast of one user and application: from the pair's own model, its share, its peers, or the prior."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from forecaster.demand import LEVELS
from forecaster.errors import ForecastError
from forecaster.hierarchy.joint import Joint, path_quantiles
from forecaster.history.history import History
from forecaster.plbm.prediction import Asked, Prediction
from forecaster.plbm.state import PlbmState
from forecaster.series.prior import unknown_user

#: How far ahead is answered; and how many known users stand for one that is not known.
FARTHEST, PEERS = timedelta(weeks=8), 50


def steps_ahead(history: History, timestamp: datetime) -> int:
    """In which step after the history's last one `timestamp` lies (1: the next). Without history every time is near.

    Raises `ForecastError` for a time without a zone, inside the history, or too far after it.
    """
    said = timestamp.isoformat()
    if timestamp.tzinfo is None:
        raise ForecastError(f"the time {said} has no zone; write it with Z or an offset.")
    if not history.length:
        return 1
    end = history.end.isoformat()
    steps = int((timestamp.astimezone(UTC) - history.end) // history.step) + 1
    if steps < 1:
        raise ForecastError(f"{said} lies in the history, which ends at {end}; ask for a later time.")
    if too_far(steps, history.step):
        raise ForecastError(f"{said} is more than eight weeks after the history's end ({end}); update the history.")
    return steps


def too_far(steps: int, step: timedelta) -> bool:
    """Whether so many steps ahead is farther than anything is said about."""
    return steps * step > FARTHEST


def answer(made: Joint, state: PlbmState, node: int, steps: int, asked: Asked) -> Prediction:
    """The prediction of what is asked, for a pair in a node of the history, `steps` ahead."""
    structure, pairs = made.structure, state.history.pairs
    holder = made.series[int(structure.holder[node])]
    members = structure.pairs(node)
    wanted = (asked.user_id, asked.application_id)
    place = next((int(k) for k in members if pairs[int(k)] == wanted), None)
    if place is None:
        peers = made.pair_paths(node, members[:PEERS].tolist())
        rows = unknown_user(peers, LEVELS, np.random.default_rng(state.settings.seed))
        why = (
            f"user {wanted[0]} is not in the history of {wanted[1]}: a typical one of its {len(members)} users, "
            "with wide intervals"
        )
        return Prediction.of_quantiles(asked, rows[steps - 1], "prior", why, False)
    if len(members) == 1 and len(structure.members(int(structure.holder[node]))) == 1:
        row = holder.quantiles[steps - 1]
        return Prediction.of_quantiles(asked, row, holder.model, holder.reason, holder.calibrated)
    quantiles = path_quantiles(made.pair_paths(node, [place])[0])[steps - 1]
    own = made.big.get(place)
    if own is not None:
        why = f"has a model of its own, reconciled to {structure.nodes[node]}: {own.reason}"
        return Prediction.of_quantiles(asked, quantiles, own.model, why, own.calibrated)
    why = f"its share of {holder.name}: {holder.reason}"
    return Prediction.of_quantiles(asked, quantiles, holder.model, why, holder.calibrated)
