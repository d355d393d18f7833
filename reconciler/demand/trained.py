"""The forecast of a fleet's groups: by the model that `tiercast train` kept if it fits the run, else by a new one. Pure.

A kept model is used if all of these hold:

- It was trained for this fleet file.
- It knows no data that is later than the run's time.
- It is fresh: its oldest fit is younger than the refit interval (`RefitRules.every`, a week).

Newer history extends a copy of the model. The kept model does not change, so the same model and history give the same plan.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from forecaster.demand import DemandForecast
from forecaster.history.history import History
from forecaster.history.late_rows import news
from forecaster.plbm import PLBM
from forecaster.plbm.state import PlbmState, Update
from forecaster.workload.utilisation import without_measurement
from reconciler.demand.forecaster_settings import declared_costs, settings_of, units_of
from reconciler.demand.grouping import Grouping, group, grouped_as, nodes_of
from reconciler.fleet.file import Fleet
from stacks.contract import canonical

TRAIN = "run `tiercast train`"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The kept model of a run with the fingerprint of the run's source, or why no model is available (`missing`)."""

    state: PlbmState | None = None
    source: str = ""
    missing: str = f"no trained model, {TRAIN}"


#: Without a kept model.
UNTRAINED = Trained()


@dataclass(frozen=True, kw_only=True)
class Forecasted:
    """The joint forecast of a grouping's groups, in their order. `forecast_note` is a sentence that names the model."""

    forecast: DemandForecast
    grouping: Grouping
    forecast_note: str


def origin_of(fleet: Fleet, source: str) -> dict[str, str]:
    """Key of fleet.yaml → digest of its value, for the keys that a model depends on. `source` is the source's fingerprint.

    Keys that do not affect the forecast, such as prices, guards and the cost of requests, are left out.
    """
    rules = [(rule.match, rule.user, rule.qos) for rule in fleet.applications]
    history = fleet.history.model_dump(mode="json", exclude={"source", "paths", "max_age", "keep_lost"})
    said = {
        "step": str(fleet.step),
        "horizon": str(fleet.horizon),
        # The filters came later: where they are empty, the models of earlier versions still fit.
        "history": {**{k: v for k, v in history.items() if v or k not in ("users", "applications")}, "source": source},
        "calendar": fleet.calendar.model_dump(mode="json"),
        "qos": list(fleet.qos),
        "applications": rules,
    }
    return {key: hashlib.sha256(canonical(value).encode()).hexdigest()[:16] for key, value in said.items()}


def forecast_of(fleet: Fleet, history: History, trained: Trained, *, seed: int = 0) -> Forecasted:
    """The forecast of the fleet's groups from the end of `history` on.

    Raises:
        InputError: no rule of the fleet file matches a pair.
    """
    if trained.state is None:
        return _anew(fleet, history, trained.missing, seed)
    unfit = misfit(fleet, history, trained.state, trained.source)
    return _anew(fleet, history, unfit, seed) if unfit else _extended(fleet, history, trained.state, seed)


def misfit(fleet: Fleet, history: History, state: PlbmState, source: str) -> str:
    """Why a kept model can't forecast from the end of `history`, or ""."""
    wanted = origin_of(fleet, source)
    if other := [key for key in wanted if state.origin.get(key) != wanted[key]]:
        verb = "differs" if len(other) == 1 else "differ"
        return f"the trained model is for another fleet file: {', '.join(other)} {verb}, {TRAIN}"
    if state.history.end > history.end:
        return f"the trained model knows data until {_said(state.history.end)}, which is later than this run"
    every, trained = state.settings.refit.every, trained_until(state)
    if history.end - trained >= every:
        days = (history.end - trained).days
        return f"the trained model is {days} days old (limit {every.days}), {TRAIN}"
    return ""


def trained_until(state: PlbmState) -> datetime:
    """End of the history that the oldest fit of a kept model used."""
    return min((fitted.fitted for fitted in state.fitted.values()), default=state.history.end)


def extend(plbm: PLBM, history: History) -> Update | None:
    """Add the data of `history` that the forecaster does not know, late rows included. None: no new data."""
    newer = news(history, plbm.state.history)
    if newer is None:
        return None
    plbm.forecast()  # where it was not kept: the update scores it
    return plbm.update(newer)


def _anew(fleet: Fleet, history: History, why: str, seed: int) -> Forecasted:
    grouping = group(history, fleet)
    # Every run repeats this, so it uses the pretrained net: training one takes longer than the rest of the run.
    settings = replace(settings_of(fleet, seed=seed), big_pairs=0, warm=None)
    plbm = PLBM(settings, node_of=nodes_of(fleet, history.pairs))
    plbm.train(history, declared=declared_costs(fleet, history.pairs), units=units_of(fleet))
    return Forecasted(forecast=plbm.forecast(level="series"), grouping=grouping, forecast_note=f"new forecast: {why}")


def _extended(fleet: Fleet, history: History, state: PlbmState, seed: int) -> Forecasted:
    node_of = nodes_of(fleet, sorted({*history.pairs, *state.history.pairs}))
    declared = without_measurement(history, units_of(fleet), state.workload, declared_costs(fleet, history.pairs))
    settings = replace(state.settings, seed=seed, warm=None)  # a refit asks the net as it was trained
    plbm = PLBM.resumed(replace(state, settings=settings, declared=declared), node_of=node_of)
    until = trained_until(state)
    extend(plbm, history)
    newer = round((history.end - until) / history.step)
    return Forecasted(
        grouping=grouped_as(plbm.structure, node_of, history, fleet),
        forecast=plbm.forecast(level="series"),
        forecast_note=f"forecast by the model trained until {_said(until)}; {newer} steps newer",
    )


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
