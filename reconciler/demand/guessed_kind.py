"""Whether a guess of what a row of the history is contradicts what the last run knew. Pure.

Rows without a column of counts are taken for events, one request each, if fleet.yaml does not declare `history.kind`. Where
that changes the load of a class by a factor of ten, the guess is more likely wrong than the demand is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from forecaster.history.history import History
from reconciler.demand.lost_data import LastHeard, last_heard
from reconciler.errors import InputError
from reconciler.fleet.file import Fleet

#: Factor, up or down, from which the guess is refused.
FACTOR = 10.0


def refuse_contradicted_guess(fleet: Fleet, history: History, before: Sequence[LastHeard]) -> None:
    """Raise `InputError` where rows are events only by a guess and a class's load is 10 times what `before` knew, or a tenth.

    Compared are means over the last day with data, of the applications that are in both.
    """
    guessed = next((f for f in history.quality.findings if f.kind == "guessed-events"), None)
    if guessed is None:
        return
    known = {(h.qos, h.application): h.mean_rps for h in before}
    loads: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for one in last_heard(history, fleet):
        if (one.qos, one.application) in known:
            old, new = loads[one.qos]
            loads[one.qos] = old + known[one.qos, one.application], new + one.mean_rps
    for name, (old, new) in loads.items():
        if min(old, new) > 0 and not 1 / FACTOR < new / old < FACTOR:
            raise InputError(
                guessed.where,
                f"its rows were read as events, one request each, since it has no column `requests` and fleet.yaml does "
                f"not declare `history.kind`; the load of QoS class {name} would be {new:.3g} requests/s, and the last run "
                f"knew {old:.3g}.",
                "Set `history.kind: events` if each row is one request; else name the column of counts under "
                "`history.columns`, as in `columns: {requests: hits}`.",
            )
