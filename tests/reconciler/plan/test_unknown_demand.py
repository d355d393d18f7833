"""Whatever history a run meets: no tier of a class whose current demand is unknown shrinks, and the last line says why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, seed, settings

from forecaster.demand import LEVELS, DemandForecast
from forecaster.errors import HistoryError
from forecaster.history.frame import history_from_frame
from forecaster.history.history import History
from reconciler.demand import outlook
from reconciler.demand.grouping import group
from reconciler.demand.kept_demand import with_kept
from reconciler.demand.lost_data import LastHeard, lost_data
from reconciler.demand.trained import Forecasted, Trained
from reconciler.fleet.file import Fleet, parse_fleet
from reconciler.guards.clock import guard_time
from reconciler.guards.order import PastChange
from reconciler.plan.decide import decide
from reconciler.plan.snapshot import Snapshot
from reconciler.prices.catalogue import builtin
from stacks.contract import Tier
from tests.reconciler.plan.unknown_demand import HOUR, START, Situation, mistakes, shrunk, situations

#: Cases of one part; `make test-properties` runs ten parts.
CASES = 500
COLUMNS = ("timestamp", "user_id", "application_id", "requests")


def history_of(situation: Situation, *, whole: bool = False, hours: int | None = None) -> History | None:
    """The rows as a run reads them at its time; None where they can't be read, so that no plan is made."""
    rows = situation.rows(hours, whole=whole)
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=COLUMNS)
    try:
        history = history_from_frame(frame, step=HOUR, until=situation.now, counters=situation.counters)
    except HistoryError:
        return None
    return history if history.length else None  # without a step the run ends in "there is no demand before …"


class GivenForecast:
    """Stands in for the forecaster, which has its own tests: the last day's mean times a factor, with little spread."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, fleet: Fleet, history: History, trained: Trained, *, seed: int) -> Forecasted:
        grouping = group(history, fleet)
        count = len(grouping.names)
        last_day = history.grouped(grouping.codes, count)[:, -24:]
        known = np.isfinite(last_day)
        mean = np.where(known, last_day, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        spread = np.random.default_rng(seed).lognormal(0.0, 0.1, (20, count, 12))
        paths = self.factor * mean[None, :, None] * spread
        forecast = DemandForecast(
            cutoff=history.cutoff,
            step=history.step,
            applications=grouping.names,
            levels=LEVELS,
            quantiles=np.quantile(paths, LEVELS, axis=0).transpose(1, 2, 0),
            paths=paths,
            models=("given",) * count,
            reasons=("",) * count,
            calibrated=(True,) * count,
        )
        return Forecasted(forecast=forecast, grouping=grouping, forecast_note="")


def snapshot_of(situation: Situation, history: History) -> Snapshot:
    """What the run knows, from the history, the memory of an earlier run and a given forecast."""
    fleet = parse_fleet(situation.fleet(), "fleet.yaml")
    before: tuple[LastHeard, ...] = ()
    if situation.remembered is not None:
        hours = situation.length - situation.remembered
        before = lost_data(fleet, history_of(situation, whole=True, hours=hours), (), as_of=START + hours * HOUR).heard
    with patch.object(outlook, "forecast_of", GivenForecast(situation.factor)):
        seen = outlook.outlook(fleet, history, at=situation.now, before=before)
    kept = with_kept(fleet, seen.forecast, seen.grouping, seen.load_now, seen.lost)
    past = tuple(
        PastChange(at=situation.now - hours * HOUR, tier=tier, added=1, removed=1)
        for hours in situation.changed_hours_ago
        for tier in Tier
    )
    clock = guard_time(
        situation.now,
        newest_entry=max((one.at for one in past), default=None),
        data_end=history.end,
        max_age=fleet.history.max_age,
    )
    return Snapshot(
        fleet=fleet,
        catalogue=builtin(),
        forecast=kept.forecast,
        grouping=kept.grouping,
        observed=situation.observed(),
        load_now=kept.load_now,
        as_of=history.end,
        now=situation.now,
        stack="dev",
        clock=clock,
        past=past,
        unreachable={situation.silent_host: "no route"} if situation.silent_host else {},
        demoted=situation.demoted or seen.demoted,
        blocking=seen.blocking,
    )


@pytest.mark.generated
def test_nothing_shrinks_on_demand_that_is_not_known(cases_seed: int) -> None:
    counts: Counter[str] = Counter()

    @seed(cases_seed)
    @settings(max_examples=CASES, derandomize=False, database=None)
    @given(situations())
    def judged(situation: Situation) -> None:
        counts["cases"] += 1
        history = history_of(situation)
        if history is None:
            counts["no plan"] += 1
            return
        snapshot = snapshot_of(situation, history)
        plan = decide(snapshot).plan
        assert mistakes(situation, plan, demoted=snapshot.demoted) == []
        counts["healthy tiers shrank"] += bool(shrunk(situation, plan))
        if situation.unknown() and counts["cases"] % 5 == 0:
            free = decide(replace(snapshot, blocking={}, demoted=False)).plan
            counts["would have shrunk"] += bool(mistakes(situation, free, demoted=snapshot.demoted))

    judged()
    # The situations are not harmless: without the guard they shrink what they must not, and what may shrink does.
    assert counts["healthy tiers shrank"] > counts["cases"] / 20, counts
    assert counts["would have shrunk"] > counts["cases"] / 5 / 20, counts
    assert counts["no plan"] < counts["cases"] / 10, counts
